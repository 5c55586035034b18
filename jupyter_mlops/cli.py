"""`jupyter mlops NOUN VERB …`: the same table of verbs in a terminal.

Results go to standard output, progress and errors to standard error. Exit codes: 0 success, 1 the
engine or the job failed, 2 an error that the user can correct, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from jupyter_mlops import disk_errors
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.magics import parser
from jupyter_mlops.text import for_terminal, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jupyter_mlops.magics.table import Verb

_INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run one line and return the exit code."""
    _without_iri_grammar()
    try:
        return _answer(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt:
        print("mlops: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe (`| head`): discard the output that Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _without_iri_grammar() -> None:
    """Hide a package from jsonschema, whose import would build a grammar of IRIs for a second.

    jsonschema works without the package; our notebooks and schemas have no IRIs.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def _answer(words: Sequence[str]) -> int:
    try:
        call = parser.parse(words, surface="shell")
    except parser.Help as asked:
        print(asked.text, flush=True)
        return 0
    except (
        MlopsError
    ) as error:  # the parser knows what is to be typed in a terminal, and what in a notebook
        print(f"mlops: {error}", file=sys.stderr)
        return error.exit_code
    try:
        with disk_errors.in_one_line():  # also for the printed output
            return _run(call)
    except MlopsError as error:
        print(f"mlops: {for_terminal(str(error))}", file=sys.stderr)
        return error.exit_code


def _run(call: parser.Call) -> int:
    if "detach" in call.arguments:
        # A process that is not detached would end with the command.
        call.arguments["detach"] = True
    with _results_only() as results:
        value = call.run()
        if call.json:
            from jupyter_mlops.records import to_json

            print(visible(to_json(value)), file=results, flush=True)
        elif value is not None:
            print(visible(_shown(value, call.verb)), file=results, flush=True)
    failed = call.verb.outcome and getattr(value, "status", "") in {"failed", "killed"}
    return 1 if failed else 0


def _shown(value: Any, verb: Verb) -> str:
    """Return a result as text, with what is to be typed in the form of a terminal.

    The results of nouns may hold a user's code, which does not change: there, only what follows a
    colon is a hint of ours.
    """
    shown = str(value)
    empty = getattr(value, "empty", "") == shown
    return for_terminal(shown, only_hints=bool(verb.noun) and not empty)


@contextmanager
def _results_only() -> Iterator[TextIO]:
    """Reserve standard output for the result; output of libraries and children goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(
            kept, "w", encoding="utf-8", errors="backslashreplace", closefd=False
        ) as results:
            yield results
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


if __name__ == "__main__":
    raise SystemExit(main())
