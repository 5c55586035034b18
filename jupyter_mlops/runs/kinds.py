"""The kinds of runs, in one list."""

from __future__ import annotations

from typing import Literal, get_args

#: What a run is an execution of; `other`: it was recorded by MLflow's own calls, or is an evaluation.
RunKind = Literal["cell", "job", "sweep", "drift", "other"]
#: The kinds that runs can be listed by.
KINDS: tuple[RunKind, ...] = tuple(kind for kind in get_args(RunKind) if kind != "other")
#: The tag that holds a run's kind.
KIND_TAG = "mlops.kind"

_KNOWN: dict[str, RunKind] = {kind: kind for kind in KINDS}


def kind_of(tags: dict[str, str]) -> RunKind:
    """Return the kind that a run's tags say."""
    return _KNOWN.get(tags.get(KIND_TAG, ""), "other")
