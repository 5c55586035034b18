"""What the server says of itself: the project behind a folder, and what changed in it."""

from __future__ import annotations

from typing import Literal

from jupyter_mlops.records import Record

#: The event schema that the panel listens for.
CHANGE_SCHEMA = "https://events.jupyter.org/jupyter_mlops/change/v1"


class ProjectStatus(Record):
    """The project that a folder belongs to; `path` is relative to the server's root folder.

    `outside` are the places outside of the project that it names, without passwords. They are contacted,
    and its schedules run, only while it is `trusted`.
    """

    name: str
    path: str
    trusted: bool
    outside: list[str]
    schedules: bool
    experiment: str
    store: Literal["embedded", "team"]
    version: str


class Change(Record):
    """Something of a project's `noun` changed at `time` (seconds since the epoch)."""

    project: str
    noun: str
    action: str
    name: str = ""
    time: float


class Failure(Record):
    """The body of every answer that is not a success: what happened, what to do, and its kind."""

    message: str
    what: str
    do: str
    error: str
