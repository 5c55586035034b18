"""A fitted model, as it was found in a notebook's namespace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Fitted:
    """A model found in the namespace: its name there, and rows of what it was trained on.

    `sample` is a DataFrame or a 2-D (torch: n-D) array of at most 1,000 rows, or None.
    """

    name: str
    model: Any
    flavor: str
    params: dict[str, Any] = field(default_factory=dict)
    sample: Any = None
