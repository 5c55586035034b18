"""`run curves` and `run parallel`: what the pictures hold, before any browser draws them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import runs, widgets
from jupyter_mlops.errors import NotFound, UsageError
from jupyter_mlops.magics import parser
from jupyter_mlops.runs.comparison import metric_history

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def sweep(project: Project) -> dict[str, str]:
    ids = {}
    for depth, criterion, accuracy in (
        (2, "gini", 0.7),
        (4, "entropy", 0.9),
        (8, "gini", float("nan")),
    ):
        params = {"depth": depth, "max_depth": depth, "criterion": criterion, "seed": 0}
        with runs.start(f"d{depth}", kind="job", params=params, project=project) as run:
            run.log_metrics({"accuracy": accuracy})
            ids[run.name] = run.run_id
    return ids


def log_steps(project: Project, name: str, values: dict[int, float]) -> None:
    from mlflow.entities import Metric

    with runs.start(name, project=project) as run:
        metrics = [Metric("loss", value, 1, step) for step, value in values.items()]
        for start in range(0, len(metrics), 1000):
            run.store.client.log_batch(run.run_id, metrics[start : start + 1000])


def sent(picture: Any) -> int:
    """How many bytes of state travel, without the code of the view."""
    state = picture.get_state()
    return len(json.dumps({k: v for k, v in state.items() if k not in {"_esm", "_css"}}))


def test_axes_are_what_varies_each_once_and_the_metric_of_the_order_last(
    sweep: dict[str, str],
) -> None:
    view = widgets.parallel(sort="accuracy")
    assert [axis["name"] for axis in view.axes] == ["criterion", "depth", "accuracy"]
    assert view.axes[0]["categories"] == ["entropy", "gini"]
    assert view.colour_by == "accuracy"
    assert view.rows[view.ids.index(sweep["d8"])] == [1, 8.0, None]


def test_brushes_select_runs_that_python_can_read(sweep: dict[str, str]) -> None:
    view = widgets.parallel(runs.list(), columns=["depth,criterion"])
    assert set(view.selected) == set(sweep.values())
    view.set_state({"brushes": {"depth": [1.5, 5], "criterion": [0, 0]}})  # as the browser does
    assert view.selected == [sweep["d4"]]
    assert [run.name for run in view.selection] == ["d4"]
    view.brushes = {}
    assert len(view.selection) == 3


def test_a_missing_value_passes_through_no_brush(sweep: dict[str, str]) -> None:
    view = widgets.parallel(columns=["accuracy", "depth"])
    view.brushes = {"accuracy": [0, 1]}
    assert set(view.selected) == {sweep["d2"], sweep["d4"]}


def test_a_picture_that_cannot_be_drawn_is_one_line(sweep: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"'detph'. Did you mean 'depth'"):
        widgets.parallel(columns=["detph"])
    with pytest.raises(NotFound, match="fewer than two parameters and metrics"):
        widgets.parallel(columns=["depth"])
    with pytest.raises(NotFound, match="Two runs are needed"):
        widgets.parallel(limit=1)
    with pytest.raises(NotFound, match="no metric has more than one step"):
        widgets.curves(["d2"])
    with pytest.raises(UsageError, match="Type there: %mlops run curves"):
        parser.parse(["run", "curves", "d2"], surface="shell")


def test_many_runs_are_cut_to_what_a_notebook_should_hold(sweep: dict[str, str]) -> None:
    listed = [
        run.model_copy(update={"params": {"a": str(i / 7), "b": str(i / 11), "c": str(i % 5)}})
        for i, run in enumerate([*runs.list()] * 1500)
    ]
    view = widgets.parallel(listed)
    assert sent(view) < 100_000
    assert view.note == f"the first {len(view.runs)} of 4500 runs"
    assert len(view.selected) == len(view.runs)


def test_long_curves_keep_their_peaks_and_say_that_they_were_thinned(project: Project) -> None:
    log_steps(project, "long", {step: 1 / (1 + step) for step in range(4000)} | {1234: 7.5})
    log_steps(project, "short", {0: 0.5, 10: float("nan"), 20: 0.1})
    view = widgets.curves(["long", "short"])
    long, short = view.curves[0]["lines"]
    assert (long["steps"][0], long["steps"][-1]) == (0, 3999)
    assert max(long["values"]) == 7.5
    assert len(long["steps"]) <= 800
    assert "of up to 4,000 steps, each curve shows at most 800" in view.note
    assert short == {"steps": [0, 10, 20], "values": [0.5, None, 0.1]}
    assert sent(view) < 100_000
    assert "loss by step" in view.static_text()
    assert "data:image/svg+xml;base64," in view.static_html()
    compared = widgets.curves(runs.compare(["long", "short"]))
    assert [run["name"] for run in compared.runs] == ["long", "short"]


@pytest.mark.parametrize("most", [4, 10, 101])
def test_thinning_keeps_ends_order_and_extremes(most: int) -> None:
    line = [(step, float((step * 37) % 101)) for step in range(1000)]
    kept = metric_history.thin(line, most)
    assert len(kept) <= most
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (line[0], line[-1])
    assert {0.0, 100.0} <= {value for _, value in kept}


def test_the_static_form_is_an_output_of_its_own_before_the_live_one(
    sweep: dict[str, str], cell: Any
) -> None:
    from IPython.utils.capture import capture_output

    with capture_output() as said:
        assert cell("%mlops run parallel").success
    static, live = (output.data for output in said.outputs)
    assert "<table>" in static["text/html"]
    assert "d4" in static["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in live
    assert "text/html" not in live


def test_without_anywidget_the_line_says_what_to_install(sweep: dict[str, str]) -> None:
    program = (
        "import sys; sys.modules['anywidget'] = None\n"
        "from jupyter_mlops import widgets\n"
        "try: widgets.parallel()\nexcept Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == (
        "Pictures to explore need anywidget. Install it: pip install 'jupyter-mlops[lab]'"
    )
