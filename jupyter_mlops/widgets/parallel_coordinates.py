"""`run parallel`: parallel coordinates of a list of runs, with parameters and metrics as axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from jupyter_mlops import runs as noun
from jupyter_mlops.errors import NotFound
from jupyter_mlops.runs import run_list
from jupyter_mlops.runs.records import Run, RunList
from jupyter_mlops.widgets.picture import LARGEST_STATE, Picture, rounded, script, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_mlops.project import Project
    from jupyter_mlops.records import Records

_MOST_PARAMS, _MOST_METRICS, _MOST_CATEGORIES = 5, 3, 24
#: A positive parameter with a larger ratio of maximum to minimum has a log scale.
_LOG_FROM = 100.0
_LEAST_SHARE = 0.2
#: Maximum number of rows in the static table, as in `run list`.
_ROWS = 50


def parallel(
    runs: Records[Run] | Sequence[Run] | None = None,
    *,
    filter: str = "",
    sort: str = "",
    experiment: str = "",
    kind: str = "",
    columns: Sequence[str] | None = None,
    limit: int = 500,
    project: Project | None = None,
) -> ParallelCoordinates:
    """Plot runs as lines across one axis for each varying parameter and each metric.

    Drag along an axis to select; `.selected` then holds the selected runs' ids, `.selection` the runs.

    Args:
        runs: the result of `run list`; default: list the runs by the other arguments.
        filter: MLflow's filter syntax.
        sort: the metric of the last axis, which sets the colours.
        experiment: default: all experiments.
        kind: only runs of this kind.
        columns: the axes, e.g. `depth,accuracy`; default: the most common varying ones.
        limit: maximum number of runs.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: fewer than two runs, or they differ in fewer than two parameters and metrics.
        UsageError: none of the runs has a column.
    """
    if runs is None:
        runs = noun.list(
            filter=filter, sort=sort, experiment=experiment, kind=kind, limit=limit, project=project
        )
    listed = [*runs]
    if len(listed) < 2:
        raise NotFound("Two runs are needed for a picture of several", "Type: %mlops run list")
    chosen = dict.fromkeys(run_list.known_columns(columns or [], listed))
    axes = [_axis(listed, where, name) for where, name in chosen] or _varying(listed)
    if len(axes) < 2:
        raise NotFound(
            "These runs differ in fewer than two parameters and metrics",
            "Choose others: run parallel --columns NAME,NAME",
        )
    last = sort.removeprefix("-").removeprefix("metrics.")
    axes.sort(key=lambda axis: axis["name"] == last)
    return ParallelCoordinates(listed, axes)


class ParallelCoordinates(Picture):
    """Parallel coordinates plot. `brushes` holds the selection of each axis: {name: [lowest, highest]}.

    On a categorical axis these are positions in its `categories`.
    """

    _esm = script("parallel_coordinates.js")

    #: Of {name, where, missing} and {categories} or {low, high, log}.
    axes = traitlets.List().tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    ids = traitlets.List(traitlets.Unicode()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    brushes = traitlets.Dict().tag(sync=True)
    colour_by = traitlets.Unicode("").tag(sync=True)

    def __init__(self, runs: Sequence[Run], axes: list[dict[str, Any]]) -> None:
        rows = [list(row) for row in zip(*(axis.pop("values") for axis in axes), strict=True)]
        ids, names = [run.run_id for run in runs], [run.name for run in runs]
        fits = len(runs)
        while size(rows[:fits], ids[:fits], names[:fits]) > LARGEST_STATE * 0.9:
            fits = fits * 9 // 10
        #: The plotted runs.
        self.runs = RunList(runs[:fits])
        super().__init__(
            axes=axes,
            rows=rows[:fits],
            ids=ids[:fits],
            names=names[:fits],
            colour_by=axes[-1]["name"],
            note=f"the first {fits} of {len(runs)} runs" if fits < len(runs) else "",
        )

    @property
    def selection(self) -> RunList:
        """The runs that pass through every brush; all runs if there is no brush."""
        positions = {axis["name"]: i for i, axis in enumerate(self.axes)}
        bounds = [(positions[name], low, high) for name, (low, high) in self.brushes.items()]
        return RunList(
            [
                run
                for run, row in zip(self.runs, self.rows, strict=True)
                if all(row[i] is not None and low <= row[i] <= high for i, low, high in bounds)
            ],
            empty="No run passes through every brush.",
        )

    @property
    def selected(self) -> list[str]:
        """The ids of the selected runs."""
        return [run.run_id for run in self.selection]

    def static_text(self) -> str:
        """Return the runs as a table."""
        return str(self._table())

    def static_html(self) -> str:
        """Return the runs as a table."""
        return str(self._table()._repr_html_())

    def _table(self) -> RunList:
        columns = [(axis["where"], axis["name"]) for axis in self.axes]
        return RunList(self.runs.items[:_ROWS], columns=columns)


def _varying(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return axes for the most common varying parameters, then metrics; of equal columns the first."""
    found: list[dict[str, Any]] = []
    seen: list[list[Any]] = []
    for where, most in (("params", _MOST_PARAMS), ("metrics", _MOST_METRICS)):
        taken = 0
        for name in _names(runs, where):
            if taken == most:
                break
            axis = _axis(runs, where, name)
            values = axis["values"]
            words = axis.get("categories") or []
            if len(words) > _MOST_CATEGORIES or len(set(values)) < 2 or values in seen:
                continue
            seen.append(values)
            found.append(axis)
            taken += 1
    return found


def _names(runs: Sequence[Run], where: str) -> list[str]:
    counts: dict[str, int] = {}
    for run in runs:
        for name in getattr(run, where):
            counts[name] = counts.get(name, 0) + 1
    bounds = {f"{name}_{end}" for name in counts for end in ("low", "high")}  # of an interval
    common = [name for name, count in counts.items() if count >= _LEAST_SHARE * len(runs)]
    rare = [name for name in counts if name not in common]
    ordered = sorted(common, key=lambda name: (name in bounds, -counts[name]))
    return [*ordered, *rare]


def _axis(runs: Sequence[Run], where: str, name: str) -> dict[str, Any]:
    raw = [getattr(run, where).get(name) for run in runs]
    if all(_is_number(value) for value in raw if value not in (None, "")):
        numbers = [None if value in (None, "") else rounded(float(value)) for value in raw]
        known = [number for number in numbers if number is not None]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        log = where == "params" and low > 0 and high / low > _LOG_FROM
        return {
            "name": name, "where": where, "low": low, "high": high, "log": log, "values": numbers,
            "missing": None in numbers,
        }  # fmt: skip
    words = sorted({str(value) for value in raw if value is not None})
    place = {word: i for i, word in enumerate(words)}
    return {
        "name": name, "where": where, "categories": words, "missing": None in raw,
        "values": [None if value is None else place[str(value)] for value in raw],
    }  # fmt: skip


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
