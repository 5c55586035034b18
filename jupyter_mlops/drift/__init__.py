"""The noun `drift`: what a model sees now against what it was trained on, column by column.

Importing this loads nothing heavy; the first check loads pandas, and Evidently only where a text
column or its own HTML report asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.drift.comparison import compare
    from jupyter_mlops.drift.records import ColumnDrift, DriftCheck, DriftReport, Histogram
    from jupyter_mlops.drift.verbs import check, history, show

_HOME = {
    "ColumnDrift": "records",
    "DriftCheck": "records",
    "DriftReport": "records",
    "Histogram": "records",
    "check": "verbs",
    "compare": "comparison",
    "history": "verbs",
    "show": "verbs",
}
__all__ = [
    "ColumnDrift",
    "DriftCheck",
    "DriftReport",
    "Histogram",
    "check",
    "compare",
    "history",
    "show",
]

__getattr__ = lazy.attributes(__name__, _HOME)
