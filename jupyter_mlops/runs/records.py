"""What the noun `run` says of itself, in Python, in JSON and to the panel."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record, Records
from jupyter_mlops.runs.curves import COLOURS, Curve, picture, spark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_COLUMNS = 3
#: A column that fewer of the runs have would be mostly dashes.
_LEAST_SHARE = 0.2
_PACKAGES_IN_TEXT, _PACKAGES_IN_HTML, _DIFF_IN_TEXT = 5, 20, 20
_DIFF_COLOURS = {"+": "#2e9e4f", "-": "#d9483b", "@": "#808080"}

RunStatus = Literal["running", "finished", "failed", "killed", "scheduled"]
RunKind = Literal["cell", "job", "sweep", "drift", "other"]


_REPRODUCED = {"reproduced": "yes", "differs": "no: it differs", "failed": "no: it failed"}


class DataUse(Record):
    """One version of a file that a run read or wrote; `version` is DVC's content hash."""

    path: str
    version: str
    role: Literal["input", "output"] = "input"


class ModelInfo(Record):
    """The model of a run: where MLflow keeps it, its flavour, and whether loading it runs code.

    `format` is `skops`, `safetensors`, … or `pickle`; `safe` is False for pickle. `inputs` lists the
    signature's columns as {name, type}.
    """

    model_id: str
    uri: str
    flavor: str
    format: str
    safe: bool
    inputs: list[dict[str, str]] = []


class Run(Record):
    """One execution of a cell or of a notebook."""

    shown: ClassVar[tuple[str, ...]] = ("name", "status", "metrics", "params", "data", "started")

    run_id: str
    name: str
    status: RunStatus
    kind: RunKind = "other"
    experiment: str = ""
    params: dict[str, str] = {}
    metrics: dict[str, float | None] = {}
    data: list[DataUse] = []
    start_time: datetime
    end_time: datetime | None = None
    notebook: str = ""
    commit: str = ""
    parent: str = ""
    error: str = ""
    tags: dict[str, str] = {}

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it runs."""
        return (self.end_time - self.start_time).total_seconds() if self.end_time else None


class RunList(Records[Run]):
    """Runs as a table: the chosen columns, else the common metrics and the parameters that vary."""

    def __init__(
        self,
        items: Iterable[Run],
        *,
        empty: str = "Nothing yet.",
        columns: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(items, empty=empty)
        #: (`metrics` or `params`, name) of each chosen column.
        self.columns = [*columns]

    def rows(self) -> list[dict[str, Any]]:
        """Return one line for each run."""
        columns = self.columns or [
            *(("metrics", name) for name in _most_common([run.metrics for run in self.items])),
            *(
                ("params", name)
                for name in _most_common([run.params for run in self.items], varying=True)
            ),
        ]
        return [
            {
                "run": run.run_id[:8],
                "name": run.name,
                "kind": run.kind,
                "status": run.status,
                **{name: getattr(run, where).get(name) for where, name in columns},
                "data": [
                    f"{use.path}@{use.version[:6]}" for use in run.data if use.role == "input"
                ],
                "took": tables.duration(run.duration) if run.duration is not None else None,
                "started": run.start_time,
            }
            for run in self.items
        ]


def _most_common(dicts: list[dict[str, Any]], *, varying: bool = False) -> list[str]:
    counts: dict[str, int] = {}
    values: dict[str, set[str]] = {}
    for item in dicts:
        for name, value in item.items():
            base, _, end = name.rpartition("_")
            if end in {"low", "high"} and base in item:
                continue  # an interval's bounds stand beside their metric in `run show`
            counts[name] = counts.get(name, 0) + 1
            values.setdefault(name, set()).add(str(value))
    names = [
        name
        for name in counts
        if counts[name] >= _LEAST_SHARE * len(dicts) and (not varying or len(values[name]) > 1)
    ]
    return sorted(names, key=lambda name: -counts[name])[:_MOST_COLUMNS]


class RunDetail(Run):
    """A run with everything that was recorded beside its numbers."""

    model: ModelInfo | None = None
    source: str = ""
    artifacts: list[str] = []
    packages: int = 0

    def details(self) -> list[tuple[str, Any]]:
        """Return what `run show` prints, the run's outcome first."""
        shown: list[tuple[str, Any]] = [
            ("run", f"{self.name} ({self.run_id})"),
            ("status", self.status),
            ("error", self.error),
            ("reproduced", _REPRODUCED.get(self.tags.get("mlops.reproduced", ""))),
            ("hidden state", self.tags.get("mlops.hidden")),
            ("metrics", self.metrics),
            ("params", self.params),
            ("data", [f"{use.path}@{use.version[:6]} ({use.role})" for use in self.data]),
            ("model", f"{self.model.flavor}, {self.model.format}" if self.model else None),
            ("experiment", self.experiment),
            ("started", self.start_time),
            ("took", tables.duration(self.duration) if self.duration is not None else None),
            ("notebook", self.notebook),
            ("commit", self.commit[:12]),
            ("packages", self.packages or None),
            ("artifacts", self.artifacts),
        ]
        return [(title, value) for title, value in shown if value not in (None, "", [], {})]


