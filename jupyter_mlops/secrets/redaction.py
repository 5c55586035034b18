"""Replace secrets by `***` before anything is stored.

A value is secret by its name (`api_key=…`, `--token …`, a parameter `password`) or by its format (a GitHub token, a
private key, a password in a URL). The values of sensitive environment variables, and values found as secrets before
in this process, are replaced everywhere. Values that the user passes to MLflow directly
(`mlflow.log_param("api_key", …)`) are not checked.
"""

from __future__ import annotations

import json
import os
import re
from fnmatch import fnmatch
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jupyter_mlops import guarded
from jupyter_mlops.paths import ThroughALink
from jupyter_mlops.secrets import text as secret_text
from jupyter_mlops.secrets.lists import is_listed_secret, of_many
from jupyter_mlops.secrets.names import is_secret, names_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

HIDDEN = "***"
_SHORTEST = 8  # characters of a value that is replaced everywhere
_LONGEST = 20_000
_MOST_KNOWN = 1_000
_DEEPEST = 3
_MOST_ITEMS = 100
_MOST_COLUMNS = 1_000
_LARGEST_FILE = 2_000_000
_TEXTS = {
    "", ".py", ".ipynb", ".md", ".txt", ".rst", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg",
    ".conf", ".sh", ".bash", ".zsh", ".ps1", ".r", ".jl", ".sql", ".html", ".log", ".patch", ".diff",
}  # fmt: skip
#: Names of files that usually contain secrets.
_FILES = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore",
    "*.kdbx", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", "_netrc", ".pgpass",
    ".pypirc", ".npmrc", ".htpasswd", ".git-credentials", ".dockercfg", "*credentials*", "secrets.*",
    "secret.*", "kubeconfig", "service[-_]account*.json", "token.json", "kaggle.json", "*.tfstate",
)  # fmt: skip
#: Default passwords that are also ordinary words: not replaced everywhere.
_COMMON = {"postgres", "changeme", "minioadmin", "username", "anonymous", "mongodb", "rabbitmq"}
_NO_VALUE = {"", "None", "True", "False"}
_FOLDERS = {"PWD", "OLDPWD"}
#: Values found as secrets in this process → their encodings in a text.
_known: dict[str, tuple[str, ...]] = {}
_read: set[int] = set()
#: The environment when it was last read, and the secrets in it.
_last_environment: tuple[tuple[object, ...], tuple[tuple[str, tuple[str, ...]], ...]] = ((), ())


def redact(text: str, *, key: str = "") -> str:
    """Return `text` without secrets; if `key` names a secret, all of `text` is replaced."""
    if key and text not in _NO_VALUE and names_secret(key):
        return HIDDEN
    return _without_known(_without_found(text), _values())


def redact_all(texts: Iterable[str]) -> list[str]:
    """Return texts without secrets; repeated calls with the same texts (a session's cells) are fast."""
    found = [_without_found(text) for text in texts]
    values = _values()
    return [_without_known(text, values) for text in found]


