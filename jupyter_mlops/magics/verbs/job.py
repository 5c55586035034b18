"""The verbs of `job`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

_NOTEBOOK = Arg(
    "notebook", "a notebook, or the name of a job in jobs/", required=True, complete="notebook"
)
_PARAMS = Arg("params", "a parameter and its value; repeat for more", ("-p", "--param"), pairs=True)
_NAME = Arg("name", "its name; default: the notebook's", ("--name", "-n"), default="")
_TIMEOUT = Arg(
    "timeout",
    "seconds for a whole notebook",
    ("--timeout",),
    type=float,
    default=0.0,
    metavar="SECONDS",
)
_CWD = Arg(
    "cwd",
    "the kernel's working folder; default: the notebook's",
    ("--cwd",),
    default="",
    complete="path",
)
_FORCE = Arg("force", "run even if the check found problems", ("--force", "-f"), switch=True)
_RUN_OR_JOB = Arg("run", "a run's id or name, or a job's name", required=True, complete="job")

NOUN = Noun(
    "job",
    "jobs",
    "notebooks as programs: run, sweep, schedule",
    bare="list",
    verbs=(
        Verb(
            "check", "list a notebook's parameters, and what would make it fail",
            (_NOTEBOOK, _PARAMS, _CWD),
            example="job check train.ipynb",
            outcome=True,
        ),
        Verb(
            "run", "execute a notebook in a fresh kernel and record it as a run",
            (
                _NOTEBOOK, _PARAMS, _NAME, _TIMEOUT, _CWD, _FORCE,
                Arg("output", "also write the executed notebook here", ("--output", "-o"), default="", complete="path"),
            ),
            example="job run train.ipynb -p n_estimators=200",
            outcome=True,
        ),
        Verb(
            "sweep", "run a notebook for each point of a grid, several at a time",
            (
                _NOTEBOOK,
                Arg("params", "a parameter and its values, as depth=2,4,8", ("-p", "--param"), pairs=True,
                    metavar="KEY=A,B,…"),
                Arg("workers", "number of notebooks that run at the same time", ("--workers", "-w"), type=int, default=0, metavar="N"),
                Arg("metric", "the metric that the best point is chosen by", ("--metric", "-m"), default="", complete="metric"),
                Arg("maximize", "the largest value is best", ("--maximize",), switch=True),
                Arg("minimize", "the smallest value is best", ("--minimize",), switch=True),
                _NAME, _TIMEOUT, _FORCE,
            ),
            example="job sweep train.ipynb -p depth=2,4,8 --workers 2",
            outcome=True,
        ),
        Verb(
            "schedule", "run a notebook by cron; written to jobs/NAME.yaml",
            (
                _NOTEBOOK,
                Arg("cron", "minute hour day month weekday", ("--cron", "-c"), required=True),
                _PARAMS, _NAME,
                Arg("timezone", "the time zone of the cron; default: this machine's", ("--timezone",), default=""),
                Arg("catch_up", "after downtime: run once for all missed times, or skip them", ("--catch-up",),
                    default="once", choices=("once", "skip")),
                _TIMEOUT, _CWD,
                Arg("replace", "replace another notebook's job of that name", ("--replace",), switch=True),
            ),
            example='job schedule train.ipynb --cron "0 6 * * *"',
        ),
        Verb(
            "unschedule", "remove a job's schedule; its runs stay",
            (Arg("name", "the job's name", required=True, complete="job"),),
        ),
        Verb("list", "list the jobs, their last runs and their next times"),
        Verb(
            "executions", "list the executions, the newest first",
            (
                Arg("job", "only of this job", default="", complete="job"),
                Arg("limit", "maximum number of executions", ("--limit",), type=int, default=50, metavar="N"),
            ),
        ),
        Verb("logs", "show what an execution's cells printed", (_RUN_OR_JOB,)),
        Verb("cancel", "stop an execution and its kernel", (_RUN_OR_JOB,)),
    ),
)  # fmt: skip
