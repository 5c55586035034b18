"""Call Evidently, for the columns that our own tests do not cover, and for its HTML report.

Only this module imports it, and only inside functions, because importing any part of it takes seconds.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from jupyter_mlops.drift import evidently_page
from jupyter_mlops.drift.statistics import Score
from jupyter_mlops.errors import BackendFailed, MissingBackend
from jupyter_mlops.progress import step
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    import pandas as pd

_loaded = False


def score(reference: pd.Series[Any], current: pd.Series[Any], kind: str) -> Score:
    """Score two cleaned columns with the test that Evidently chooses; `kind` is num, cat or text.

    Raises:
        ValueError: Evidently cannot compare these values; its tests may also raise other errors.
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

    # Evidently does not escape names and values in the script of its page: one with `</script>` would
    # end the script. So markup is removed, and the page is sandboxed too.
    (old, new), names = evidently_page.without_markup(reference[columns], current[columns])
    with step("Writing Evidently's own report"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            preset = DataDriftPreset(columns=[names[name] for name in columns])
            page: str = Report([preset]).run(new, old).get_html_str(as_iframe=False)
        except Exception as error:  # Evidently raises many kinds of errors here
            raise BackendFailed(
                f"Evidently could not write its report: {error_line(error)}",
                "Leave out --html: the scores do not need it",
            ) from error
    return evidently_page.sandboxed(page)


def _load() -> None:
    """Import Evidently once, without warnings, with its telemetry off."""
    global _loaded
    if _loaded:
        return
    # Evidently sends usage reports unless this is set before its import.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with step("Loading Evidently"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import evidently  # noqa: F401
        except ImportError:
            raise MissingBackend("This comparison needs Evidently", "drift") from None
    _loaded = True
