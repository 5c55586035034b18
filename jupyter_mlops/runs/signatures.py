"""Signs, with this user's own key, the artifacts of a run that decide what a replay executes."""

from __future__ import annotations

from contextlib import suppress

from jupyter_mlops import signing_key
from jupyter_mlops.errors import MlopsError

#: Each of these artifacts has a signature file next to it.
CAPSULE, MANIFEST = "mlops/capsule.json", "mlops/manifest.json"
SUFFIX = ".sig"
_CONTEXT = b"jupyter_mlops artifact of a run, version 1\0"


def of(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the signature files of the capsule and the manifest that are in `files`.

    Empty if no key can be created: the run then counts as recorded by another user.
    """
    signed: dict[str, bytes] = {}
    with suppress(MlopsError, OSError):
        key = signing_key.read(make=True)
        for name in (CAPSULE, MANIFEST):
            if key and name in files:
                found = signing_key.signature(key, context(name), files[name])
                signed[name + SUFFIX] = found.encode()
    return signed


def context(name: str) -> bytes:
    """Return the prefix that makes a signature valid for artifact `name` only."""
    return _CONTEXT + name.encode() + b"\0"
