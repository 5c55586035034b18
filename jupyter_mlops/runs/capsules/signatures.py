"""The signatures of a run's artifacts that say what a replay executes, by this user's own key."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from jupyter_mlops import signing_key
from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from jupyter_mlops.runs.batch import Bundle

#: The signature of each of these artifacts is kept beside it.
CAPSULE, MANIFEST = "mlops/capsule.json", "mlops/manifest.json"
SUFFIX = ".sig"
_CONTEXT = b"jupyter_mlops artifact of a run, version 1\0"


def sign(bundle: Bundle) -> None:
    """Sign what the bundle holds of a run's capsule and manifest, as it will be stored.

    Where no key can be made the run has no signature, and counts as somebody else's.
    """
    with suppress(MlopsError, OSError):
        key = signing_key.read(make=True)
        for name in (CAPSULE, MANIFEST):
            if key and name in bundle.files:
                found = signing_key.signature(key, context(name), bundle.files[name])
                bundle.files[name + SUFFIX] = found.encode()


def context(name: str) -> bytes:
    """Return what tells the signature of artifact `name` from all others."""
    return _CONTEXT + name.encode() + b"\0"
