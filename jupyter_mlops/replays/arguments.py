"""Checks of what the verbs of replays have in common: `--env`, `--tolerance`, a run that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops.errors import UsageError

if TYPE_CHECKING:
    from jupyter_mlops.runs.records import RunDetail

#: The packages to replay with: this kernel's, or the run's.
ENVIRONMENTS = ("current", "recorded")


def check_environment(env: str) -> None:
    """Raise unless `env` is one of `ENVIRONMENTS`.

    Raises:
        UsageError: it is not.
    """
    if env not in ENVIRONMENTS:
        raise UsageError(f"No environment '{env}'", "Type: --env current, or: --env recorded")


def check_tolerance(tolerance: float) -> None:
    """Raise unless a relative tolerance is 0 or more; NaN is not.

    Raises:
        UsageError: it is not.
    """
    if not tolerance >= 0:
        raise UsageError(f"--tolerance must be 0 or more, not {tolerance}", "For example: 1e-6")


def check_ended(detail: RunDetail) -> None:
    """Raise if a run has not ended.

    Raises:
        UsageError: it has not.
    """
    if detail.status == "running":
        raise UsageError(f"Run '{detail.name}' has not ended", "Wait for it")
