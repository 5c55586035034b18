"""The verbs of `data`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

_HOME = "jupyter_mlops.data.verbs"
_REMOTE = "a DVC remote's name, a URL or a folder; default: the project's"
_SIDE = "a file or folder, as it is now, or FILE@VERSION, or FILE@GIT-REVISION"
_PATHS = "files or folders, relative to the working folder"

NOUN = Noun(
    "data",
    "content versions of files, kept by DVC",
    bare="list",
    verbs=(
        Verb(
            "data", "add", f"{_HOME}:add", "keep the present content of files, folders or URLs",
            (
                Arg("paths", f"{_PATHS}; or URLs", many=True, required=True, complete="path"),
                Arg("to", "where in the project what comes from elsewhere goes", ("--to",), default="", complete="path"),
            ),
            example="data add https://example.org/train.csv --to data/",
        ),
        Verb("data", "list", f"{_HOME}:list", "list the files with versions, and their state"),
        Verb("data", "status", f"{_HOME}:status", "list the files that differ from their versions"),
        Verb(
            "data", "diff", "jupyter_mlops.data.difference:diff", "show what changed between two contents",
            (
                Arg("a", _SIDE, required=True, complete="data"),
                Arg("b", f"{_SIDE}; default: now, or what the .dvc file names", default="", complete="data"),
                Arg("key", "the column that tells rows apart (several: a,b)", ("--key", "-k"), default=""),
            ),
            example="data diff data/train.parquet@HEAD~1 --key id",
        ),
        Verb(
            "data", "checkout", f"{_HOME}:checkout", "put files back to their versions",
            (
                Arg("paths", f"{_PATHS}; all without", many=True, complete="data"),
                Arg("force", "overwrite changes that no version holds", ("--force", "-f"), switch=True),
            ),
            example="data checkout data/train.parquet",
        ),
        Verb(
            "data", "push", "jupyter_mlops.data.transfers:push", "copy versions to the remote, where `dvc pull` finds them",
            (
                Arg("paths", f"{_PATHS}; all without", many=True, complete="data"),
                Arg("remote", _REMOTE, ("--remote", "-r"), default=""),
                Arg("runs", "also the versions that only runs refer to", ("--runs",), switch=True),
            ),
            example="data push --remote s3://bucket/data",
        ),
        Verb(
            "data", "pull", "jupyter_mlops.data.transfers:pull", "bring versions from the remote",
            (
                Arg("paths", f"{_PATHS}; all without", many=True, complete="data"),
                Arg("remote", _REMOTE, ("--remote", "-r"), default=""),
                Arg("force", "overwrite changes that no version holds", ("--force", "-f"), switch=True),
            ),
            example="data pull data/train.parquet",
        ),
        Verb(
            "data", "gc", "jupyter_mlops.data.garbage:gc", "list, or delete, cached versions that nothing refers to",
            (
                Arg("yes", "delete them", ("--yes", "-y"), switch=True),
                Arg("older", "only what was last used so many hours ago", ("--older",), float, 1.0),
            ),
            example="data gc --yes",
        ),
    ),
)  # fmt: skip
