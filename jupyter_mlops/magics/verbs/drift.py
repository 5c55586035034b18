"""The verbs of `drift`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

_FILE = "parquet, csv, tsv, json, jsonl or feather"

NOUN = Noun(
    "drift",
    "drift",
    "current data compared with the training data",
    bare="history",
    verbs=(
        Verb(
            "check", "compare a service's log, or two tables, column by column",
            (
                Arg("service", "compare its prediction log with its run's training data",
                    default="", complete="service"),
                Arg("reference", f"a table to compare with: {_FILE}", ("--reference", "-r"),
                    default="", complete="path", metavar="FILE"),
                Arg("current", f"the table to check: {_FILE}", ("--current", "-c"),
                    default="", complete="path", metavar="FILE"),
                Arg("run", "compare with the training data of this run", ("--run",),
                    default="", complete="run", metavar="RUN"),
                Arg("last", "only the newest N rows", ("--last", "-n"),
                    type=int, default=0, metavar="N"),
                Arg("html", "also write Evidently's own full report to this file", ("--html",),
                    default="", complete="path", metavar="FILE"),
            ),
            example="drift check screening --last 5000",
        ),
        Verb(
            "history", "list earlier checks, the newest first",
            (
                Arg("service", "only checks of this service", default="", complete="service"),
                Arg("limit", "maximum number of checks", ("--limit", "-n"),
                    type=int, default=50, metavar="N"),
            ),
            example="drift history screening",
        ),
        Verb(
            "show", "show the report of an earlier check",
            (Arg("run", "id or name of the check's run", required=True, complete="run"),),
            example="drift show 1a2b3c4d",
        ),
    ),
)  # fmt: skip
