"""Records that the verbs without a noun return."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record, TextRecord
from jupyter_mlops.runs.preview import Preview


class Initialised(TextRecord):
    """Result of `init`: the parts that it created, and those that existed."""

    name: str
    root: str
    made: list[str]
    found: list[str]

    def __str__(self) -> str:
        made = f"made {', '.join(self.made)}" if self.made else "nothing to do"
        found = f"; found {', '.join(self.found)}" if self.found else ""
        return f"project '{self.name}' in {self.root}: {made}{found}"


class Trust(TextRecord):
    """Whether a project is trusted, and the effects of the trust."""

    name: str
    root: str
    trusted: bool
    outside: list[str]
    schedules: bool

    def __str__(self) -> str:
        if not self.trusted:
            return f"{self.root} is not trusted: its jobs do not run, and no server is contacted"
        means = [f"it may contact {', '.join(self.outside)}"] if self.outside else []
        means += ["its scheduled jobs run while JupyterLab does"] if self.schedules else []
        return f"{self.root} is trusted{': ' if means else ''}{'; '.join(means)}"


class ProjectOverview(Record):
    """Overview of a project: its settings, its git state and the number of items of each noun."""

    name: str
    root: str
    trusted: bool
    experiment: str
    tracking: str
    remote: str
    commit: str
    dirty: bool
    runs: int | None
    data: int
    jobs: int
    services: int
    next_run: Preview | None = None

    def details(self) -> list[tuple[str, Any]]:
        """Return (title, value) pairs, without the preview of the next recorded cell."""
        pairs = [(name, value) for name, value in super().details() if name != "next_run"]
        if not self.commit:
            # Without a commit there is nothing to compare with.
            pairs = [
                ("commit", "none yet") if name == "dirty" else (name, value)
                for name, value in pairs
            ]
        if self.trusted:
            return [pair for pair in pairs if pair[0] != "trusted"]
        untrusted = "no: its jobs do not run, and no server is contacted; if you trust who made it: %mlops trust"
        return [(name, untrusted if name == "trusted" else value) for name, value in pairs]

    def __str__(self) -> str:
        above = tables.pairs_text(self.details())
        if self.next_run is None:
            return above
        return f"{above}\n\n{self._heading()}\n{tables.pairs_text(self.next_run.details()[self._skip :])}"

    def _repr_html_(self) -> str:
        above = tables.pairs_html(self.details())
        if self.next_run is None:
            return above
        below = tables.pairs_html(self.next_run.details()[self._skip :])
        return f"{above}<p><b>{tables.escape(self._heading())}</b></p>{below}"

    @property
    def _skip(self) -> int:
        return 1 if self.next_run and self.next_run.cell else 0

    def _heading(self) -> str:
        cell = self.next_run.cell if self.next_run else ""
        if not cell:
            return "A recorded cell would keep:"
        return f"Recorded, {cell} would keep:"


class Finding(Record):
    """Result of one check of `doctor`."""

    shown: ClassVar[tuple[str, ...]] = ("part", "status", "detail", "fix")

    part: str
    status: Literal["ok", "missing", "broken", "not trusted"]
    detail: str = ""
    fix: str = ""
