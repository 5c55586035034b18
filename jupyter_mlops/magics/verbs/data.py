"""The verbs of `data`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

_HOME = "jupyter_mlops.data.verbs"
_PATHS = "files or folders, relative to the working folder"

NOUN = Noun(
    "data",
    "content versions of files, kept by DVC",
    bare="list",
    verbs=(
        Verb(
            "data", "add", f"{_HOME}:add", "keep the present content of files or folders",
            (Arg("paths", _PATHS, many=True, required=True, complete="path"),),
            example="data add data/train.parquet",
        ),
        Verb("data", "list", f"{_HOME}:list", "list the files with versions, and their state"),
        Verb("data", "status", f"{_HOME}:status", "list the files that differ from their versions"),
        Verb(
            "data", "checkout", f"{_HOME}:checkout", "put files back to their versions",
            (
                Arg("paths", f"{_PATHS}; all without", many=True, complete="data"),
                Arg("force", "overwrite changes that no version holds", ("--force", "-f"), switch=True),
            ),
            example="data checkout data/train.parquet",
        ),
    ),
)  # fmt: skip
