"""A notebook from somebody else: its saved outputs are shown, and nothing in them runs."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.security.payloads import PAYLOADS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

MIME = "application/vnd.jupyter-mlops.drift+json"
_RAN = "window.__hit=1"


def report(*texts):
    """A drift report with the first text in each field that is one, and a column for each of the texts."""
    columns = [_column(text) for text in texts]
    text = texts[0]
    return {
        "reference": text, "current": text, "service": text, "verdict": text, "time": "2026-01-01T00:00:00Z",
        "drifted": 1, "evaluated": 1, "threshold": 0.5, "reference_rows": 1, "current_rows": 1,
        "warnings": [*texts], "columns": columns,
    }  # fmt: skip


def _column(text):
    histogram = {"labels": [text], "reference": [1.0], "current": [1.0], "numeric": False}
    return {
        "column": text, "status": text, "method": text, "reason": text, "score": 1.0, "threshold": 0.1,
        "histogram": histogram, "dangerouslySetInnerHTML": {"__html": text},
    }  # fmt: skip


def odd():
    """Reports of wrong types, which React would take for elements or refuse by an exception."""
    element = {"$$typeof": "react.element", "type": "script", "props": {"children": _RAN}}
    good = report("x")
    return [
        None, [], "x", 1, element, {**good, "service": element}, {**good, "columns": [element]},
        {**good, "time": "no time"}, {**good, "warnings": [{"__html": _RAN}]}, {**good, "columns": {"length": 10**9}},
        {"__proto__": {"reference": _RAN}, **good, "drifted": "1"},
    ]  # fmt: skip


def test_nothing_in_a_saved_notebook_runs(lab, open_lab, trials):
    parts = [PAYLOADS[first : first + 20] for first in range(0, len(PAYLOADS), 20)]
    outputs = [  # JupyterLab hides all but the first 50
        new_output("display_data", data={MIME: data, "text/plain": "shown as text"})
        for data in [*(report(*part) for part in parts), *odd()]
    ]
    outputs += [
        new_output(
            "display_data", data={"text/html": f'<div class="mlops-static">{" ".join(part)}'}
        )
        for part in parts
    ]
    assert len(outputs) < 50
    cell = new_code_cell("1", outputs=outputs)
    notebook = new_notebook(
        cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    nbformat.write(notebook, lab.root / "theirs.ipynb")
    page = open_lab("theirs.ipynb")
    page.locator(".jp-Mlops-report").nth(len(parts) - 1).wait_for(state="attached")
    page.locator(".mlops-static").first.wait_for(state="attached")
    page.wait_for_timeout(2000)  # time for what must not happen
    assert page.evaluate("window.__hit") is None
    for name in ("script", "iframe", "img", "object", "embed", "style"):
        assert page.locator(f".jp-Mlops-output {name}").count() == 0
    refused = page.locator(".jp-Mlops-output", has_text="another version of jupyter_mlops")
    assert refused.count() == len(odd())
    trials("payloads in a saved notebook's outputs in chromium", 2 * len(PAYLOADS), "none ran")
