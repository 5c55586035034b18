"""What a user sees in JupyterLab: the panel, a recorded cell, a drift report without a kernel."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from jupyter_mlops.drift.records import ColumnDrift, DriftReport, Histogram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

MIME = "application/vnd.jupyter-mlops.drift+json"
CELL = """\
%%mlops run forest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

n_estimators = 20
X, y = load_breast_cancer(return_X_y=True)
model = RandomForestClassifier(n_estimators, random_state=0).fit(X[:400], y[:400])
accuracy = model.score(X[400:], y[400:])
accuracy
"""


def run_all_cells(page):
    """Run the open notebook once its kernel is connected."""
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel"
        "?.connectionStatus === 'connected'",
    )
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")


def open_panel(page):
    """Click the panel's tab."""
    page.locator('.jp-SideBar [data-id="jp-mlops-panel"]').click()
    return page.locator("#jp-mlops-panel")


def use_theme(page, theme):
    """Change to a theme and wait until it is there."""
    page.evaluate(
        "theme => void window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
    )
    page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
    page.wait_for_selector("#jupyterlab-splash", state="detached")


def test_a_recorded_cell_appears_in_the_panel_without_a_reload(lab, open_lab, barriers, picture):
    notebook = new_notebook(
        cells=[new_code_cell("%load_ext jupyter_mlops"), new_code_cell(CELL)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, lab.root / "train.ipynb")
    page = open_lab("train.ipynb")
    panel = open_panel(page)
    panel.get_by_text("screening", exact=True).wait_for()
    panel.get_by_text("No runs yet").wait_for()
    page.evaluate("window.notReloaded = true")

    run_all_cells(page)
    row = panel.get_by_role("button", name="forest")
    row.wait_for()
    row.get_by_role("img", name="finished").wait_for()
    assert page.evaluate("window.notReloaded")
    row.get_by_text("accuracy").wait_for()
    picture("panel-light")
    assert barriers("#jp-mlops-panel") == []

    row.focus()
    page.keyboard.press("Enter")
    details = page.locator(".jp-Mlops-page")
    details.get_by_role("heading", name="forest").wait_for()
    details.get_by_role("row", name="n_estimators 20").wait_for()
    details.get_by_text("RandomForestClassifier(n_estimators").wait_for()
    assert barriers(".jp-Mlops-page") == []

    use_theme(page, "JupyterLab Dark")
    picture("run-dark")
    assert barriers("#jp-mlops-panel") == []
    assert barriers(".jp-Mlops-page") == []


def report():
    """A drift report of three columns, one of each kind."""
    bins = [f"[{low}, {low + 1})" for low in range(12)]
    return DriftReport(
        reference="data/train.parquet@1f2e3d",
        current="screening",
        service="screening",
        verdict="drift",
        drifted=1,
        evaluated=2,
        share=0.5,
        threshold=0.5,
        reference_rows=400,
        current_rows=169,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        warnings=["169 rows are few: a score may cross its threshold by chance."],
        columns=[
            ColumnDrift(
                column="mean radius",
                method="Wasserstein distance (normed)",
                score=0.41,
                threshold=0.1,
                drift=True,
                status="drift",
                histogram=Histogram(
                    labels=bins,
                    reference=[0.01, 0.05, 0.1, 0.2, 0.24, 0.2, 0.1, 0.05, 0.03, 0.02, 0, 0],
                    current=[0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.24, 0.2, 0.1, 0.05, 0.02, 0.01],
                    numeric=True,
                ),
            ),
            ColumnDrift(
                column="ward",
                method="Jensen-Shannon distance",
                score=0.02,
                threshold=0.1,
                drift=False,
                status="no drift",
                histogram=Histogram(
                    labels=["a", "b", "c"],
                    reference=[0.5, 0.3, 0.2],
                    current=[0.48, 0.31, 0.21],
                    numeric=False,
                ),
            ),
            ColumnDrift(column="notes", status="not evaluated", reason="Every value is missing."),
        ],
    )


def test_a_drift_report_is_alive_in_a_reopened_untrusted_notebook_without_a_kernel(
    lab, open_lab, barriers, picture
):
    output = new_output(
        "execute_result",
        data={
            MIME: json.loads(report().to_json()),
            "text/html": "<p>the static form</p>",
            "text/plain": "the text form",
        },
        execution_count=1,
    )
    notebook = new_notebook(
        cells=[new_code_cell("%mlops drift check screening", outputs=[output], execution_count=1)],
        metadata={"kernelspec": {"name": "no-such-kernel", "display_name": "Gone"}},
    )
    nbformat.write(notebook, lab.root / "drift.ipynb")
    page = open_lab("drift.ipynb")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    dialog.get_by_role("button", name="No Kernel").click()

    shown = page.locator(".jp-OutputArea .jp-Mlops-report")
    shown.wait_for()
    assert page.get_by_text("the static form").count() == 0
    shown.get_by_text("1 of 2 evaluated columns drifted").wait_for()
    names = shown.locator("tbody th[scope=row]")
    assert names.all_inner_texts() == ["mean radius", "notes", "ward"]
    shown.get_by_role("button", name="column").click()
    shown.get_by_role("button", name="column").click()
    assert names.all_inner_texts() == ["ward", "notes", "mean radius"]
    shown.get_by_role("button", name="notes").focus()
    page.keyboard.press("Enter")
    shown.get_by_text("Every value is missing.").wait_for()
    shown.get_by_role("button", name="mean radius").click()
    shown.get_by_role("img", name="mean radius: reference against current, larger").wait_for()
    picture("drift-light")
    assert barriers(".jp-Mlops-report") == []

    use_theme(page, "JupyterLab Dark")
    picture("drift-dark")
    assert barriers(".jp-Mlops-report") == []
