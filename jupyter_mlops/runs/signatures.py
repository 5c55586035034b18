"""The signatures of a run's artifacts that say what a replay executes, by this user's own key."""

from __future__ import annotations

from contextlib import suppress

from jupyter_mlops import signing_key
from jupyter_mlops.errors import MlopsError

#: The signature of each of these artifacts is kept beside it.
CAPSULE, MANIFEST = "mlops/capsule.json", "mlops/manifest.json"
SUFFIX = ".sig"
_CONTEXT = b"jupyter_mlops artifact of a run, version 1\0"


def of(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the signature files of a run's capsule and manifest, as far as `files` holds them.

    Empty where no key can be made: the run then counts as recorded by somebody else.
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
    """Return what tells the signature of artifact `name` from all others."""
    return _CONTEXT + name.encode() + b"\0"
