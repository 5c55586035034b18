"""The verbs without a noun: they act on the whole project."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

NOUN = Noun(
    "",
    "workspace",
    "the whole project",
    bare="status",
    verbs=(
        Verb(
            "init", "make this folder a project: git, DVC and MLflow where there are none",
            (
                Arg("path", "the folder; default: the working folder", default="", complete="path"),
                Arg("name", "the project's name; default: the folder's", ("--name",), default=""),
            ),
            example="init",
        ),
        Verb(
            "trust", "let this project's jobs, models and stores act; before that, only its files are read",
            (
                Arg("path", "the project's folder; default: the working folder", default="", complete="path"),
                Arg("off", "trust it no longer", ("--off",), switch=True),
            ),
            example="trust",
        ),
        Verb("status", "show the project and what is in it"),
        Verb("doctor", "check what mlops needs, and say how to repair it"),
        Verb(
            "auto", "record each cell that trains, or stop doing so",
            (Arg("state", "on or off", required=True, choices=("on", "off")),),
            example="auto on",
            where="magic",
        ),
        Verb(
            "deep", "add a kernel that sees every file that recorded cells read",
            (Arg("state", "on or off", required=True, choices=("on", "off")),),
            example="deep on",
        ),
        Verb(
            "scheduler", "run the scheduled jobs until stopped (JupyterLab does it too)",
            where="shell",
        ),
    ),
)  # fmt: skip
