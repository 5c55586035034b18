"""Records that the verbs of the noun `job` return."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record, Records
from jupyter_mlops.text import counted

JobStatus = Literal["queued", "running", "finished", "failed", "killed", "scheduled", "paused"]


class Parameter(Record):
    """A notebook's parameter: its type, default and help, as the notebook declares them.

    If the default is not a constant, `expression` is its source and `default` is None.
    """

    shown: ClassVar[tuple[str, ...]] = ("name", "type", "default", "help")

    name: str
    type: str
    default: Any = None
    expression: str = ""
    help: str = ""

    def row(self) -> dict[str, Any]:
        """Return this parameter's table row."""
        default = self.expression or ("None" if self.default is None else self.default)
        return {"name": self.name, "type": self.type, "default": default, "help": self.help}


class Problem(Record):
    """A problem that would make a job fail; `cell` is a code cell's number, from 1."""

    shown: ClassVar[tuple[str, ...]] = ("cell", "what", "fix")

    cell: int | None = None
    what: str
    fix: str = ""

    def __str__(self) -> str:
        where = f"cell {self.cell}: " if self.cell else ""
        return f"{where}{self.what}. {self.fix}".strip()


class Check(Record):
    """Result of `job check`: the parameters, whether a tagged cell declares them, and the problems."""

    notebook: str
    tagged: bool
    parameters: list[Parameter]
    problems: list[Problem]

    @property
    def ok(self) -> bool:
        """Whether the notebook can run as a job."""
        return not self.problems

    @property
    def status(self) -> str:
        """Outcome of the check: `ready` or `failed`."""
        return "ready" if self.ok else "failed"

    @property
    def error(self) -> str:
        """The first problem in one line; empty if there is none."""
        return str(self.problems[0]) if self.problems else ""

    def _summary(self) -> str:
        found = f"{self.notebook}: {counted(len(self.parameters), 'parameter')}"
        if self.parameters and not self.tagged:
            found += " proposed (tag their cell 'parameters' to declare them)"
        return f"{found}; {counted(len(self.problems), 'problem') if self.problems else 'no problems found'}."

    def __str__(self) -> str:
        parts = [self._summary()]
        if self.parameters:
            parts.append(tables.table_text([item.row() for item in self.parameters]))
        parts += [f"✗ {item}" for item in self.problems]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [f"<p>{tables.escape(self._summary())}</p>"]
        if self.parameters:
            parts.append(tables.table_html([item.row() for item in self.parameters]))
        if self.problems:
            parts.append(tables.table_html([item.row() for item in self.problems]))
        return "".join(parts)


class Execution(Record):
    """One execution of a notebook: its run and the executed notebook."""

    shown: ClassVar[tuple[str, ...]] = (
        "run_id",
        "notebook",
        "status",
        "params",
        "metrics",
        "duration",
    )

    run_id: str
    notebook: str
    status: JobStatus
    params: dict[str, Any] = {}
    metrics: dict[str, float | None] = {}
    output: str = ""
    error: str = ""
    failed_cell: int | None = None
    start_time: datetime
    duration: float | None = None

    def row(self) -> dict[str, Any]:
        """Return this execution's table row."""
        return {
            "run": self.run_id[:8],
            "notebook": self.notebook,
            "status": self.status,
            **self.params,
            **self.metrics,
            "took": tables.duration(self.duration) if self.duration is not None else None,
        }

    def details(self) -> list[tuple[str, Any]]:
        """Return the known fields as (title, value) pairs."""
        return _known(
            ("run", self.run_id),
            ("status", self.status),
            ("error", self.error),
            ("notebook", self.notebook),
            ("params", self.params),
            ("metrics", self.metrics),
            ("took", tables.duration(self.duration) if self.duration is not None else None),
            ("executed", self.output),
        )


class Sweep(Record):
    """Result of a sweep: one execution for each point of the grid, and the best one by a metric."""

    run_id: str
    notebook: str
    status: JobStatus
    metric: str = ""
    maximize: bool = True
    best: str = ""
    executions: list[Execution]

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {**item.row(), "best": "★" if item.run_id == self.best else ""}
            for item in self.executions
        ]

    def __str__(self) -> str:
        return tables.table_text(self._rows())

    def _repr_html_(self) -> str:
        return tables.table_html(self._rows())


class Job(Record):
    """A notebook made callable, as `jobs/NAME.yaml` declares it, with its last execution."""

    shown: ClassVar[tuple[str, ...]] = ("name", "notebook", "schedule", "status", "last", "next")

    name: str
    notebook: str
    params: dict[str, Any] = {}
    cron: str = ""
    timezone: str = ""
    catch_up: Literal["once", "skip"] = "once"
    status: JobStatus = "scheduled"
    last_run: str = ""
    last_status: str = ""
    last_time: datetime | None = None
    next_time: datetime | None = None
    error: str = ""

    def row(self) -> dict[str, Any]:
        """Return this job's table row."""
        return {
            "job": self.name,
            "notebook": self.notebook,
            "schedule": self.cron,
            "params": self.params,
            "status": self.status,
            "last run": self.last_run[:8],
            "outcome": self.last_status,
            "last": self.last_time,
            "next": self.next_time,
        }

    def details(self) -> list[tuple[str, Any]]:
        """Return the known fields as (title, value) pairs."""
        return _known(
            ("job", self.name),
            ("status", self.status),
            ("error", self.error),
            ("notebook", self.notebook),
            ("params", self.params),
            ("schedule", f"{self.cron} {self.timezone}".strip()),
            ("next", self.next_time),
            (
                "missed",
                f"{'run once' if self.catch_up == 'once' else 'skipped'} after downtime"
                if self.cron
                else "",
            ),
            ("last run", self.last_run[:8]),
            ("outcome", self.last_status),
        )


class Jobs(Records[Job]):
    """The list of jobs: a table, and a line for each file that cannot be read."""

    def _bad(self) -> list[str]:
        return [f"✗ {item.error}" for item in self.items if item.error]

    def rows(self) -> list[dict[str, Any]]:
        """Return the table's rows: a dict for each job whose file can be read."""
        return [item.row() for item in self.items if not item.error]

    def __str__(self) -> str:
        rows = self.rows()
        table = [tables.table_text(rows)] if rows else []
        return (
            "\n\n".join([*table, *(["\n".join(bad)] if (bad := self._bad()) else [])]) or self.empty
        )

    def _repr_html_(self) -> str:
        if not self.items:
            return super()._repr_html_()
        rows = self.rows()
        table = tables.table_html(rows) if rows else ""
        return table + "".join(f"<p>{tables.escape(line)}</p>" for line in self._bad())


class Log(str):
    """A str that a notebook displays as plain text, not as its repr."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("…" if cycle else str(self))


def _known(*pairs: tuple[str, Any]) -> list[tuple[str, Any]]:
    return [(title, value) for title, value in pairs if value not in (None, "", {})]
