"""The records that the verbs of `service` return."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from jupyter_mlops import tables
from jupyter_mlops.records import Record
from jupyter_mlops.text import listed

_NAMES_SHOWN = 6

ServiceStatus = Literal["built", "starting", "ready", "stopped", "failed"]


class Parity(Record):
    """Whether the started service answered the same rows as the notebook's model does."""

    rows: int
    equal: bool
    largest_difference: float = 0.0


class Service(Record):
    """A run's model packaged as a Bento, and where it answers when it is started."""

    shown: ClassVar[tuple[str, ...]] = (
        "name",
        "status",
        "url",
        "model",
        "run",
        "requests",
        "built",
    )

    name: str
    tag: str
    status: ServiceStatus
    run_id: str
    run_name: str
    flavor: str
    inputs: list[dict[str, str]] = []
    parity: Parity | None = None
    url: str = ""
    pid: int | None = None
    requests: int = 0
    created: datetime

    def row(self) -> dict[str, Any]:
        """Return the line of this service in a list."""
        return {
            "service": self.name,
            "status": self.status,
            "url": self.url,
            "run": f"{self.run_name} ({self.run_id[:8]})",
            "flavor": self.flavor,
            "logged": self.requests,
            "built": self.created,
        }

    def details(self) -> list[tuple[str, Any]]:
        """Return what the service shows by itself, where it answers first."""
        parity = "not checked"
        if self.parity is not None:
            parity = (
                f"{self.parity.rows} test rows: same answers as in the notebook"
                if self.parity.equal
                else "other answers than in the notebook"
            )
        names = [item["name"] for item in self.inputs]
        shown: list[tuple[str, Any]] = [
            ("service", self.tag),
            ("status", self.status),
            ("url", self.url),
            ("pid", self.pid),
            ("run", f"{self.run_name} ({self.run_id[:8]})"),
            ("flavor", self.flavor),
            ("inputs", listed(names, _NAMES_SHOWN)),
            ("parity", parity),
            ("logged", self.requests),
            ("built", self.created),
        ]
        return [(title, value) for title, value in shown if value not in (None, "")]


class Logged(Record):
    """One row of the prediction log: the inputs and the prediction."""

    shown: ClassVar[tuple[str, ...]] = ("time", "version", "request", "prediction", "inputs")

    time: datetime
    version: str
    request: str
    inputs: dict[str, Any]
    prediction: Any

    def row(self) -> dict[str, Any]:
        """Return this row as a line of a list: time, prediction, and the inputs by column."""
        return {"time": tables.ago(self.time), "prediction": self.prediction, **self.inputs}


class Answer(Record):
    """What `service test` sent and got back: rows, predictions, latency in milliseconds."""

    service: str
    rows: int
    predictions: list[Any]
    expected: list[Any] = []
    agree: bool | None = None
    latency_ms: float
    requests_per_second: float | None = None

    def details(self) -> list[tuple[str, Any]]:
        """Return the comparison in words, then how fast it was."""
        same = {True: "yes", False: "no", None: "not compared: the run is gone"}[self.agree]
        more = ["…"] if len(self.predictions) > _NAMES_SHOWN else []
        return [
            ("service", self.service),
            ("rows", self.rows),
            ("answers", [*self.predictions[:_NAMES_SHOWN], *more]),
            ("same as the model", same),
            ("latency", f"{self.latency_ms:.3g} ms"),
            ("one client", f"{self.requests_per_second or 0:.0f} requests/s"),
        ]
