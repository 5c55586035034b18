"""The seal of a Bento: the hashes of all its files, signed by the user who built it.

`seal.json` lists every file with its size and SHA-256, and says whether loading the model runs code. `seal.sig` has
signatures of that list (HMAC-SHA256): one by this user's own key, which lies outside of every project, and one by the
key file that `MLOPS_SIGNING_KEY` names, if it is set. A Bento is started only if one of the two signatures is good
and no file has changed since it was sealed. So a Bento that came with another person's project is not started, nor one
that was changed after it was built.

The same key signs and verifies, so whoever can read it can make a seal. A Bento that is changed between the check and
the import is not detected; that needs write access to the store while the service starts.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files, signing_key
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.paths import UnsafePath, below
from jupyter_mlops.settings import SETTINGS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST, SIGNATURES = "seal.json", "seal.sig"
KEY_VARIABLE = "MLOPS_SIGNING_KEY"
_CONTEXT = b"jupyter_mlops seal of a Bento, version 1\0"
_LARGEST_MANIFEST = 64 * 1024 * 1024
_CHUNK = 1024 * 1024


class Unsealed(MlopsError):
    """The Bento was not built by this user, or was changed since."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The content of a valid seal."""

    allow_pickle: bool


def seal(bento: Path, *, allow_pickle: bool) -> None:
    """Seal a Bento in its present state; its folders are its name and version.

    Raises:
        Unsealed: it contains a link or a special file.
        MlopsError: the configured key cannot be used.
    """
    content = json.dumps(
        {
            "format": 1,
            "name": bento.parent.name,
            "version": bento.name,
            "allow_pickle": allow_pickle,
            "files": {name: _hashed(path) for name, path in _files(bento)},
        },
        indent=1,
        sort_keys=True,
    ).encode()
    keys = {"user": signing_key.read(make=True), "configured": _configured_key(bento)}
    signatures = {
        name: signing_key.signature(key, _CONTEXT, content) for name, key in keys.items() if key
    }
    (bento / MANIFEST).write_bytes(content)
    (bento / SIGNATURES).write_text(json.dumps(signatures), encoding="utf-8")


def verify(bento: Path) -> Sealed:
    """Check a Bento's signature and all its files, and return the content of its seal.

    Raises:
        Unsealed: a check failed; the message says which.
    """
    name = bento.parent.name
    again = f"Build it again: %mlops service build RUN --name {name}"
    try:
        content = _small(bento, MANIFEST)
        signatures = json.loads(_small(bento, SIGNATURES))
    except FileNotFoundError:
        raise Unsealed(f"'{name}' has no seal: an earlier version built it, or it was not built here", again) from None  # fmt: skip
    except (OSError, ValueError, RecursionError, UnsafePath):
        raise Unsealed(f"The seal of '{name}' cannot be read", again) from None
    keys = {"user": signing_key.read(make=False), "configured": _configured_key(bento)}
    if not any(
        key
        and isinstance(signatures, dict)
        and signing_key.is_good(signatures.get(kind), key, _CONTEXT, content)
        for kind, key in keys.items()
    ):
        signed = f"the key of {KEY_VARIABLE} has not signed it" if keys["configured"] else "no key that you trust has signed it"  # fmt: skip
        raise Unsealed(f"'{name}' was not built by you on this machine, and {signed}", again)
    manifest = json.loads(content)
    if (manifest["name"], manifest["version"]) != (name, bento.name):
        raise Unsealed(f"'{name}' is the Bento of another service or version", again)
    change = _change(bento, manifest["files"])
    if change:
        raise Unsealed(f"'{name}' was changed after it was built: {change}", again)
    return Sealed(allow_pickle=manifest["allow_pickle"] is True)


def _change(bento: Path, sealed: dict[str, Any]) -> str:
    """Return how the files differ from the sealed ones, as a text; empty if they do not."""
    try:
        found = dict(_files(bento))
        extra = sorted(found.keys() - sealed.keys())
        missing = sorted(sealed.keys() - found.keys())
        if extra or missing:
            return (
                f"'{ascii((extra or missing)[0])[1:-1][:60]}' was {'added' if extra else 'removed'}"
            )
        for name, path in found.items():
            # Compare sizes first: this is fast, and most changes also change the size.
            if not name.endswith("/") and path.lstat().st_size != sealed[name][0]:
                return f"'{name}' was changed"
        for name, path in found.items():
            if _hashed(path) != sealed[name]:
                return f"'{name}' was changed"
    except OSError as error:
        return f"a file cannot be read ({error.strerror or error})"
    except Unsealed as error:
        return error.what
    return ""


def _files(bento: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file of a Bento except its seal; folders too, with a `/` at the end."""
    waiting = [bento]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as found:
            entries = [*found]
        for entry in entries:
            path = Path(entry.path)
            name = path.relative_to(bento).as_posix()
            if name in {MANIFEST, SIGNATURES} and entry.is_file(follow_symlinks=False):
                continue
            if entry.is_symlink():
                raise Unsealed(f"'{ascii(name)[1:-1][:60]}' is a symbolic link")
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
                yield f"{name}/", path
            elif entry.is_file(follow_symlinks=False):
                yield name, path
            else:
                raise Unsealed(f"'{ascii(name)[1:-1][:60]}' is not a regular file")


def _hashed(path: Path) -> Any:
    """Return the size and SHA-256 of a file; `[0, ""]` for a folder."""
    if path.is_dir():
        return [0, ""]
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return [size, digest.hexdigest()]


def _small(bento: Path, name: str) -> bytes:
    return files.content(below(bento, name, source="A seal"), most=_LARGEST_MANIFEST, link=False)


def _configured_key(bento: Path) -> bytes | None:
    """Return the key in the file that `MLOPS_SIGNING_KEY` names, or None if it is not set."""
    named = os.environ.get(KEY_VARIABLE, "")
    if not named:
        return None
    path = Path(named).expanduser().absolute()
    project = next(
        (folder for folder in bento.absolute().parents if (folder / SETTINGS_FILE).is_file()), None
    )
    if project is not None and path.resolve().is_relative_to(project.resolve()):
        raise MlopsError(
            f"{KEY_VARIABLE} names a file in the project: everybody who gets the project has the key",
            f"Move it, for example: mv {named} ~/.config/mlops.key",
        )
    if not path.is_file():
        raise MlopsError(
            f"{KEY_VARIABLE} names {named}, which is not a file",
            f"Create it: (umask 077; python -c 'import secrets; print(secrets.token_hex(32))' > {named})",
        )
    return signing_key.private(path, f"The key of {KEY_VARIABLE}")
