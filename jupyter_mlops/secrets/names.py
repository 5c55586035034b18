"""Decide by its name and its value whether a value is a secret."""

from __future__ import annotations

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: Words of a secret's name, also at the end of a longer word (`PGPASSWORD`, `authtoken`).
_SECRET_WORDS = (
    "password", "passwd", "passphrase", "passcode", "secret", "token", "credential", "credentials",
    "apikey", "accesskey", "secretkey", "authorization",
)  # fmt: skip
_PASSWORDS = ("password", "passwd", "passphrase", "passcode", "pwd", "pw", "pass")
_KEYS = {
    "access", "account", "api", "auth", "deploy", "encryption", "license", "master", "private",
    "secret", "service", "signing", "storage", "subscription", "webhook",
}  # fmt: skip
_PASSES = {
    "admin", "db", "email", "ftp", "login", "mail", "mysql", "pg", "postgres", "redis", "root",
    "smtp", "ssh", "sudo", "user",
}  # fmt: skip
#: A name with this last word describes a secret, and its value is none.
_ABOUT = {
    "budget", "class", "column", "columns", "count", "counts", "dim", "embedding", "embeddings",
    "endpoint", "env", "expires", "expiry", "field", "fields", "file", "folder", "format", "hint",
    "id", "ids", "idx", "index", "kind", "label", "labels", "len", "length", "limit", "loss", "mask",
    "max", "min", "mode", "model", "name", "names", "num", "path", "policy", "rate", "ratio",
    "required", "rules", "scheme", "score", "size", "sizes", "sum", "total", "ttl", "type", "types",
    "uri", "url", "vocab", "weight", "weights",
}  # fmt: skip
#: Words before `token` that make it a token of a language model: `pad_token`, `next_token`.
_OF_TEXT = {
    "a", "added", "additional", "bos", "cls", "current", "cur", "decoder", "each", "end", "eos",
    "first", "last", "mask", "max", "min", "n", "new", "next", "num", "pad", "per", "prev",
    "previous", "sentence", "sep", "special", "start", "stop", "sub", "text", "unk", "unknown", "word",
}  # fmt: skip
_VOCABULARY = (
    _KEYS | _PASSES | _ABOUT | {*_SECRET_WORDS, *_PASSWORDS, "client", "key", "hash", "value"}
)
_NOTHING = re.compile(
    r"""(?ix)
    <.*> | \[.*\] | \{.*\} | \$[\w({].* | %.* | \*+.* | x+ | \.+ | …+ | -+ | _+
    | .*\{[\w.\[\]'"]*\}.*            # a template
    | (?:my|your|the|some|an?)[-_ ].* | change[-_ ]?(?:me|it).* | insert[-_ ].* | replace[-_ ].*
    | v?\d+(?:\.\d+)+(?:\.?(?:a|b|rc|post|dev)\d+)*(?:\+[\w.]+)?   # a version: `asttokens` is a package
    | todo.* | none | null | nil | true | false | yes | no | on | off | redacted | placeholder | hidden
    | example.* | dummy | optional | required | default | auto | basic | bearer | str | string | bytes | int
    """
)
_FILE = re.compile(
    r"(?i)[\w./\\~ -]+\.(?:json|ya?ml|toml|ini|cfg|conf|env|pem|key|crt|txt|csv|pkl|pt|py)"
)
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.\-]*")
_PROSE = re.compile(r"(?i)\b(?:your|the|enter|is|are|must|please|invalid|wrong|missing|needs?)\b")


@lru_cache(maxsize=8192)
def names_secret(name: str) -> bool:
    """Whether a value of this name is a secret: `DB_PASSWORD`, `hf-token`, `apiKey`, `secret`."""
    if len(name) > 200:
        return False
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or (words[-1] in _ABOUT and words[-3:] != ["access", "key", "id"]):
        return False
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        if word == "token":
            if before not in _OF_TEXT and (index == len(words) - 1 or not before):
                return True
        elif (
            word.endswith(_SECRET_WORDS)
            or word in {"pw", "pwd"}
            or (word == "key" and before in _KEYS)
            or (word == "pass" and before in _PASSES)
        ):
            return True
    return False


#: Keys that stand beside a secret in a dict; their values are not secret.
_BESIDE = {
    "algorithm", "database", "db", "driver", "email", "grant", "host", "hostname", "issuer", "login",
    "owner", "port", "provider", "realm", "region", "role", "schema", "scope", "server", "service",
    "tenant", "user", "username", "version",
}  # fmt: skip


def tells_about(key: str) -> bool:
    """Whether a key in a dict of secrets has a value that is not secret: `user`, `host`, `expires`."""
    words = [word.lower() for word in _WORDS.findall(key)]
    return bool(words) and (words[-1] in _ABOUT or words[-1] in _BESIDE)


def is_secret(name: str, value: str) -> bool:
    """Whether `value` is a secret under the name `name`.

    Not secret are placeholders, paths, names of other variables and prose. Under the plain name `token`,
    which language models use too, a word is not secret either.
    """
    value = value.strip()
    if len(value) < 4 or not names_secret(name) or _NOTHING.fullmatch(value):
        return False
    if _is_path(value) or _is_name(value):
        return False
    words = [word.lower() for word in _WORDS.findall(name)]
    of_password = words[-1].endswith(_PASSWORDS)
    if any(c.isspace() for c in value) and (not of_password or _PROSE.search(value)):
        return False
    return words != ["token"] or not _is_word(value)


def looks_random(value: str) -> bool:
    """Whether a text is probably not a name: long, with letters and several digits."""
    digits = sum(c.isdigit() for c in value)
    return (
        len(value) >= 12
        and digits >= 2
        and "_" not in value
        and len(set(value)) >= 6
        and any(c.isalpha() for c in value)
    )


def _is_path(value: str) -> bool:
    if _FILE.fullmatch(value) or value.startswith(("~/", "./", "../", "http://", "https://")):
        return True
    return value.startswith("/") and not looks_random(max(value.split("/"), key=len))


def _is_name(value: str) -> bool:
    """Whether a value is another secret's name: `DB_PASSWORD`, `access_token`, `password`."""
    if not _IDENTIFIER.fullmatch(value):
        return False
    return (value.isupper() and "_" in value and names_secret(value)) or all(
        word.lower() in _VOCABULARY for word in _WORDS.findall(value)
    )


def _is_word(value: str) -> bool:
    return value.isalpha() or not any(c.isalnum() for c in value)
