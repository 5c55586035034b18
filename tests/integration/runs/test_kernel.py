"""A recorded cell in a real kernel, as JupyterLab would run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from jupyter_mlops import runs

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def _execute(
    project: Project, *cells: str, allow_errors: bool = False
) -> list[list[dict[str, Any]]]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook,
        timeout=600,
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(project.root)}},
    )
    client.execute()
    return [cell.outputs for cell in notebook.cells]


def test_shown_figures_are_kept_even_when_the_backend_closes_them(project: Project) -> None:
    _, outputs = _execute(
        project,
        "%matplotlib inline\n%load_ext jupyter_mlops",
        "%%mlops run plot\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.plot([3, 4]);",
    )
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    artifacts = [name for name in runs.get("plot").artifacts if name.startswith("figures/")]
    assert artifacts == ["figures/figure-1.png", "figures/shown-1.png"]


def test_progress_is_one_display_and_standard_error_stays_empty(project: Project) -> None:
    outputs = _execute(
        project,
        "from jupyter_mlops.progress import begin, finish, say",
        "say('one')\nsay('two')\nbegin('three')\nfinish(' done')",
    )[1]
    (shown,) = outputs
    assert shown["output_type"] == "display_data"
    assert shown["data"]["text/plain"] == "three done"


def test_a_mistake_stops_the_notebook_with_one_line(project: Project) -> None:
    with pytest.raises(CellExecutionError) as raised:
        _execute(project, "%load_ext jupyter_mlops", "%mlops run shwo forest")
    assert "mlops: run has no verb 'shwo'. Did you mean 'show'?" in str(raised.value)
    assert "Traceback" not in str(raised.value)


def test_json_in_a_notebook_is_one_document(project: Project) -> None:
    outputs = _execute(project, "%load_ext jupyter_mlops", "%mlops run list --json")[1]
    assert [output["text"] for output in outputs] == ["[]\n"]


def test_tab_offers_nouns_verbs_options_and_names(project: Project) -> None:
    with runs.start("woodland", kind="cell", project=project):
        pass
    _, outputs = _execute(
        project,
        "%load_ext jupyter_mlops",
        "import warnings; warnings.simplefilter('ignore')\n"
        "from IPython.core.completer import rectify_completions\n"
        "completer = get_ipython().Completer\n"
        "for line in ('%mlops ru', '%mlops run li', '%mlops run list --so', '%mlops run show wood',\n"
        "             'runs = %mlops model pro'):\n"
        "    found = rectify_completions(line, completer.completions(line, len(line)))\n"
        "    print(line, '→', *(line[: c.start] + c.text + line[c.end :] for c in found), sep='|')",
    )
    lines = [line.split("|")[2:] for line in "".join(item["text"] for item in outputs).splitlines()]
    assert lines == [
        ["%mlops run"],
        ["%mlops run list"],
        ["%mlops run list --sort"],
        ["%mlops run show woodland"],
        ["runs = %mlops model promote"],
    ]


def test_a_run_is_reproduced_from_the_notebook_that_recorded_it(project: Project) -> None:
    *_, shown, tag = _execute(
        project,
        "%load_ext jupyter_mlops",
        "import random\ndrawn = random.random()",
        "%%mlops run case\nscore = drawn + random.random()",
        "%mlops run reproduce case --tolerance 0",
        "same = %mlops run reproduce case\nprint(same.verdict)",
    )
    texts = [out["data"]["text/plain"] for out in shown if "data" in out]
    assert any(text.startswith("REPRODUCED · case") for text in texts)
    assert [out["text"] for out in tag if out["output_type"] == "stream"] == ["reproduced\n"]


def test_a_cell_that_awaits_is_recorded_and_reproduced(project: Project) -> None:
    outputs = _execute(
        project,
        "%load_ext jupyter_mlops",
        "import asyncio\nasync def fetched(value):\n    await asyncio.sleep(0.01)\n    return value",
        "\n%%mlops run waits --experiment screening\ndepth = 3\nasync with asyncio.timeout(5):\n"
        "    parts = [await fetched(0.25), await fetched(0.5)]\nscore = sum(parts)\nawait fetched('seen')",
        "print(score)",
        "same = %mlops run reproduce waits --tolerance 0\nprint(same.verdict)",
    )
    texts = [[out.get("text") or out["data"]["text/plain"] for out in cell] for cell in outputs]
    assert "'seen'" in texts[2]
    assert texts[2][-1].startswith("recorded · waits ")
    assert texts[3] == ["0.75\n"]
    assert texts[4][-1] == "reproduced\n"
    run = runs.get("waits")
    assert (run.experiment, run.params["depth"], run.metrics) == ("screening", "3", {"score": 0.75})
    assert "await fetched" in run.source


def test_a_failing_cell_that_awaits_shows_its_own_lines_and_is_failed(project: Project) -> None:
    with pytest.raises(CellExecutionError) as raised:
        _execute(
            project,
            "%load_ext jupyter_mlops",
            "%%mlops run broken\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0",
        )
    assert "ZeroDivisionError" in str(raised.value)
    assert "jupyter_mlops/" not in str(raised.value)
    assert runs.get("broken").status == "failed"
