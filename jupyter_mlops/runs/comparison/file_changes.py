"""What changed in the files that two runs used: the project's code, and the tables they read."""

from __future__ import annotations

import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jupyter_mlops import tables
from jupyter_mlops.data.cache import cached_size, in_cache
from jupyter_mlops.data.difference import between
from jupyter_mlops.environment import git
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.progress import say
from jupyter_mlops.runs.capsules import snapshot
from jupyter_mlops.runs.comparison.records import DataChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.records import RunDetail

# Files that people write; notebooks are in the runs' histories, and data has versions.
_CODE = ("*.py", "*.sql", "*.R", "*.sh", "*.yaml", "*.yml", "*.toml")
#: Above the first limit tables are sampled, above the second left out. Two tables of 20 MB take two seconds.
_MEMORY_FOR_WHOLE, _LARGEST_PAIR = 120e6, 64_000_000
_NOTICED, _LONGEST = 20_000_000, 10.0

#: A path and its version, for the first run and for another one.
_Pair = tuple[tuple[str, str], tuple[str, str]]


def code(first: RunDetail, other: RunDetail, project: Project) -> dict[str, str]:
    """Return a unified diff for each code file that differs between the snapshots of two runs.

    Empty where a run has no snapshot in this repository.
    """
    refs = [f"{snapshot.REFS}/{detail.run_id}" for detail in (first, other)]
    try:
        text = git.text(
            project.root, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
            "--relative", "--unified=2", "--src-prefix=a/", "--dst-prefix=b/", *refs, "--", *_CODE,
        )  # fmt: skip
    except (OSError, git.GitFailed):
        return {}
    return dict(_files(text, _title(first), _title(other)))


def _title(detail: RunDetail) -> str:
    return f"{detail.name} ({detail.run_id[:8]})"


def _files(text: str, before: str, after: str) -> Iterator[tuple[str, str]]:
    for part in f"\n{text}".split("\ndiff --git ")[1:]:
        lines = part.splitlines()
        start = next((i for i, line in enumerate(lines) if line.startswith("--- ")), None)
        if start is None:
            continue  # an empty file, or only the mode differs
        sides = [line[4:].split("\t")[0].strip('"') for line in lines[start : start + 2]]
        path = next(side[2:] for side in reversed(sides) if side != "/dev/null")
        head = [f"--- {path}, {before}", f"+++ {path}, {after}"]
        yield path, "\n".join([*head, *lines[start + 2 :]])


def changed_lines(diff: str) -> tuple[int, int]:
    """Return how many lines a unified diff of one file adds and removes."""
    body = diff.splitlines()[2:]
    return sum(line[:1] == "+" for line in body), sum(line[:1] == "-" for line in body)


def data(details: Sequence[RunDetail], project: Project) -> list[DataChange]:
    """Compare the files whose versions differ from the first run's; only the cache is read.

    If each of two runs has exactly one file that the other has not, these two are compared.
    """
    first, *others = details
    found: dict[_Pair, DataChange] = {}
    started = time.monotonic()
    for other in others:
        for pair in _pairs(first, other):
            if pair not in found:
                late = time.monotonic() - started > _LONGEST
                found[pair] = _compared(*pair, project, late=late)
            found[pair].runs.append(other.run_id)
    return [*found.values()]


def _pairs(first: RunDetail, other: RunDetail) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    old, new = (
        {use.path: use.version for use in detail.data if use.role == "input"}
        for detail in (first, other)
    )
    for path, version in new.items():
        if path in old and old[path] != version:
            yield (path, old[path]), (path, version)
    only_old, only_new = [*(old.keys() - new.keys())], [*(new.keys() - old.keys())]
    if len(only_old) == len(only_new) == 1 and old[only_old[0]] != new[only_new[0]]:
        suffixes = {PurePosixPath(path).suffix for path in (*only_old, *only_new)}
        if len(suffixes) == 1:
            yield (only_old[0], old[only_old[0]]), (only_new[0], new[only_new[0]])


def _compared(
    before: tuple[str, str], after: tuple[str, str], project: Project, *, late: bool
) -> DataChange:
    change = DataChange(
        path=" → ".join(dict.fromkeys((before[0], after[0]))),
        command=f"data diff {_word(before)} {_word(after)}",
    )
    try:
        change.note = _refusal(before, after, project, late=late)
        if not change.note:
            change.diff = between(before, after, most=_MEMORY_FOR_WHOLE, project=project)
    except MlopsError as error:
        change.note = f"Not compared: {error}"
    return change


def _word(side: tuple[str, str]) -> str:
    text = f"{side[0]}@{side[1].removesuffix('.dir')[:12]}"
    return f'"{text}"' if " " in text else text


def _refusal(
    before: tuple[str, str], after: tuple[str, str], project: Project, *, late: bool
) -> str:
    """Return why two versions are not compared here; empty if they are."""
    for path, version in (before, after):
        if "://" in path:
            return "Not compared: it is not in this project"
        if not in_cache(version, project=project):
            return f"Not compared: {version[:8]} is not in the cache; if it was pushed: %mlops data pull"
    size = sum(cached_size(version, project=project) for _, version in (before, after))
    if size > _LARGEST_PAIR:
        return f"Not compared here: {tables.size(size)} would take too long"
    if late:
        return "Not compared here: earlier files already took too long"
    if size > _NOTICED:
        say(f"comparing {after[0]} ({tables.size(size)}) …")
    return ""
