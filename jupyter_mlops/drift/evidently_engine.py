"""Evidently itself: for the columns that our own tests do not cover, and for its HTML report.

Only this module imports it, and only inside functions: any part of it costs seconds.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from jupyter_mlops.drift import evidently_page
from jupyter_mlops.drift.statistics import Score
from jupyter_mlops.errors import BackendFailed, MissingBackend
from jupyter_mlops.progress import step

if TYPE_CHECKING:
    import pandas as pd

_loaded = False


def score(reference: pd.Series[Any], current: pd.Series[Any], kind: str) -> Score:
    """Score two cleaned columns with the test that Evidently chooses; `kind` is num, cat or text.

    Raises:
        ValueError: Evidently cannot compare these values; other kinds of error come from its tests.
    """
    _load()
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    column_type = ColumnType(kind)
    test = get_stattest(reference, current, column_type, None)
    result = test(reference, current, column_type, None)
    return Score(
        test.display_name,
        float(result.drift_score),
        float(result.actual_threshold),
        bool(result.drifted),
    )


def html_report(reference: pd.DataFrame, current: pd.DataFrame, columns: list[str]) -> str:
    """Return Evidently's own data drift report of `columns` as one HTML page."""
    _load()
    from evidently import Report
    from evidently.presets import DataDriftPreset

    # It writes names and values into a script of its page as they are: one that closes the script
    # would end it. Nothing in ours can, and the page is shown without rights besides.
    (old, new), names = evidently_page.without_markup(reference[columns], current[columns])
    with step("Writing Evidently's own report"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            preset = DataDriftPreset(columns=[names[name] for name in columns])
            page: str = Report([preset]).run(new, old).get_html_str(as_iframe=False)
        except Exception as error:  # its report fails in many ways, none of them the user's
            raise BackendFailed(
                f"Evidently could not write its report: {' '.join(str(error).split())[:200]}",
                "Leave out --html: the scores do not need it",
            ) from error
    return evidently_page.sandboxed(page)


def _load() -> None:
    """Import Evidently once, silently, with its telemetry off."""
    global _loaded
    if _loaded:
        return
    # It reports usage over the network unless this is set before its import.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with step("Loading Evidently"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import evidently  # noqa: F401
        except ImportError:
            raise MissingBackend("This comparison needs Evidently", "drift") from None
    _loaded = True
