"""`data diff`: what changed between two contents."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.data import revisions
from jupyter_mlops.data.records import DataDiff, FileDiff
from jupyter_mlops.errors import MlopsError, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_mlops.data.revisions import Content

_TABLES = (".parquet", ".pq", ".csv", ".tsv", ".feather", ".json", ".jsonl")


def diff(a: str, b: str = "", *, key: str = "", project: Project | None = None) -> DataDiff:
    """Compare two contents: rows, columns, types, missing values and distributions.

    Args:
        a: a path (its present content), `path@VERSION` or `path@REVISION` (a git revision).
        b: the same. Default: the present content; if `a` is a plain path, `a` is compared with the
            version in its `.dvc` file.
        key: the column that identifies a row, or several as `a,b`; default: whole rows are matched.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: no such file, version or revision.
        UsageError: the two cannot be compared, or the key is not unique.
    """
    project = project or Project.find()
    return _sides(*_both(a, b, project), key)


def between(
    before: tuple[str, str], after: tuple[str, str], *, most: float, project: Project
) -> DataDiff:
    """Compare two cached versions in bounded time.

    Args:
        before: path and version.
        after: path and version.
        most: maximum bytes of memory to fill; larger tables are sampled, and the result says so.
        project: the project of the cache.

    Raises:
        NotFound: the cache does not have one of them.
    """
    old, new = (revisions.of_version(version, name, project) for name, version in (before, after))
    return _sides(old, new, "", most)


def _sides(old: Content, new: Content, key: str, most: float = math.inf) -> DataDiff:
    if old.folder != new.folder:
        raise UsageError(
            f"Of {old.label} and {new.label}, only one is a folder",
            "Compare two files, or two folders",
        )
    common: dict[str, Any] = {
        "before": old.label, "after": new.label, "version_before": old.version,
        "version_after": new.version, "size_before": old.size, "size_after": new.size,
        "same": old.version == new.version,
    }  # fmt: skip
    if old.folder:
        return DataDiff(kind="folder", files=_files(old, new), **common)
    suffixes = [Path(side.name).suffix.lower() for side in (old, new)]
    if not all(suffix in _TABLES for suffix in suffixes):
        return DataDiff(
            kind="file", notes=["Not a table: only the versions are compared"], **common
        )
    if old.version == new.version and suffixes[0] == suffixes[1]:
        return DataDiff(kind="table", **common)
    return _tables(old, new, suffixes, key, common, most)


def _both(a: str, b: str, project: Project) -> tuple[Content, Content]:
    first = revisions.resolve(a, project)
    if b:
        return first, revisions.resolve(b, project)
    path = project.root / first.name
    if first.label.endswith(" (now)"):
        return revisions.kept(path, project), first
    return first, revisions.present(path, project)


def _files(old: Content, new: Content) -> list[FileDiff]:
    before, after = old.listing or {}, new.listing or {}
    found = []
    for path in sorted({*before, *after}):
        one, other = before.get(path), after.get(path)
        if one is None and other:
            found.append(FileDiff(path=path, change="added", size_after=other[1]))
        elif other is None and one:
            found.append(FileDiff(path=path, change="removed", size_before=one[1]))
        elif one and other and one[0] != other[0]:
            found.append(
                FileDiff(path=path, change="changed", size_before=one[1], size_after=other[1])
            )
    return found


def _tables(
    old: Content,
    new: Content,
    suffixes: Sequence[str],
    key: str,
    common: dict[str, Any],
    most: float,
) -> DataDiff:
    from jupyter_mlops.data import comparison, samples

    every = samples.fraction([(old.size, suffixes[0]), (new.size, suffixes[1])], most)
    why = "would not fit in memory" if most == math.inf else "would take long"
    try:
        names = samples.column_names(old.file, suffixes[0])
        _refuse_repeated(old, names)
        _refuse_repeated(new, samples.column_names(new.file, suffixes[1]))
        # A column may have a comma in its name.
        keys = [key] if key in names or not key else [part.strip() for part in key.split(",")]
        keys = [part for part in keys if part]
        before, rows_before = samples.read(old.file, suffixes[0], every, keys)
        after, rows_after = samples.read(new.file, suffixes[1], every, keys)
    except (ValueError, OSError) as error:
        raise MlopsError(
            f"{old.label} cannot be read as a table: {error_line(error)}", "Is the file complete?"
        ) from None
    matched = comparison.rows(before, after, keys)
    columns = [
        column.model_copy(update={"changed_rows": matched.changed_in.get(column.column, 0) * every})
        if matched.changed is not None and column.change not in ("added", "removed")
        else column
        for column in comparison.columns(before, after)
    ]
    notes = []
    one_sided = [item.column for item in columns if item.change in ("added", "removed")]
    if one_sided:
        notes.append("Rows are matched by the columns that both tables have")
    if not keys and matched.added and matched.removed:
        notes.append(
            "A changed row counts as one removed and one added; --key COLUMN counts it as changed"
        )
    return DataDiff(
        kind="table",
        rows_before=rows_before,
        rows_after=rows_after,
        rows_added=matched.added * every,
        rows_removed=matched.removed * every,
        rows_changed=None if matched.changed is None else matched.changed * every,
        columns=columns,
        sampled=samples.note(every, [old.size, new.size], why) if every > 1 else "",
        notes=notes,
        **common,
    )


def _refuse_repeated(side: Content, names: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise MlopsError(
            f"{side.label} has the column '{repeated[0]}' more than once", "Rename one of them"
        )
