"""DVC's `rwlock` healed: an empty one, and entries of processes that are gone or have another's pid.

Ours take none of DVC's locks, but a `dvc` command beside us stops at such a file until someone
deletes it. `.dvc/tmp/lock` needs no healing: the system releases it with its process.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import Conflict
from jupyter_mlops.files import content, json_in
from jupyter_mlops.paths import is_link
from jupyter_mlops.processes.identity import process_start
from jupyter_mlops.progress import say

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project


_LARGEST = 10_000_000


def heal(project: Project) -> list[str]:
    """Remove what no living process holds; return what was removed, in words.

    Raises:
        Conflict: the guard of the file itself is held.
    """
    file = project.root / ".dvc" / "tmp" / "rwlock"
    if not _suspicious(file):
        return []
    from dvc.lock import LockError, make_lock

    try:
        # DVC's own guard: nobody edits the file while we do.
        with make_lock(str(file.with_name("rwlock.lock")), tmp_dir=str(file.parent)):
            healed = _healed(file)
    except LockError:
        raise Conflict(
            "A DVC command is at work in this project", "Wait for it to finish, then try again"
        ) from None
    for line in healed:
        say(f"healed DVC's lock file: {line}")
    return healed


def _suspicious(file: Path) -> bool:
    """Return whether the file may block a `dvc` command; it costs one small read."""
    if is_link(file):
        return True
    try:
        held = content(file, most=_LARGEST).decode(errors="replace").strip()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Conflict(
            f".dvc/tmp/rwlock cannot be read: {error.strerror}", "Delete it: no lock is like that"
        ) from None
    return held not in ("{}", '{"read": {}, "write": {}}', '{"write": {}, "read": {}}')


def _healed(file: Path) -> list[str]:
    if is_link(file):
        # What we write would land in the file that it leads to.
        file.unlink()
        return ["it was a link"]
    try:
        written = file.stat().st_mtime
        entries = json_in(file, most=_LARGEST)
        readers, writers = entries.get("read", {}), entries.get("write", {})
        holders = [holder for many in readers.values() for holder in many] + [*writers.values()]
        gone = {holder["pid"]: _gone(int(holder["pid"]), written) for holder in holders}
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        # Nobody can have a lock by it: DVC itself refuses to read it.
        file.unlink(missing_ok=True)
        return ["it was empty or cut short"]
    if not any(gone.values()):
        return []

    def alive(holder: Any) -> bool:
        return not gone[holder["pid"]]

    kept = {
        "read": {path: [h for h in many if alive(h)] for path, many in readers.items()},
        "write": {path: holder for path, holder in writers.items() if alive(holder)},
    }
    kept["read"] = {path: many for path, many in kept["read"].items() if many}
    # Not by a rename: who waits at the guard opens this very name.
    file.write_text(json.dumps(kept))
    return [f"process {pid} {reason}" for pid, reason in gone.items() if reason]


def _gone(pid: int, written: float) -> str:
    """Return why the process that wrote this entry is gone, or an empty string while it lives."""
    start = process_start(pid)
    if start is None:
        return "has ended"
    import psutil  # comes with ipykernel

    try:
        # Whoever wrote the entry had started by then; a pid given out again has not.
        if psutil.Process(pid).create_time() > written + 1:
            return "has ended, and its pid was given to another"
    except psutil.Error:
        return "has ended"
    return ""