def redact_items(items: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters or tags as texts without secrets in their names and values."""
    return {redact(key): redact(str(value), key=key) for key, value in items.items()}


def redact_json(value: Any) -> Any:
    """Return a JSON value without secrets."""
    if isinstance(value, dict):
        return {redact(str(k)): _item(str(k), item) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_json(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def _item(name: str, value: Any) -> Any:
    if isinstance(value, str) and is_secret(name, value):
        return HIDDEN
    if isinstance(value, (dict, list, tuple)) and (singular := of_many(name)):
        return _listed(singular, value, "")
    return redact_json(value)


def _listed(name: str, value: Any, key: str) -> Any:
    """Return a list or dict with a secret's name, without its secrets."""
    if isinstance(value, dict):
        return {redact(str(k)): _listed(name, item, str(k)) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_listed(name, item, key) for item in value]
    if isinstance(value, str):
        return HIDDEN if is_listed_secret(name, value, key) else redact(value)
    return value


def redact_file(path: Path, *, root: Path | None = None) -> bytes | None:
    """Return a text file's content without secrets; None if it contains none, or is not a text file.

    Args:
        path: the file.
        root: if given, the file is not read through a link, nor through one between `root` and it.
    """
    try:
        stat = path.stat(follow_symlinks=root is None)
    except OSError:
        return None
    if path.suffix.lower() not in _TEXTS or stat.st_size > _LARGEST_FILE:
        return None
    return _clean_file(path, root, stat.st_mtime_ns, stat.st_size, len(_known))


@lru_cache(maxsize=4096)
def _clean_file(
    path: Path, root: Path | None, _changed: int, _size: int, _knowing: int
) -> bytes | None:
    try:
        content = guarded.content(root, path, most=_LARGEST_FILE) if root else path.read_bytes()
        text = content.decode("utf-8")
    except (OSError, ValueError, ThroughALink):
        return None
    clean = redact(text)
    return clean.encode("utf-8") if clean != text else None


def is_secret_file(path: str) -> bool:
    """Whether a file's name says that it contains secrets: `.env`, `id_rsa`, `credentials.json`."""
    name = path.rpartition("/")[2]
    if name.endswith((".py", ".pub")):
        return False  # code: `redact_file` replaces its secrets; public keys are not secret
    return any(fnmatch(name.lower(), pattern) for pattern in _FILES)


def learn(texts: Iterable[str], namespace: Mapping[str, Any] | None = None) -> None:
    """Remember the secrets in sources and variables, so that they are replaced everywhere.

    This is called before anything of a run is stored, because the first text stored may contain a secret
    that is found only in the last.
    """
    for text in texts:
        if hash(text) not in _read:
            _read.add(hash(text))
            for start, end in secret_text.find(text):
                _remember(text[start:end])
    if namespace:
        _learn_names(namespace, 1)


def _learn_names(names: Mapping[Any, Any], depth: int) -> None:
    for name, value in [*names.items()]:
        if type(value) is str:
            if type(name) is str and is_secret(name, value):
                _remember(value)
            elif "://" in value[:40] and "@" in value:
                learn([value[:_LONGEST]])
        elif type(value) is dict and depth < _DEEPEST and len(value) <= _MOST_ITEMS:
            _learn_names(value, depth + 1)
        elif type(value) in {list, tuple, set, frozenset} and type(name) is str:
            _learn_listed(name, value)
        elif type(value).__module__.startswith("pandas.") and depth == 1:
            _learn_columns(value)


def _learn_columns(frame: Any) -> None:
    """Remember the secrets in a Series, or in a table's columns, with a secret's name."""
    named: Any = []
    if type(frame).__name__ == "DataFrame":
        named = [(name, frame.iloc[:, at]) for at, name in enumerate(frame.columns[:_MOST_COLUMNS])
                 if type(name) is str and of_many(name)]  # fmt: skip
    elif type(frame).__name__ == "Series":
        named = [(frame.name, frame)]
    for name, column in named:
        if type(name) is str:
            _learn_listed(name, column.head(_MOST_ITEMS).tolist())


def _learn_listed(name: str, values: Iterable[Any]) -> None:
    if singular := of_many(name):
        for value in islice(values, _MOST_ITEMS):
            if type(value) is str and is_listed_secret(singular, value):
                _remember(value)


def _remember(value: str) -> None:
    value = value.strip()
    if _SHORTEST <= len(value) <= _LONGEST and value not in _known and value not in _COMMON:
        if len(_known) >= _MOST_KNOWN:
            del _known[next(iter(_known))]
        _known[value] = _forms(value)


def _forms(value: str) -> tuple[str, ...]:
    """Return a value's encodings in plain text, JSON, Python literals and URLs, the longest first."""
    plain = {value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, safe="")}
    twice = {json.dumps(item)[1:-1] for item in plain}
    return tuple(sorted(plain | twice, key=len, reverse=True))


@lru_cache(maxsize=2048)
def _spans(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(secret_text.find(text))


def _without_found(text: str) -> str:
    spans = _spans(text) if len(text) <= _LONGEST else secret_text.find(text)
    if not spans:
        return text
    parts, past = [], 0
    for start, end in spans:
        _remember(text[start:end])
        parts += [text[past:start], HIDDEN]
        past = end
    return "".join([*parts, text[past:]])


def _values() -> list[tuple[str, tuple[str, ...]]]:
    return [*_environment(), *_known.items()]


def _without_known(text: str, values: list[tuple[str, tuple[str, ...]]]) -> str:
    if len(text) < _SHORTEST:
        return text
    for value, forms in values:
        for form in forms:
            if form in text:
                if value.isalpha():  # letters only: replace it only as a separate word
                    text = re.sub(rf"(?<![^\W_]){re.escape(form)}(?![^\W_])", HIDDEN, text)
                else:
                    text = text.replace(form, HIDDEN)
    return text


def _environment() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the secrets in environment variables, with their encodings."""
    global _last_environment
    # The raw mapping below `os.environ`: decoding each value for each text would be slow.
    raw = os.environ._data  # type: ignore[attr-defined]  # noqa: SLF001
    now = (*raw, *raw.values())
    if now != _last_environment[0]:
        _last_environment = (now, tuple(_of_environment()))
    return _last_environment[1]


def _of_environment() -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, value in os.environ.items():
        if name in _FOLDERS or len(value) < _SHORTEST:
            continue
        if names_secret(name) or "://" in value:
            yield from _of_variable(name, value)


@lru_cache(maxsize=256)
def _of_variable(name: str, value: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if is_secret(name, value):
        return ((value, _forms(value)),)
    found = (value[start:end] for start, end in secret_text.find(value))
    return tuple((part, _forms(part)) for part in found if len(part) >= _SHORTEST)
