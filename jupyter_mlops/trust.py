"""Which projects this user trusts: the record of it, kept outside of every project.

A folder is data until its user says otherwise. `trusted.json` in Jupyter's data folder (where Jupyter keeps
which notebooks are trusted, too) holds a project's real path and who owned the folder then; a folder that
was replaced by somebody else's is not trusted any more. Nothing in a project can write there or redirect it.
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
#: What to type.
YES = "If you trust who made it, type: %mlops trust (in a terminal: jupyter mlops trust)"
_FILE = "trusted.json"
_LARGEST = 8_000_000
#: (path, owner) trusted for this process only, where the record cannot be written.
_here: set[tuple[str, int]] = set()
_read_before: tuple[object, dict[str, Any]] = (None, {})


class NotTrusted(MlopsError):
    """The project is not trusted, and what was asked for would run something of it or contact somebody."""

    status = 403

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what, do or YES)


def is_trusted(root: Path) -> bool:
    """Return whether this user trusts the project in `root`, by its real path and its owner."""
    key, owner = _identity(root)
    if owner is None:
        return False
    if (key, owner) in _here:
        return True
    entry = _record().get(key)
    if isinstance(entry, dict) and entry.get("owner") == owner:
        return True
    # A replay's copy of a project lies in that project's own state.
    above = next((folder for folder in Path(key).parents if folder.name == STATE_FOLDER), None)
    return above is not None and is_trusted(above.parent)


def grant(root: Path, how: str) -> None:
    """Note that the project in `root` is trusted; `how` is what the user did."""
    key, owner = _identity(root)
    if owner is None or is_trusted(root):
        return
    since = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        _change(lambda known: known.update({key: {"owner": owner, "since": since, "how": how}}))
    except OSError as error:
        _here.add((key, owner))
        say(
            f"{root} is trusted for this process only: {_place()} cannot be written ({error.strerror})"
        )


def withdraw(root: Path) -> bool:
    """Note that the project in `root` is not trusted any more; return whether it was."""
    was = is_trusted(root)
    key, owner = _identity(root)
    _here.discard((key, owner or 0))
    if key in _record():
        _change(lambda known: known.pop(key, None))
    return was


def is_own(path: Path) -> bool:
    """Return whether this user owns a file or folder; where nobody owns files, yes."""
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
    """Return the folder of what this user has said and signed; a project cannot name another."""
    from jupyter_core.paths import jupyter_data_dir  # comes with ipykernel

    return Path(jupyter_data_dir()) / "jupyter_mlops"


def _place() -> Path:
    return home() / _FILE


def _record() -> dict[str, Any]:
    """Return the record, read again only when it changed. What others can write counts for nothing."""
    global _read_before
    path = _place()
    try:
        stat = path.stat()
        loose = os.name == "posix" and stat.st_mode & 0o022
        if not is_own(path) or loose or stat.st_size > _LARGEST:
            return {}
        state = (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if state != _read_before[0]:
            _read_before = (state, _parsed(path))
    except OSError:
        return {}
    return _read_before[1]


def _parsed(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())["projects"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}  # no yes can be read from it
    return known if isinstance(known, dict) else {}


def _change(edit: Any) -> None:
    path = _place()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with files.locked(path.with_suffix(".lock")):
        known = dict(_parsed(path)) if path.is_file() else {}
        edit(known)
        files.replace(path, json.dumps({"version": 1, "projects": known}, indent=1))
        path.chmod(0o600)
