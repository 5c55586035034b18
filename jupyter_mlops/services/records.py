"""What the noun `service` says of itself."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it
from typing import Any, ClassVar, Literal

from jupyter_mlops.records import Record

ServiceStatus = Literal["built", "starting", "ready", "stopped", "failed"]


class Parity(Record):
    """Whether the started service answered the same rows as the notebook's model does."""

    rows: int
    equal: bool
    largest_difference: float = 0.0


class Service(Record):
    """A run's model packaged as a Bento, and where it answers when it is started."""

    shown: ClassVar[tuple[str, ...]] = ("name", "status", "url", "model", "run", "requests", "built")

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


class Answer(Record):
    """What `service test` sent and got back: rows, predictions, latency in milliseconds."""

    service: str
    rows: int
    predictions: list[Any]
    expected: list[Any] = []
    agree: bool | None = None
    latency_ms: float
    requests_per_second: float | None = None
