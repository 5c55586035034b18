"""A whole day in a hostile repository, in real kernels and by the command: nothing of it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_mlops import runs, workspace
from jupyter_mlops.replays.export import export
from jupyter_mlops.replays.reproduce import reproduce
from tests.security.git import corpus

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


#: What can be in one configuration together.
_TOGETHER = {
    "core.fsmonitor", "core.hooksPath", "diff.external", "diff driver textconv", "filter process",
    "filter clean", "filter smudge", "filter, required", "include.path", "include in an include",
    "core.pager", "core.editor", "gpg.program", "core.alternateRefsCommand", "credential.helper",
    "alias of a command of git", "submodule with core.fsmonitor",
}  # fmt: skip


def test_a_day_in_a_hostile_repository(
    project: Project, trap: Any, tmp_path: Path, trials: Trials
) -> None:
    root = project.root
    (root / "model.py").write_text("rate = 1\n")
    (root / "data").mkdir()
    for words in (["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    placed = [
        attack for attack in corpus.ATTACKS if attack.name in _TOGETHER or "hook " in attack.name
    ]
    attributes = []
    # A submodule is committed before filters are in the way.
    for attack in sorted(placed, key=lambda one: "submodule" not in one.name):
        attack.change(root, str(trap.program))
        if (file := root / ".gitattributes").exists():
            attributes.append(file.read_text())
    (root / ".gitattributes").write_text("".join(attributes))
    # Of another size: a hostile fsmonitor hides a change of the same size and second from git itself.
    (root / "model.py").write_text("rate = 20\n")
    trap.fell()
    subprocess.run(["git", "status"], cwd=root, capture_output=True, check=False)
    assert trap.fell(), "the trap is none"

    cells = [
        "%load_ext jupyter_mlops",
        "%%mlops run first\nimport model\nscore = float(model.rate)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in cells])
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(root)}}).execute()
    assert len(runs.list(project=project)) == 1
    result = reproduce("first", project=project)
    assert result.verdict == "reproduced", str(result)
    export("first", project=project)
    assert workspace.status(project=project).commit
    for words in (["status"], ["doctor"], ["init"], ["data", "list"], ["run", "show", "first"]):
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_mlops.cli", *words], cwd=root, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
    assert trap.fell() == ""
    trials(
        "a recorded, replayed and exported run in a hostile repository",
        len(placed),
        "no program ran",
    )
