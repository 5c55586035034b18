"""A fitted model of a notebook's namespace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class FittedModel:
    """A model: its variable, its library (MLflow's flavour name), and a sample of its training rows.

    `sample` is a DataFrame or a 2-D (torch: n-D) array of at most 1,000 rows, or None.
    """

    name: str
    model: Any
    flavor: str
    params: dict[str, Any] = field(default_factory=dict)
    sample: Any = None
