"""Collects the results of a recorded cell and writes them to the run in few calls.

Each call to an MLflow store is a transaction: 4 to 10 ms on the embedded store, even for little data.
So there is one batch and one folder of files. Nothing is recorded before `write`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_mlops import temporary
from jupyter_mlops.runs import signatures
from jupyter_mlops.runs.param_names import free_names
from jupyter_mlops.secrets.redaction import redact, redact_items

if TYPE_CHECKING:
    import mlflow.entities

    from jupyter_mlops.runs.active_run import ActiveRun


@dataclass
class RunBatch:
    """Parameters, metrics and tags of a run, and its files by artifact name."""

    run: ActiveRun
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    written_params: list[mlflow.entities.Param] = field(default_factory=list)
    written_metrics: list[mlflow.entities.Metric] = field(default_factory=list)

    def text(self, name: str, text: str) -> None:
        """Add a text as artifact `name`; secrets are replaced by `***`."""
        self.files[name] = redact(text).encode()

    def json(self, name: str, value: dict[str, Any]) -> None:
        """Add a JSON document as artifact `name`; secrets are replaced by `***`."""
        self.text(name, json.dumps(value, indent=2, default=str))

    def write(self) -> None:
        """Write everything, and empty the batch. Values of plain MLflow calls do not change.

        `written_params` and `written_metrics` then hold MLflow's entities.
        """
        params = redact_items(self.params)
        metrics = dict(self.metrics)
        if self.run.plain is not None and self.run.plain.used:
            stored = self.run.write(lambda store, run_id: store.client.get_run(run_id)).data
            params = free_names(params, stored.params)
            # Our point would be added to the curve that the user logged.
            metrics = {key: value for key, value in metrics.items() if key not in stored.metrics}
        tags = {key: value for key, value in self.tags.items() if value != ""}
        written = self.run.log(params=params, metrics=metrics, tags=tags)
        self.written_params += written[0]
        self.written_metrics += written[1]
        if self.files:
            self.files |= signatures.of(self.files)
            with temporary.folder() as folder:
                for name, content in self.files.items():
                    path = folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                self.run.log_folder(folder)
        for kept in (self.params, self.metrics, self.tags, self.files):
            kept.clear()
