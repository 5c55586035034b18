"""The errors that users see: one line that says what happened and what to do.

    MlopsError                400, exit 2
    ├── UsageError            the line as typed cannot be understood
    ├── NotAProject           no project here, or its settings cannot be read
    ├── NotFound        404   no such run, file, job, service
    ├── Conflict        409   it exists already, is busy, or another process holds it
    ├── StorageFailed   507   a disk is full, read-only, or refuses this user; exit 1
    ├── MissingBackend        an optional package is not installed
    └── BackendFailed   502   MLflow, DVC, BentoML or a kernel failed; exit 1
        └── ServerAway        the team's tracking store does not answer

A user's mistake never shows a traceback: IPython calls `_render_traceback_`, the shell prints the line,
REST sends it as `message`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jupyter_mlops.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

_NEWLINES = re.compile(r"[\r\n]+")


class MlopsError(Exception):
    """One line: what happened, then what to do about it."""

    status = 400
    exit_code = 2

    def __init__(self, what: str, do: str = "") -> None:
        # A file's name may have bytes that are no text; they are shown as `\\udcff`. A newline in a name would
        # begin a line that we did not write.
        self.what, self.do = (
            visible(_one_line(part)).encode(errors="backslashreplace").decode()
            for part in (what, do)
        )
        super().__init__(f"{self.what.rstrip('.')}. {self.do}" if self.do else self.what)

    def _render_traceback_(self) -> list[str]:
        return [f"mlops: {self}"]


class UsageError(MlopsError):
    """The line as typed cannot be understood."""


class NotAProject(MlopsError):
    """No project at or above this folder, or its settings cannot be read."""


class NotFound(MlopsError):
    """No such run, file, job, model or service."""

    status = 404


class Conflict(MlopsError):
    """It exists already, is busy, or another process holds it."""

    status = 409


class MissingBackend(MlopsError):
    """A verb needs an optional package that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, f"Install it: pip install 'jupyter-mlops[{extra}]'")


class BackendFailed(MlopsError):
    """An engine (MLflow, DVC, BentoML or a kernel) failed; the user made no mistake."""

    status = 502
    exit_code = 1


class StorageFailed(MlopsError):
    """A disk is full, read-only, or refuses this user."""

    status = 507
    exit_code = 1


class ServerAway(BackendFailed):
    """The team's tracking store does not answer; new runs wait in the project's spool."""


def _one_line(text: str) -> str:
    """Replace each newline and the white space around it with a blank; linear also for 200 KB of blanks."""
    return " ".join(filter(None, map(str.strip, _NEWLINES.split(text))))


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """Return `Did you mean 'x'?` for the closest known word, or an empty string."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"Did you mean '{close[0]}'?" if close else ""
