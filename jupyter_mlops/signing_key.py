"""This user's signing key: a good signature proves that this user wrote the content on this machine.

The key is made at its first use, in Jupyter's data folder; a project can neither contain nor choose it.
HMAC-SHA256 from the standard library is enough, because the same user signs and verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from jupyter_mlops import trust
from jupyter_mlops.errors import MlopsError

KEY_BYTES = 32


def read(*, make: bool) -> bytes | None:
    """Return this user's key; without one, make it (`make`) or return None.

    Raises:
        MlopsError: it cannot be read, or others could have read or changed it.
        OSError: it cannot be made.
    """
    path = trust.home() / "own.key"
    if make and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = path.with_name(f".own.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            # A hard link is atomic: it fails if another process was first, and never shows half a key.
            os.link(scratch, path)
        except FileExistsError:
            pass
        finally:
            scratch.unlink(missing_ok=True)
    return private(path, "Your own key") if path.exists() else None


def private(path: Path, whose: str) -> bytes:
    """Return the key in a file that nobody else can read or write.

    Raises:
        MlopsError: it cannot be read, others can, or it is too short.
    """
    try:
        about = path.stat()
        key = path.read_bytes().strip()
    except OSError as error:
        raise MlopsError(f"{whose} cannot be read ({error.strerror})", f"Look at {path}") from None
    if hasattr(os, "getuid") and (
        about.st_uid not in {os.getuid(), 0} or stat.S_IMODE(about.st_mode) & 0o077
    ):
        raise MlopsError(f"{whose} can be read or changed by others", f"chmod 600 {path}")
    if len(key) < KEY_BYTES:
        raise MlopsError(f"{whose} is shorter than {KEY_BYTES} characters", f"Delete {path}")
    return key


def signature(key: bytes, context: bytes, content: bytes) -> str:
    """Return the signature of `content`; each context gives a different one."""
    return hmac.new(key, context + content, hashlib.sha256).hexdigest()


def is_good(candidate: object, key: bytes, context: bytes, content: bytes) -> bool:
    """Return whether `candidate` is the signature of `content`."""
    return isinstance(candidate, str) and hmac.compare_digest(
        candidate.encode("utf-8", "replace"), signature(key, context, content).encode()
    )
