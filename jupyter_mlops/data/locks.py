"""Repair DVC's `rwlock`: an empty or broken file, and entries of processes that have ended.

We do not take DVC's locks, but such a file stops every `dvc` command until someone deletes it.
`.dvc/tmp/lock` needs no repair: the operating system releases it when its process ends.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import Conflict
from jupyter_mlops.files import content, json_in
from jupyter_mlops.paths import is_link
from jupyter_mlops.processes.identity import process_start, started_after
from jupyter_mlops.progress import say

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project


_LARGEST = 10_000_000


def heal(project: Project) -> list[str]:
    """Remove the entries that no living process holds; return a sentence for each.

    Raises:
        Conflict: another process is editing the file.
    """
    file = project.root / ".dvc" / "tmp" / "rwlock"
    if not _suspicious(file):
        return []
    from dvc.lock import LockError, make_lock

    try:
        # DVC takes this lock too before it edits the file.
        with make_lock(str(file.with_name("rwlock.lock")), tmp_dir=str(file.parent)):
            healed = _healed(file)
    except LockError:
        raise Conflict(
            "A DVC command is running in this project", "Wait until it ends, then try again"
        ) from None
    for line in healed:
        say(f"repaired DVC's lock file: {line}")
    return healed


def _suspicious(file: Path) -> bool:
    """Return whether the file may block a `dvc` command; it costs one small read."""
    if is_link(file):
        return True
    try:
        text = content(file, most=_LARGEST).decode(errors="replace").strip()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Conflict(
            f".dvc/tmp/rwlock cannot be read: {error.strerror}", "Delete it: it is not a DVC lock"
        ) from None
    return text not in ("{}", '{"read": {}, "write": {}}', '{"write": {}, "read": {}}')


def _healed(file: Path) -> list[str]:
    if is_link(file):
        # Writing would change the file that the link leads to.
        file.unlink()
        return ["it was a symbolic link"]
    try:
        written = file.stat().st_mtime
        entries = json_in(file, most=_LARGEST)
        readers, writers = entries.get("read", {}), entries.get("write", {})
        holders = [holder for many in readers.values() for holder in many] + [*writers.values()]
        ended = {holder["pid"]: _why_ended(int(holder["pid"]), written) for holder in holders}
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        # No process can hold a lock with this file: DVC refuses to read it.
        file.unlink(missing_ok=True)
        return ["it was empty or incomplete"]
    if not any(ended.values()):
        return []

    def alive(holder: Any) -> bool:
        return not ended[holder["pid"]]

    living = {
        "read": {path: [h for h in many if alive(h)] for path, many in readers.items()},
        "write": {path: holder for path, holder in writers.items() if alive(holder)},
    }
    living["read"] = {path: many for path, many in living["read"].items() if many}
    # Written in place, not renamed: processes that wait for the lock open this file.
    file.write_text(json.dumps(living))
    return [f"process {pid} {reason}" for pid, reason in ended.items() if reason]


def _why_ended(pid: int, written: float) -> str:
    """Return how we know that the process of this entry has ended; empty while it runs."""
    if process_start(pid) is None:
        return "has ended"
    # A process that started after the entry was written did not write it: the pid is reused.
    later = started_after(pid, written + 1)
    if later is None:
        return "has ended"
    return "has ended, and another process has its pid" if later else ""
