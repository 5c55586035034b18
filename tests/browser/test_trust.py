"""What a user sees of a colleague's folder: what is in it, and a button before anything of it acts."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_mlops import trust

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


@pytest.fixture
def theirs(project):
    """A downloaded folder beside the user's own: a job that fires every second, and a bucket."""
    folder = project.root / "theirs"
    (folder / "jobs").mkdir(parents=True)
    (folder / "mlops.toml").write_text(
        '[project]\nname = "churn"\n[data]\nremote = "s3://their-bucket/data"\n'
    )
    cell = new_code_cell(f"open({str(project.root / 'mark')!r}, 'w').close()")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(new_notebook(cells=[cell], metadata=kernel), folder / "train.ipynb")
    (folder / "jobs" / "nightly.yaml").write_text('notebook: train.ipynb\ncron: "* * * * * *"\n')
    return folder


def test_nothing_of_a_folder_runs_before_the_button_is_clicked(
    theirs, lab, open_lab, barriers, picture
):
    page = open_lab()
    tab = page.locator('.jp-SideBar [data-id="jp-mlops-panel"]')
    tab.click()
    panel = page.locator("#jp-mlops-panel")
    panel.get_by_text("screening", exact=True).wait_for()
    assert panel.get_by_role("button", name="Trust this project").count() == 0

    page.evaluate(
        "void window.jupyterapp.commands.execute('filebrowser:open-path', {path: 'theirs'})"
    )
    page.locator(".jp-BreadCrumbs-item", has_text="theirs").wait_for()
    tab.click()  # opening a folder shows the file browser
    panel.get_by_text("churn", exact=True).wait_for()
    note = panel.get_by_role("group", name="Trust")
    note.get_by_text("This project is not trusted.").wait_for()
    note.get_by_text("s3://their-bucket/data").wait_for()
    note.get_by_text("its scheduled jobs run").wait_for()
    panel.get_by_text("nightly").first.wait_for()  # listed from the file
    page.wait_for_timeout(3000)  # time for what must not happen
    assert not (lab.root / "mark").exists()
    assert not (theirs / ".mlops").exists()
    picture("trust-light")
    assert barriers("#jp-mlops-panel") == []

    note.get_by_role("button", name="Trust this project").click()
    note.wait_for(state="detached")
    assert trust.is_trusted(theirs)
    for _ in range(600):
        if (lab.root / "mark").exists():
            break
        page.wait_for_timeout(200)
    assert (lab.root / "mark").exists()  # and now it fires
    picture("trust-given")
