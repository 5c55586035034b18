"""`run curves`: interactive plot of metrics by step, for several runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from jupyter_mlops import pictures
from jupyter_mlops.errors import NotFound, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query
from jupyter_mlops.runs.comparison import curves as curve_pictures
from jupyter_mlops.runs.comparison import metric_history
from jupyter_mlops.runs.comparison.records import Comparison, Curve
from jupyter_mlops.tracking.store import open_store
from jupyter_mlops.widgets.picture import LARGEST_STATE, Picture, rounded, script, size

if TYPE_CHECKING:
    from collections.abc import Sequence


#: Points per curve; a plot is not much wider.
_MOST_POINTS, _LEAST_POINTS = 800, 16


def curves(runs: Sequence[str] | Comparison, *, project: Project | None = None) -> MetricCurves:
    """Plot the metrics that runs logged at several steps.

    Hover, or focus a plot and use the arrow keys, to see the values. Buttons hide runs; there is a
    log scale and smoothing. A long curve shows the lowest and the highest value of each part, with
    a note.

    Args:
        runs: names or ids, or what `run compare` returned.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: none of the runs has a metric with steps.
        UsageError: no run was named.
    """
    if isinstance(runs, Comparison):
        names, ids, found = runs.names, runs.runs, runs.curves
    else:
        if not runs:
            raise UsageError("Name at least one run", "For example: run curves baseline forest")
        project = project or Project.find()
        details = [query.get(run, project=project) for run in dict.fromkeys(runs)]
        names, ids = [item.name for item in details], [item.run_id for item in details]
        found = metric_history.read(open_store(project), details, most_points=None)
    if not found:
        raise NotFound(
            f"{', '.join(names)}: no metric has more than one step",
            "Log it in the loop: mlflow.log_metric('loss', loss, step=epoch)",
        )
    return MetricCurves(names, ids, found)


class MetricCurves(Picture):
    """Curves of several runs: `hidden` holds the ids of hidden runs, `smoothing` is 0 to 0.99."""

    _esm = script("metric_curves.js")

    runs = traitlets.List().tag(sync=True)  # of {id, name, colour}
    #: Of {metric, lines: [{steps, values}, …] by run}.
    curves = traitlets.List().tag(sync=True)
    hidden = traitlets.List(traitlets.Unicode()).tag(sync=True)
    log = traitlets.Bool(False).tag(sync=True)
    smoothing = traitlets.Float(0.0, min=0.0, max=0.99).tag(sync=True)

    def __init__(self, names: Sequence[str], ids: Sequence[str], found: Sequence[Curve]) -> None:
        self.whole = [*found]
        longest = max(len(line) for curve in found for line in curve.lines)
        most = _MOST_POINTS
        state = _thinned(found, most)
        while size(state) > LARGEST_STATE * 0.9 and most > _LEAST_POINTS:
            most = most * 2 // 3
            state = _thinned(found, most)
        colours = pictures.SERIES
        super().__init__(
            runs=[
                {"id": run, "name": name, "colour": colours[i % len(colours)]}
                for i, (name, run) in enumerate(zip(names, ids, strict=True))
            ],
            curves=state,
            note=(
                f"of up to {longest:,} steps, each curve shows at most {most}: the lowest and the "
                "highest of each part"
                if longest > most
                else ""
            ),
        )

    def static_text(self) -> str:
        """Return each metric as lines of Unicode bars."""
        width = max(len(run["name"]) for run in self.runs)
        return "\n".join(
            line
            for curve in self.whole
            for line in (
                f"{curve.metric} by step",
                *(
                    f"  {run['name'].ljust(width)}  {curve_pictures.spark(values)}"
                    for run, values in zip(self.runs, curve.lines, strict=True)
                ),
            )
        )

    def static_html(self) -> str:
        """Return the static plots of `run compare`."""
        return curve_pictures.pictures(
            [curve.model_copy(update={"lines": _points(curve)}) for curve in self.whole],
            [run["name"] for run in self.runs],
        )


def _points(curve: Curve) -> list[list[tuple[int, float | None]]]:
    return [metric_history.thin(line, curve_pictures.MOST_POINTS) for line in curve.lines]


def _thinned(found: Sequence[Curve], most: int) -> list[dict[str, Any]]:
    return [
        {
            "metric": curve.metric,
            "lines": [
                {
                    "steps": [step for step, _ in points],
                    "values": [rounded(value) for _, value in points],
                }
                for points in (metric_history.thin(line, most) for line in curve.lines)
            ],
        }
        for curve in found
    ]
