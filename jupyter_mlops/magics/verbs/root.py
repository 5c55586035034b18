"""The verbs without a noun: what concerns the whole project."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Verb
from jupyter_mlops.magics.verbs import job

_HOME = "jupyter_mlops.workspace"

ROOT_VERBS = (
    Verb(
        "", "init", f"{_HOME}:init", "make this folder a project: git, DVC and MLflow where there are none",
        (
            Arg("path", "the folder; default: the working folder", default="", complete="path"),
            Arg("name", "the project's name; default: the folder's", ("--name",), default=""),
        ),
        example="init",
    ),
    Verb(
        "", "trust", f"{_HOME}:trust", "let this project's jobs, models and stores act; until then it is only looked at",
        (
            Arg("path", "the project's folder; default: the working folder", default="", complete="path"),
            Arg("off", "take it back", ("--off",), default=False, switch=True),
        ),
        example="trust",
    ),
    Verb("", "status", f"{_HOME}:status", "show the project and what is in it"),
    Verb("", "doctor", f"{_HOME}:doctor", "check the parts that mlops needs, and say how to mend them"),
    Verb(
        "", "auto", "jupyter_mlops.magics.auto:switch", "record each cell that trains, or stop doing so",
        (Arg("state", "on or off", required=True, choices=("on", "off")),),
        example="auto on",
        where="magic",
    ),
    Verb(
        "", "deep", "jupyter_mlops.runs.capture.deep_setup:switch", "add a kernel that sees every file that recorded cells read",
        (Arg("state", "on or off", required=True, choices=("on", "off")),),
        example="deep on",
    ),
    *job.ROOT_VERBS,
)  # fmt: skip
