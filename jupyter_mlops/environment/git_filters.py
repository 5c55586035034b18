"""Compare files that have a git filter (git-lfs, nbstripout) without running the filter.

A filter is a program that the repository's configuration names, so we do not run it. Without it, git compares the
raw file with the filtered content in its index and reports a change. So a file with a filter counts as unchanged if
its size and time are those in the index.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import temporary
from jupyter_mlops.environment import git

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENTRY = re.compile(
    r"(?P<path>[^\0]*)\0"
    r"  ctime: [\d:]+\n  mtime: (?P<seconds>\d+):(?P<nanoseconds>\d+)\n"
    r"  dev: \d+\tino: \d+\n  uid: \d+\tgid: \d+\n  size: (?P<size>\d+)\tflags: \w+\n"
)


def patch(root: Path) -> str:
    """Return the difference between the last commit and the tracked files.

    Raises:
        git.GitFailed: there is no such repository, or it cannot be read.
    """
    found = _diff(root, {})
    if not found or not git.filters(root):
        return found
    names = git.text(
        root, "diff", "--name-only", "-z", "--relative", "HEAD", "--", ".", check=False
    )
    same = unchanged(root, names.split("\0"))
    if not same:
        return found
    with temporary.folder() as scratch:
        index = scratch / "index"
        git.copy_index(
            Path(
                git.text(root, "rev-parse", "--path-format=absolute", "--git-path", "index").strip()
            ),
            index,
        )
        own = {"GIT_INDEX_FILE": str(index)}
        git.text(
            root, "update-index", "--assume-unchanged", "-z", "--stdin",
            give="\0".join(same), environment=own,
        )  # fmt: skip
        return _diff(root, own)


def unchanged(
    root: Path, paths: Iterable[str], environment: dict[str, str] | None = None
) -> list[str]:
    """Return those of `paths` (relative to `root`) that have a filter and are unchanged.

    Raises:
        git.GitFailed: there is no such repository, or it cannot be read.
    """
    drivers = with_filter(root, paths)
    if not drivers:
        return []
    listed = git.text(root, "ls-files", "--debug", "-z", environment=environment)
    found = []
    for entry in _ENTRY.finditer(listed):
        if entry["path"] not in drivers:
            continue
        with suppress(OSError, ValueError):
            stat = (root / entry["path"]).lstat()
            seconds, nanoseconds = divmod(stat.st_mtime_ns, 1_000_000_000)
            # The index stores 32 bits of a size.
            if (seconds, nanoseconds, stat.st_size & 0xFFFFFFFF) == (
                int(entry["seconds"]), int(entry["nanoseconds"]), int(entry["size"])
            ):  # fmt: skip
                found.append(entry["path"])
    return found


def with_filter(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return path → filter, for those of `paths` for which plain git would run a filter.

    Raises:
        git.GitFailed: there is no such repository, or it cannot be read.
    """
    drivers = git.filters(root)
    names = [path for path in paths if path]
    if not drivers or not names:
        return {}
    output = git.text(root, "check-attr", "-z", "--stdin", "filter", give="\0".join(names))
    fields = output.split("\0")  # path, attribute, value
    values = zip(fields[0::3], fields[2::3], strict=False)
    return {path: driver for path, driver in values if driver in drivers}


def _diff(root: Path, environment: dict[str, str]) -> str:
    done = git.run(
        root, "diff", "--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--", ".",
        environment=environment,
    )  # fmt: skip
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
