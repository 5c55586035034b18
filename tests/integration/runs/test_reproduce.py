"""`run reproduce`: hard notebooks recorded in a real kernel, and done again in another."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_mlops import runs
from jupyter_mlops.project import Project
from jupyter_mlops.runs.reproducing import reproduce

if TYPE_CHECKING:
    from types import ModuleType


def _load(name: str) -> ModuleType:
    """Import a module beside this one; the tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


histories = _load("histories")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def record(project: Project, *cells: str, ids: bool = False) -> list[str]:
    """Execute cells in a real kernel, the extension loaded first; return what each printed."""
    sources = ["%load_ext jupyter_mlops", *cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    client = NotebookClient(
        notebook,
        timeout=120,
        allow_errors=True,
        resources={"metadata": {"path": str(project.root)}},
    )
    client.execute()
    return [
        "".join(out.get("text", "") or "".join(out.get("traceback", [])) for out in cell.outputs)
        for cell in notebook.cells
    ]


def state(project: Project) -> tuple[Any, ...]:
    """Return what a replay must leave as it is."""
    git = [
        subprocess.run(["git", *words], cwd=project.root, capture_output=True, check=False).stdout
        for words in (["status", "--porcelain"], ["worktree", "list"], ["stash", "list"])
    ]
    index = project.root / ".git" / "index"
    files = {
        str(path): path.stat().st_mtime_ns
        for path in project.root.rglob("*")
        if path.is_file()
        and not {".mlops", ".git", ".dvc"} & {*path.relative_to(project.root).parts}
    }
    return (*git, index.read_bytes() if index.exists() else b"", files)


def test_a_run_comes_out_the_same_after_its_code_and_data_were_damaged(project: Project) -> None:
    Path("steps.py").write_text("def double(v):\n    return v * 2\n")
    Path("train.csv").write_text("a\n1.5\n2.5\n")
    record(
        project,
        "import pandas as pd\nimport steps\ntable = pd.read_csv('train.csv')",
        "%%mlops run case\nmean = steps.double(table['a'].mean())\ntable.to_csv('out.csv')",
    )
    Path("steps.py").write_text("def double(v):\n    return 0\n")
    Path("train.csv").write_text("a\n100\n")
    Path("out.csv").unlink()
    before = state(project)
    result = reproduce("case")
    assert str(result).startswith("REPRODUCED · case")
    assert [(item.name, item.said) for item in result.compared] == [
        ("mean", "REPRODUCED, bit for bit"),
        ("out.csv", "REPRODUCED, bit for bit"),
    ]
    assert state(project) == before
    assert not [*(project.state / "reproduce").iterdir()]
    assert runs.get("case").tags["mlops.reproduced"] == "reproduced"
    assert len(runs.list()) == 1
    assert ("reproduced", "yes") in runs.show("case").details()


def _write(project: Project, case: Any) -> None:
    ignore = project.root / ".gitignore"
    ignore.write_text(f"{ignore.read_text()}\nignored.csv\n")
    for name, text in case.files.items():
        (project.root / name).write_text(text)


@pytest.mark.slow
def test_hard_notebooks_reproduce(project: Project, tmp_path: Path) -> None:
    """Of the notebooks that can come out the same all do; the others are named with their reasons."""

    waiting = []
    with ThreadPoolExecutor(2) as pool:
        for case in histories.CASES:
            root = tmp_path / case.name.replace(" ", "-").replace(",", "")
            subprocess.run(["cp", "-r", str(project.root), str(root)], check=True)
            own = Project.find(root)
            _write(own, case)
            last = record(own, *case.cells)[-1]
            assert last.splitlines()[-1].startswith("recorded · case"), (case.name, last)
            assert "hidden state" not in last, (case.name, last)
            waiting.append((case, pool.submit(reproduce, "case", project=own)))
    results = [(case, future.result()) for case, future in waiting]
    said = {
        case.name: f"{result.verdict}: {result}"
        for case, result in results
        if (result.verdict == "reproduced") == bool(case.misses)
    }
    assert not said, "\n\n".join(f"{name}: {line}" for name, line in said.items())
    ran = sum(result.verdict != "failed" for _, result in results)
    same = sum(result.verdict == "reproduced" for _, result in results)
    assert ran / len(results) >= 0.95
    assert same / len(results) >= 0.85
