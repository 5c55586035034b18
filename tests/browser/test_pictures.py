"""Pictures to explore in JupyterLab: brushed with the mouse, read from Python, and left readable."""

from __future__ import annotations

import ast
import math

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_mlops import runs

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

IN_THE_KERNEL = """async code => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code, store_history: false });
  let said = '';
  future.onIOPub = message => (said += message.content.text ?? message.content.evalue ?? '');
  await future.done;
  return said;
}"""


def record_sweep(project):
    """Record what a sweep leaves: two parameters, a metric over steps, one at the end."""
    ids = {}
    for depth in (2, 4, 8, 16):
        for criterion in ("gini", "entropy"):
            name = f"{criterion}-{depth}"
            params = {"depth": depth, "criterion": criterion, "rate": 10.0**-depth}
            with runs.start(name, kind="job", params=params, project=project) as run:
                run.log_metrics({"accuracy": 0.8 + depth / 100 + (criterion == "gini") / 200})
                if depth > 4:
                    for step in range(40):
                        loss = math.exp(-step / depth) + 0.05 * math.cos(step + len(criterion))
                        run.store.client.log_metric(
                            run.run_id, "loss", abs(loss) + depth / 100, step=step
                        )
            ids[name] = run.run_id
    return ids


def open_notebook(lab, open_lab, *cells):
    notebook = new_notebook(
        cells=[new_code_cell(cell) for cell in ("%load_ext jupyter_mlops", *cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, lab.root / "look.ipynb")
    page = open_lab("look.ipynb")
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel"
        "?.connectionStatus === 'connected'",
    )
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    return page


def use_theme(page, theme):
    page.evaluate(
        "theme => void window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
    )
    page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
    page.wait_for_selector("#jupyterlab-splash", state="detached")


def drag(page, axis, start, end):
    """Drag with the mouse along an axis, between two shares of its height from the top."""
    box = page.locator(f"[data-axis='{axis}']").bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] * start)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] * (start + end) / 2)
    page.mouse.move(x, box["y"] + box["height"] * end)
    page.mouse.up()


def test_pictures_are_brushed_read_and_left_readable(lab, open_lab, barriers, picture, project):
    ids = record_sweep(project)
    page = open_notebook(
        lab,
        open_lab,
        "view = %mlops run parallel --sort accuracy --columns rate,criterion,accuracy\nview",
        "%mlops run curves gini-8 gini-16 entropy-16",
    )
    shown = page.locator(".mlops-picture")
    shown.get_by_text("8 of 8 runs").wait_for()
    plot = shown.get_by_role("group", name="loss by step")
    plot.wait_for()
    page.wait_for_function(
        "[...document.querySelectorAll('.mlops-static')].every(form => !form.checkVisibility())"
    )
    assert page.locator(".mlops-static").count() == 2

    # With the mouse: what is brushed is selected in the kernel.
    drag(page, "accuracy", 0.0, 0.62)
    shown.get_by_text("4 of 8 runs").wait_for()
    drag(page, "criterion", 0.8, 1.0)
    shown.get_by_text("2 of 8 runs: ").wait_for()
    wanted = {ids["entropy-8"], ids["entropy-16"]}
    for _ in range(50):  # the front end waits for the kernel before it sends the next change
        selected = set(ast.literal_eval(page.evaluate(IN_THE_KERNEL, "print(view.selected)")))
        if selected == wanted:
            break
        page.wait_for_timeout(200)
    assert selected == wanted

    # The keyboard does the same: the lowest bound of the first axis, up past the smallest rate.
    page.get_by_role("slider", name="rate, lowest").focus()
    for _ in range(5):
        page.keyboard.press("PageUp")
    shown.get_by_text("1 of 8 runs: entropy-8").wait_for()
    page.keyboard.press("Escape")
    shown.get_by_text("2 of 8 runs: ").wait_for()

    # The curves: values under the mouse and by the arrow keys, runs switched off.
    plot.hover()
    shown.locator(".mlops-tip:visible").get_by_text("gini-8").wait_for()
    picture("pictures-light")
    assert barriers(".mlops-picture") == []
    page.mouse.move(0, 0)
    plot.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    shown.get_by_text("loss, step 1: gini-8").wait_for()
    shown.get_by_role("button", name="gini-8").click()
    plot.focus()
    page.keyboard.press("End")
    shown.get_by_text("loss, step 39: gini-16").wait_for()
    shown.get_by_label("log scale").check()
    use_theme(page, "JupyterLab Dark")
    picture("pictures-dark")
    assert barriers(".mlops-picture") == []
    page.evaluate(IN_THE_KERNEL, "view.brushes = {}")
    shown.get_by_text("8 of 8 runs").wait_for()

    # Opened again, in a kernel that knows nothing of them.
    page.evaluate("void window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
    )
    page = open_lab("look.ipynb")
    page.get_by_role("img", name="loss, steps 0 to 39").wait_for()
    page.get_by_role("cell", name="entropy-16").first.wait_for()
    assert page.locator(".mlops-picture").count() == 0
    picture("pictures-reopened")