class Difference(Record):
    """One thing in which runs differ: `values` by run, in the order they were asked for."""

    what: Literal["metric", "param", "data", "code", "package", "commit"]
    name: str
    values: list[str | float | None]


class Comparison(Record):
    """What differs between runs, metrics first; `code` is a unified diff against the first run."""

    runs: list[str]
    names: list[str]
    differences: list[Difference]
    same: int
    code: str = ""
    curves: list[Curve] = []

    def _rows(self, most_packages: int) -> list[dict[str, Any]]:
        titles = [f"{name} ({run[:6]})" for name, run in zip(self.names, self.runs, strict=True)]
        packages = [item for item in self.differences if item.what == "package"]
        hidden = packages[most_packages:]
        rows = [
            {"what": item.what, "name": item.name, **dict(zip(titles, item.values, strict=True))}
            for item in self.differences
            if item not in hidden
        ]
        if hidden:
            rows.append({"what": "package", "name": f"… and {len(hidden)} more"})
        return rows

    def __str__(self) -> str:
        rows = self._rows(_PACKAGES_IN_TEXT)
        if not rows:
            return "No differences."
        parts = [tables.table_text(rows)]
        for curve in self.curves:
            parts.append(f"{curve.metric} by step")
            parts += [self._spark(index, curve) for index in range(len(self.runs))]
        if self.code:
            lines = self.code.splitlines()
            parts += ["", *lines[:_DIFF_IN_TEXT]]
            if len(lines) > _DIFF_IN_TEXT:
                parts.append(f"… {len(lines) - _DIFF_IN_TEXT} more lines, whole in .code")
        return "\n".join(parts)

    def _spark(self, index: int, curve: Curve) -> str:
        width = max(map(len, self.names))
        return f"  {self.names[index].ljust(width)}  {spark(curve.lines[index])}"

    def _repr_html_(self) -> str:
        rows = self._rows(_PACKAGES_IN_HTML)
        if not rows:
            return "<p>No differences.</p>"
        return (
            tables.table_html(rows)
            + self._pictures()
            + (_diff_html(self.code) if self.code else "")
        )

    def _pictures(self) -> str:
        if not self.curves:
            return ""
        legend = " · ".join(
            f'<span style="color: {COLOURS[i % len(COLOURS)]}">{tables.escape(name)}</span>'
            for i, name in enumerate(self.names)
        )
        cells = "".join(
            f'<td style="text-align: left">{tables.escape(curve.metric)}<br>{picture(curve)}</td>'
            for curve in self.curves
        )
        return f"<p>By step: {legend}</p><table><tbody><tr>{cells}</tr></tbody></table>"


def _diff_html(diff: str) -> str:
    lines = []
    for line in diff.splitlines():
        colour = _DIFF_COLOURS.get(line[:1], "") if line[:3] not in {"+++", "---"} else "#808080"
        text = tables.escape(line)
        lines.append(f'<span style="color: {colour}">{text}</span>' if colour else text)
    return f"<details open><summary>code</summary><pre>{chr(10).join(lines)}</pre></details>"


class ModelVersion(Record):
    """A registered model's version, and the aliases that point at it.

    `gate` is `passed` or `forced: …` when it was promoted through a gate.
    """

    shown: ClassVar[tuple[str, ...]] = ("name", "version", "aliases", "gate", "run_id", "created")

    name: str
    version: int
    run_id: str
    aliases: list[str] = []
    gate: str = ""
    created: datetime
