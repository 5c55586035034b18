"""The kinds of runs, in one list."""

from __future__ import annotations

from typing import Literal, get_args

#: What a run executes; `other`: a run of plain MLflow calls, or an evaluation.
RunKind = Literal["cell", "job", "sweep", "drift", "other"]
#: The kinds that `run list` can filter by.
KINDS: tuple[RunKind, ...] = tuple(kind for kind in get_args(RunKind) if kind != "other")
#: The tag that holds a run's kind.
KIND_TAG = "mlops.kind"

_KNOWN: dict[str, RunKind] = {kind: kind for kind in KINDS}


def kind_of(tags: dict[str, str]) -> RunKind:
    """Return the kind of a run from its tags."""
    return _KNOWN.get(tags.get(KIND_TAG, ""), "other")
