"""Files whose content goes through a filter of git's on its way (git-lfs, nbstripout), with the filters not run.

A filter is a program that the repository's configuration names, so it is not run. git would then
compare the raw file with the filtered one in its index, and call each file changed that it looks into. So a
file with a filter counts as unchanged when its size and time are as the index has them.
"""

from __future__ import annotations

import re
import shutil
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
    """Return the difference between the last commit and the files that git keeps.

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
    with temporary.folder() as aside:
        index = aside / "index"
        shutil.copyfile(
            git.text(root, "rev-parse", "--path-format=absolute", "--git-path", "index").strip(),
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
    """Return which of `paths` (from `root`) have a filter, and are as the index saw them.

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
            # The index keeps 32 bits of a size.
            if (seconds, nanoseconds, stat.st_size & 0xFFFFFFFF) == (
                int(entry["seconds"]), int(entry["nanoseconds"]), int(entry["size"])
            ):  # fmt: skip
                found.append(entry["path"])
    return found


def with_filter(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return by its path the filter of each file that plain git would run one for.

    Raises:
        git.GitFailed: there is no such repository, or it cannot be read.
    """
    drivers = git.filters(root)
    asked = [path for path in paths if path]
    if not drivers or not asked:
        return {}
    told = git.text(root, "check-attr", "-z", "--stdin", "filter", give="\0".join(asked)).split(
        "\0"
    )
    values = zip(told[0::3], told[2::3], strict=False)
    return {path: driver for path, driver in values if driver in drivers}


def _diff(root: Path, environment: dict[str, str]) -> str:
    done = git.run(
        root, "diff", "--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--", ".",
        environment=environment,
    )  # fmt: skip
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
