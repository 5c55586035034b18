"""Records of the noun `run`, for Python, JSON and the panel."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record, Records
from jupyter_mlops.runs.kinds import RunKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_COLUMNS = 3
#: Share of the runs that must have a column; with fewer, it would be mostly dashes.
_LEAST_SHARE = 0.2

RunStatus = Literal["running", "finished", "failed", "killed", "scheduled"]


_REPRODUCED = {"reproduced": "yes", "differs": "no: it differs", "failed": "no: it failed"}


class DataUse(Record):
    """One version of a file that a run read or wrote; `version` is DVC's content hash."""

    path: str
    version: str
    role: Literal["input", "output"] = "input"


class ModelInfo(Record):
    """The model of a run: where MLflow keeps it, its flavour, and whether loading it runs code.

    `format` is `skops`, `safetensors`, … or `pickle`. `safe` says that loading it runs no code: it is
    decided from the model's files, whatever its tags say, and False where they were not looked at (more
    than 64 MB in a remote store). `inputs` lists the signature's columns as {name, type}.
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
                continue  # `run show` prints an interval's bounds next to their metric
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
            ("slice", self.tags.get("mlops.slice")),
            ("hidden state", self.tags.get("mlops.hidden")),
            ("metrics", self.metrics),
            ("params", self.params),
            ("data", [f"{use.path}@{use.version[:6]} ({use.role})" for use in self.data]),
            ("lineage", self.tags.get("mlops.lineage")),
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


class WaitingRun(Record):
    """A run that was recorded while the team's store was away.

    `detail` is its id in the team's store after it is sent, or why it is refused.
    """

    shown: ClassVar[tuple[str, ...]] = ("name", "run_id", "status", "detail")

    run_id: str
    name: str
    status: Literal["sent", "waiting", "refused"]
    detail: str = ""


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
