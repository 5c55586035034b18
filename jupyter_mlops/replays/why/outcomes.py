"""Executes each capsule once, and caches the outcomes in `.mlops/explanations/` by content.

The name of an outcome is a hash of its inputs: cells, files, data versions, the states of generators,
packages. Several processes may write the same outcome; each write replaces the whole file.
"""

from __future__ import annotations

import json
import math
import platform
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from jupyter_mlops import files
from jupyter_mlops.environment import packages
from jupyter_mlops.replays import execution
from jupyter_mlops.replays.why import file_trees
from jupyter_mlops.runs.capsules.capsule import Capsule, body

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.records import RunDetail

_FOLDER = "explanations"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ReplayEnvironment:
    """An environment to replay in; the default is the one that is running."""

    interpreter: Path | None = None
    name: str = ""


@dataclass(slots=True)
class CachedOutcome:
    """Outcome of one capsule; `failed` is its error in one line, empty if there was none."""

    metrics: dict[str, float] = field(default_factory=dict)
    drew: list[str] = field(default_factory=list)
    failed: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class ReplayCache:
    """Executes capsules and caches their outcomes; with `fresh`, only this call's outcomes are reused.

    `expected` is the maximum number of replays, as far as it is known.
    """

    project: Project
    fresh: bool = False
    replays: int = 0
    known: int = 0
    expected: int = 0
    _own: dict[str, CachedOutcome] = field(default_factory=dict)

    def outcome(
        self, detail: RunDetail, capsule: Capsule, environment: ReplayEnvironment, title: str
    ) -> CachedOutcome:
        """Return the outcome of a capsule in an environment.

        Args:
            detail: the run that the capsule was made from.
            capsule: what to execute.
            environment: where to execute it.
            title: the name of the replay in the progress line.
        """
        key = self._key(capsule, environment)
        if key in self._own:
            return self._own[key]
        found = None if self.fresh else self._read(key)
        if found is None:
            self.replays += 1
            of = f" of {self.expected}" if self.expected >= self.replays else ""
            found = self._execute(
                detail, capsule, environment, f"why: replay {self.replays}{of}, {title}"
            )
            self._write(key, found)
        else:
            self.known += 1
        self._own[key] = found
        return found

    def _execute(
        self, detail: RunDetail, capsule: Capsule, environment: ReplayEnvironment, title: str
    ) -> CachedOutcome:
        outcome = execution.outcome(
            self.project, detail, capsule, interpreter=environment.interpreter, title=title
        )
        return CachedOutcome(
            metrics={k: v for k, v in outcome.metrics.items() if math.isfinite(v)},
            drew=outcome.drew,
            failed=outcome.failed or outcome.error,
            notes=outcome.notes,
        )

    def _key(self, capsule: Capsule, environment: ReplayEnvironment) -> str:
        # Without git the code is that of the project folder now, which may change before the next replay.
        tree = (
            file_trees.tree_of(self.project, capsule.commit)
            if capsule.commit
            else secrets.token_hex()
        )
        content = {
            "format": _FORMAT,
            "cells": [(body(cell), cell.ok, cell.error) for cell in capsule.cells],
            "tree": tree,
            "place": [capsule.prefix, capsule.folder],
            "data": sorted((use.path, use.version) for use in capsule.data),
            "generators": capsule.generators,
            "before": capsule.before,
            "environment": environment.name or [platform.python_version(), packages.packages()],
        }
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:40]

    def _file(self, key: str) -> Path:
        return self.project.state / _FOLDER / f"{key}.json"

    def _read(self, key: str) -> CachedOutcome | None:
        try:
            kept = json.loads(self._file(key).read_text())
            return CachedOutcome(
                {name: float(value) for name, value in kept["metrics"].items()},
                kept["drew"],
                kept["failed"],
                kept["notes"],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _write(self, key: str, outcome: CachedOutcome) -> None:
        # A dead kernel is not cached: the next try may succeed.
        if outcome.failed and not outcome.failed.startswith("Cell ["):
            return
        metrics = {name: repr(value) for name, value in outcome.metrics.items()}
        kept = {
            "metrics": metrics,
            "drew": outcome.drew,
            "failed": outcome.failed,
            "notes": outcome.notes,
        }
        files.replace(self._file(key), json.dumps(kept))
