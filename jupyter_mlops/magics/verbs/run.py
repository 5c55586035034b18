"""The verbs of `run`."""

from __future__ import annotations

from jupyter_mlops import formats
from jupyter_mlops.magics.table import Arg, Noun, Verb
from jupyter_mlops.runs.kinds import KINDS

_RUN = "a run's name (its latest), its id, or the start of its id"


def __getattr__(name: str) -> Noun:
    """Create `NOUN` at each use, so that `--format` offers all formats registered at that time."""
    if name == "NOUN":
        return _noun()
    raise AttributeError(name)


def _noun() -> Noun:
    return Noun(
        "run",
        "runs",
        "executions of cells and notebooks, recorded in MLflow",
        bare="list",
        verbs=(
            Verb(
                "", "record the cell below",
                (
                    Arg("name", "the run's name; default: the notebook's", default=""),
                    Arg("experiment", "the experiment; default: the project's", ("--experiment", "-e"), default=""),
                    Arg("model", "the variable that holds the model", ("--model",), default=""),
                    Arg("format", formats.help_text(), ("--format",), default=formats.AUTO, choices=formats.choices()),
                    Arg("keep_model", "store no model", ("--no-model",), default=True, switch=True),
                ),
                example="run forest --experiment screening",
                where="cell",
                function="record_cell",
            ),
            Verb(
                "list", "list runs, the newest first",
                (
                    Arg("filter", "MLflow's filter syntax", ("--filter", "-f"), default=""),
                    Arg("sort", "a metric, the largest first (-NAME: the smallest)", ("--sort", "-s"), default="", complete="metric"),
                    Arg("experiment", "only this experiment", ("--experiment", "-e"), default=""),
                    Arg("kind", "only runs of this kind", ("--kind", "-k"), default="", choices=KINDS),
                    Arg("columns", "metrics and parameters to show, separated by commas", ("--columns", "-c"), many=True, complete="metric"),
                    Arg("limit", "maximum number of runs", ("--limit", "-n"), int, 50),
                ),
                example='run list --sort accuracy --columns accuracy,depth --filter "params.depth = \'4\'"',
            ),
            Verb(
                "show", "show all that was recorded of a run",
                (Arg("run", _RUN, required=True, complete="run"),),
                example="run show forest",
            ),
            Verb(
                "compare", "show what differs between runs",
                (Arg("runs", _RUN, many=True, required=True, complete="run"),),
                example="run compare baseline forest",
            ),
            Verb(
                "curves", "explore metrics over their steps",
                (Arg("runs", _RUN, many=True, required=True, complete="run"),),
                example="run curves baseline forest",
                where="magic",
            ),
            Verb(
                "parallel", "explore runs as parallel coordinates: drag on an axis, read .selected",
                (
                    Arg("filter", "MLflow's filter syntax", ("--filter", "-f"), default=""),
                    Arg("sort", "the metric on the last axis; it sets the colours", ("--sort", "-s"), default="", complete="metric"),
                    Arg("experiment", "only this experiment", ("--experiment", "-e"), default=""),
                    Arg("kind", "only runs of this kind", ("--kind", "-k"), default="", choices=KINDS),
                    Arg("columns", "the axes, separated by commas; default: what varies", ("--columns", "-c"), many=True, complete="metric"),
                    Arg("limit", "maximum number of runs", ("--limit", "-n"), int, 500),
                ),
                example="run parallel --sort accuracy",
                where="magic",
            ),
            Verb(
                "why", "explain the difference between two runs",
                (
                    Arg("a", _RUN, required=True, complete="run"),
                    Arg("b", "the run to explain against it", required=True, complete="run"),
                    Arg("metric", "the metric to show; default: the one that changed most", ("--metric", "-m"), default="", complete="metric"),
                    Arg("exact", "replay every combination of factors, and divide interactions among them", ("--exact",), switch=True),
                    Arg("tolerance", "relative tolerance for a replay of an unchanged run", ("--tolerance", "-t"), float, 1e-9),
                    Arg("fresh", "replay again what earlier calls have replayed", ("--fresh",), switch=True),
                    Arg("env", "the packages to use; default: recorded, if the two runs had different ones", ("--env",), default="", choices=("current", "recorded")),
                ),
                example="run why baseline tuned --metric accuracy",
            ),
            Verb(
                "reproduce", "run it again in a clean kernel and compare the results",
                (
                    Arg("run", _RUN, required=True, complete="run"),
                    Arg("tolerance", "relative tolerance for metrics", ("--tolerance", "-t"), float, 1e-9),
                    Arg("env", "the packages to use: this kernel's (current), or the run's (recorded)", ("--env",), default="current", choices=("current", "recorded")),
                ),
                example="run reproduce forest --tolerance 1e-6",
                outcome=True,
            ),
            Verb(
                "export", "write a run as a clean notebook",
                (
                    Arg("run", _RUN, required=True, complete="run"),
                    Arg("output", "the file to write", ("--output", "-o"), default="", complete="path"),
                    Arg("slice", "only the cells that the result needs, verified by replays", ("--slice",), switch=True),
                    Arg("seconds", "time limit for the search for a smaller slice", ("--seconds",), float, 120.0),
                ),
                example="run export forest --slice --output forest.ipynb",
            ),
            Verb(
                "delete", "move runs to MLflow's trash",
                (
                    Arg("runs", _RUN, many=True, required=True, complete="run"),
                    Arg("yes", "do not ask", ("--yes", "-y"), switch=True),
                ),
                example="run delete 3f2a91c0 --yes",
            ),
            Verb(
                "restore", "take deleted runs out of the trash",
                (Arg("runs", _RUN, many=True, required=True),),
                example="run restore 3f2a91c0",
            ),
            Verb(
                "sync", "send the waiting runs to the team's store",
                example="run sync",
            ),
        ),
    )  # fmt: skip
