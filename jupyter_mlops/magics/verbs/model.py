"""The verbs of `model`: MLflow's registry, a part of the noun `run`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

_HOME = "jupyter_mlops.runs.registry"

NOUN = Noun(
    "model",
    "registered models, their versions and aliases",
    bare="list",
    verbs=(
        Verb(
            "model", "register", f"{_HOME}:register", "register the model of a run as the next version",
            (
                Arg("run", "a run's name or id", required=True, complete="run"),
                Arg("name", "the model's name; default: the run's", ("--name",), default=""),
            ),
            example="model register forest",
        ),
        Verb(
            "model", "promote", f"{_HOME}:promote", "point an alias at a version",
            (
                Arg("name", "the model's name", required=True, complete="model"),
                Arg("version", "default: the latest", ("--version",), int, 0),
                Arg("alias", "champion, challenger, …", ("--alias", "-a"), default="champion"),
            ),
            example="model promote forest --alias champion",
        ),
        Verb("model", "list", f"{_HOME}:list_models", "list every version of every model"),
    ),
)  # fmt: skip
