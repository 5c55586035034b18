"""Which projects this user trusts, recorded outside of every project.

Nothing in a project runs until its user trusts it. `trusted.json` in Jupyter's data folder (where Jupyter also
records trusted notebooks) holds each project's real path and the owner of its folder. A folder whose owner
has changed is no longer trusted. Nothing in a project can write to this file or redirect it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_mlops import files
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.progress import say

STATE_FOLDER = ".mlops"
#: In it: the copies of the project that replays work in.
REPLAYS = "reproduce"
#: How to trust a project, for messages.
HOW_TO_TRUST = "If you trust who made it, type: %mlops trust"
_FILE = "trusted.json"
_LARGEST = 8_000_000
#: (path, owner) trusted for this process only, because the file cannot be written.
_this_process: set[tuple[str, int]] = set()
#: The file's stat when it was read, and its projects.
_last_read: tuple[object, dict[str, Any]] = (None, {})


class NotTrusted(MlopsError):
    """The project is not trusted, and the request would run its code or contact a server that it names."""

    status = 403

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what, do or HOW_TO_TRUST)


def is_trusted(root: Path) -> bool:
    """Return whether this user trusts the project in `root`, by its real path and its owner."""
    key, owner = _identity(root)
    if owner is None:
        return False
    if (key, owner) in _this_process:
        return True
    entry = _record().get(key)
    if isinstance(entry, dict) and entry.get("owner") == owner:
        return True
    above = _replayed(Path(key))
    return above is not None and is_trusted(above)


def _replayed(root: Path) -> Path | None:
    """Return the project of which `root` is a replay's copy.

    The copy is in `.mlops/reproduce/NAME`, and the note beside it says where in it the project is. Anything
    else in `.mlops`, such as an artifact, may come from somebody else.
    """
    for top in (root, *root.parents):
        if top.parent.name == REPLAYS and top.parent.parent.name == STATE_FOLDER:
            try:
                note = files.json_in(top.with_name(f"{top.name}.json"))
                inside = note["root"]
            except (OSError, ValueError, TypeError, KeyError):
                return None
            return top.parents[2] if inside == root.relative_to(top).as_posix() else None
    return None


def grant(root: Path, how: str) -> None:
    """Record that the project in `root` is trusted; `how` says what the user did."""
    key, owner = _identity(root)
    if owner is None or is_trusted(root):
        return
    since = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        _change(lambda known: known.update({key: {"owner": owner, "since": since, "how": how}}))
    except OSError as error:
        _this_process.add((key, owner))
        say(
            f"{root} is trusted for this process only: {_place()} cannot be written ({error.strerror})"
        )


def withdraw(root: Path) -> bool:
    """Record that the project in `root` is no longer trusted; return whether it was."""
    was = is_trusted(root)
    key, owner = _identity(root)
    _this_process.discard((key, owner or 0))
    if key in _record():
        _change(lambda known: known.pop(key, None))
    return was


def is_own(path: Path) -> bool:
    """Return whether this user owns a file or folder; True on systems without owners."""
    try:
        return not hasattr(os, "geteuid") or path.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _identity(root: Path) -> tuple[str, int | None]:
    real = os.path.realpath(root)
    try:
        return real, Path(real).stat().st_uid
    except OSError:
        return real, None


def home() -> Path:
    """Return the folder of this user's trust records and signing key; a project cannot change it."""
    from jupyter_core.paths import jupyter_data_dir  # comes with ipykernel

    return Path(jupyter_data_dir()) / "jupyter_mlops"


def _place() -> Path:
    return home() / _FILE


def _record() -> dict[str, Any]:
    """Return the recorded projects; none if others can write to the file. It is read again when it changes."""
    global _last_read
    path = _place()
    try:
        stat = path.stat()
        loose = os.name == "posix" and stat.st_mode & 0o022
        if not is_own(path) or loose or stat.st_size > _LARGEST:
            return {}
        state = (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if state != _last_read[0]:
            _last_read = (state, _parsed(path))
    except OSError:
        return {}
    return _last_read[1]


def _parsed(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())["projects"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}  # unreadable: no project is trusted
    return known if isinstance(known, dict) else {}


def _change(edit: Any) -> None:
    path = _place()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with files.locked(path.with_suffix(".lock")):
        known = dict(_parsed(path)) if path.is_file() else {}
        edit(known)
        files.replace(path, json.dumps({"version": 1, "projects": known}, indent=1))
        path.chmod(0o600)
