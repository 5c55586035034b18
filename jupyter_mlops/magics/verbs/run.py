"""The verbs of `run`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb
from jupyter_mlops.runs.kinds import KINDS

_HOME = "jupyter_mlops.runs.query"
_RUN = "a run's name (its latest), its id, or the start of its id"

NOUN = Noun(
    "run",
    "executions of cells and notebooks, recorded in MLflow",
    bare="list",
    verbs=(
        Verb(
            "run", "", "jupyter_mlops.runs.cell:record_cell", "record the cell below",
            (
                Arg("name", "the run's name; default: the notebook's", default=""),
                Arg("experiment", "the experiment; default: the project's", ("--experiment", "-e"), default=""),
                Arg("model", "the variable that holds the model", ("--model",), default=""),
                Arg("format", "how to store the model, if it can be so", ("--format",), default="auto", choices=("auto", "skops", "pt2", "safetensors", "onnx", "pickle")),
                Arg("no_model", "store no model", ("--no-model",), switch=True),
            ),
            example="run forest --experiment screening",
            where="cell",
        ),
        Verb(
            "run", "list", "jupyter_mlops.runs.run_list:list", "list runs, the newest first",
            (
                Arg("filter", "MLflow's filter syntax", ("--filter", "-f"), default=""),
                Arg("sort", "a metric, the largest first (-NAME: the smallest)", ("--sort", "-s"), default="", complete="metric"),
                Arg("experiment", "only this experiment", ("--experiment", "-e"), default=""),
                Arg("kind", "only runs of this kind", ("--kind", "-k"), default="", choices=KINDS),
                Arg("columns", "metrics and parameters to show, by commas", ("--columns", "-c"), many=True, complete="metric"),
                Arg("limit", "at most so many", ("--limit", "-n"), int, 50),
            ),
            example='run list --sort accuracy --columns accuracy,depth --filter "params.depth = \'4\'"',
        ),
        Verb(
            "run", "show", f"{_HOME}:show", "show all that was recorded of a run",
            (Arg("run", _RUN, required=True, complete="run"),),
            example="run show forest",
        ),
        Verb(
            "run", "compare", "jupyter_mlops.runs.comparison.differences:compare", "show what differs between runs",
            (Arg("runs", _RUN, many=True, required=True, complete="run"),),
            example="run compare baseline forest",
        ),
        Verb(
            "run", "curves", "jupyter_mlops.widgets.metric_curves:curves", "explore metrics over their steps",
            (Arg("runs", _RUN, many=True, required=True, complete="run"),),
            example="run curves baseline forest",
            where="magic",
        ),
        Verb(
            "run", "parallel", "jupyter_mlops.widgets.parallel_coordinates:parallel",
            "explore runs as parallel coordinates: drag on an axis, read .selected",
            (
                Arg("filter", "MLflow's filter syntax", ("--filter", "-f"), default=""),
                Arg("sort", "the metric that comes last and gives the colours", ("--sort", "-s"), default="", complete="metric"),
                Arg("experiment", "only this experiment", ("--experiment", "-e"), default=""),
                Arg("kind", "only runs of this kind", ("--kind", "-k"), default="", choices=KINDS),
                Arg("columns", "the axes, by commas; default: what varies", ("--columns", "-c"), many=True, complete="metric"),
                Arg("limit", "at most so many", ("--limit", "-n"), int, 500),
            ),
            example="run parallel --sort accuracy",
            where="magic",
        ),
        Verb(
            "run", "why", "jupyter_mlops.replays.why.why:why", "explain the difference between two runs",
            (
                Arg("a", _RUN, required=True, complete="run"),
                Arg("b", "the run to explain against it", required=True, complete="run"),
                Arg("metric", "the metric to show; default: the one that changed most", ("--metric", "-m"), default="", complete="metric"),
                Arg("exact", "replay every combination, and share interactions out", ("--exact",), switch=True),
                Arg("tolerance", "how far a replay of a run itself may be off, as a part of the metric", ("--tolerance", "-t"), float, 1e-9),
                Arg("fresh", "replay again what is known from before", ("--fresh",), switch=True),
                Arg("env", "the packages to use; default: recorded, where the runs' differ", ("--env",), default="", choices=("current", "recorded")),
            ),
            example="run why baseline tuned --metric accuracy",
        ),
        Verb(
            "run", "reproduce", "jupyter_mlops.replays.reproduce:reproduce", "do a run again in a clean kernel and compare",
            (
                Arg("run", _RUN, required=True, complete="run"),
                Arg("tolerance", "how far a metric may be off, as a part of it", ("--tolerance", "-t"), float, 1e-9),
                Arg("env", "the packages to use: this kernel's, or those that the run had", ("--env",), default="current", choices=("current", "recorded")),
            ),
            example="run reproduce forest --tolerance 1e-6",
            outcome=True,
        ),
        Verb(
            "run", "export", "jupyter_mlops.replays.export:export", "write a run as a clean notebook",
            (
                Arg("run", _RUN, required=True, complete="run"),
                Arg("output", "the file to write", ("--output", "-o"), default="", complete="path"),
                Arg("slice", "only the cells that matter, verified by replays", ("--slice",), switch=True),
                Arg("seconds", "how long a slice may be made smaller", ("--seconds",), float, 120.0),
            ),
            example="run export forest --slice --output forest.ipynb",
        ),
        Verb(
            "run", "delete", "jupyter_mlops.runs.trash:delete", "move runs to MLflow's trash",
            (
                Arg("runs", _RUN, many=True, required=True, complete="run"),
                Arg("yes", "do not ask", ("--yes", "-y"), switch=True),
            ),
            example="run delete 3f2a91c0 --yes",
        ),
        Verb(
            "run", "restore", "jupyter_mlops.runs.trash:restore", "take deleted runs out of the trash",
            (Arg("runs", _RUN, many=True, required=True),),
            example="run restore 3f2a91c0",
        ),
        Verb(
            "run", "sync", "jupyter_mlops.runs.spool_sync:sync", "send the runs that wait for the team's store",
            example="run sync",
        ),
    ),
)  # fmt: skip
