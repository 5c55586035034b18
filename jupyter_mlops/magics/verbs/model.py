"""The verbs of `model`: MLflow's registry, evaluation and the gate."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

NOUN = Noun(
    "model",
    "models",
    "registered models, their versions and aliases",
    bare="list",
    verbs=(
        Verb(
            "register", "register the model of a run as the next version",
            (
                Arg("run", "a run's name or id", required=True, complete="run"),
                Arg("name", "the model's name; default: the run's", ("--name",), default=""),
            ),
            example="model register forest",
        ),
        Verb(
            "promote", "set an alias to a version that passes the gate",
            (
                Arg("name", "the model's name", required=True, complete="model"),
                Arg("version", "default: the latest", ("--version",), int, 0),
                Arg("alias", "the alias: champion, challenger, …", ("--alias", "-a"), default="champion"),
                Arg("force", "promote also if the gate refuses", ("--force",), switch=True),
                Arg("allow_pickle", "let the gate load a model stored as a pickle", ("--allow-pickle",), switch=True),
            ),
            example="model promote forest --alias champion",
        ),
        Verb(
            "evaluate", "score a run's model on data, with confidence intervals",
            (
                Arg("run", "a run's name or id", required=True, complete="run"),
                Arg("on", "the table to score on", ("--on",), required=True, complete="path"),
                Arg("target", "the column with the true values; default: the one that is no input", ("--target", "-t"), default=""),
                Arg("method", "holdout: the stored model; kfold, bootstrap: fit again on folds or resamples", ("--method", "-m"), default="holdout", choices=("holdout", "kfold", "bootstrap")),
                Arg("metric", "the metrics; default: those of the task", ("--metric",), many=True),
                Arg("seed", "seed of the folds and resamples", ("--seed",), int, 0),
                Arg("folds", "number of folds for kfold", ("--folds",), int, 10),
                Arg("resamples", "number of resamples; default: 1000, for bootstrap 50", ("--resamples",), int, 0),
                Arg("confidence", "confidence level of the intervals", ("--confidence",), float, 0.95),
                Arg("allow_pickle", "load a model stored as a pickle", ("--allow-pickle",), switch=True),
            ),
            example="model evaluate forest --on data/test.csv --method kfold",
        ),
        Verb(
            "gate", "check a model against the gate of mlops.toml",
            (
                Arg("name", "a registered model, or a run's name or id", required=True, complete="model"),
                Arg("version", "default: the latest", ("--version",), int, 0),
                Arg("allow_pickle", "load models stored as pickles", ("--allow-pickle",), switch=True),
            ),
            example="model gate forest --version 3",
            outcome=True,
        ),
        Verb("list", "list every version of every model"),
    ),
)  # fmt: skip
