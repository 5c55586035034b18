"""The verbs of `data`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

_REMOTE = "a DVC remote's name, a URL or a folder; default: the project's"
_SIDE = "a file or folder, as it is now, or FILE@VERSION, or FILE@GIT-REVISION"
_PATHS = "files or folders, relative to the working folder"

NOUN = Noun(
    "data",
    "data",
    "content versions of files, kept by DVC",
    bare="list",
    verbs=(
        Verb(
            "add", "keep the present content of files, folders or URLs",
            (
                Arg("paths", f"{_PATHS}; or URLs", many=True, required=True, complete="path"),
                Arg("to", "the folder in the project for files from elsewhere", ("--to",), default="", complete="path"),
            ),
            example="data add https://example.org/train.csv --to data/",
        ),
        Verb("list", "list the files with versions, and their state"),
        Verb("status", "list the files that differ from their versions"),
        Verb(
            "diff", "show what changed between two contents",
            (
                Arg("a", _SIDE, required=True, complete="data"),
                Arg("b", f"{_SIDE}; default: now, or what the .dvc file names", default="", complete="data"),
                Arg("key", "the column that identifies a row (several: a,b)", ("--key", "-k"), default=""),
            ),
            example="data diff data/train.parquet@HEAD~1 --key id",
        ),
        Verb(
            "checkout", "restore files to their versions",
            (
                Arg("paths", f"{_PATHS}; default: all", many=True, complete="data"),
                Arg("force", "overwrite changes that are in no version", ("--force", "-f"), switch=True),
            ),
            example="data checkout data/train.parquet",
        ),
        Verb(
            "push", "copy versions to the remote, where `dvc pull` finds them",
            (
                Arg("paths", f"{_PATHS}; default: all", many=True, complete="data"),
                Arg("remote", _REMOTE, ("--remote", "-r"), default=""),
                Arg("runs", "also the versions that only runs refer to", ("--runs",), switch=True),
            ),
            example="data push --remote s3://bucket/data",
        ),
        Verb(
            "pull", "fetch versions from the remote",
            (
                Arg("paths", f"{_PATHS}; default: all", many=True, complete="data"),
                Arg("remote", _REMOTE, ("--remote", "-r"), default=""),
                Arg("force", "overwrite changes that are in no version", ("--force", "-f"), switch=True),
            ),
            example="data pull data/train.parquet",
        ),
        Verb(
            "gc", "list, or delete, cached versions that nothing refers to",
            (
                Arg("yes", "delete them", ("--yes", "-y"), switch=True),
                Arg("older", "only versions not used for this many hours", ("--older",), float, 1.0),
            ),
            example="data gc --yes",
        ),
    ),
)  # fmt: skip
