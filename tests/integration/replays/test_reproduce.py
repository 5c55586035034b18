"""`run reproduce`: hard notebooks recorded in a real kernel, and done again in another."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_mlops import runs, trust
from jupyter_mlops.project import Project
from jupyter_mlops.replays.reproduce import reproduce
from tests.integration.replays import histories

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
        timeout=1200,
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
    assert [(item.name, item.word) for item in result.compared] == [
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
@pytest.mark.timeout(1800)
def test_hard_notebooks_reproduce(project: Project, tmp_path: Path) -> None:
    """Of the notebooks that can come out the same all do; the others are named with their reasons."""

    waiting = []
    with ThreadPoolExecutor(2) as pool:
        for case in histories.CASES:
            root = tmp_path / case.name.replace(" ", "-").replace(",", "")
            subprocess.run(["cp", "-r", str(project.root), str(root)], check=True)
            trust.grant(root, "init")
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
    print(f"{len(results)} histories: {ran} ran again, {same} came out the same")
    assert ran / len(results) >= 0.95
    assert same / len(results) >= 0.85


def test_files_that_the_session_filled_begin_as_they_were_before_it(project: Project) -> None:
    Path("log.txt").write_text("committed\n")
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-qm", "first"], check=True)
    record(
        project,
        "import sqlite3\nstore = sqlite3.connect('kept.db')\n"
        "store.execute('create table if not exists t (x)')",
        "store.execute('insert into t values (4)')\nstore.commit()\nprint(4, file=open('log.txt', 'a'))",
        "%%mlops run case\ntotal = store.execute('select sum(x) from t').fetchone()[0] * 1.0\n"
        "lines = float(len(open('log.txt').readlines()))",
    )
    kept = runs.get("case").metrics
    assert kept == {"total": 4.0, "lines": 2.0}
    result = reproduce("case")
    assert result.verdict == "reproduced", str(result)
    assert "as they were before the session: kept.db, log.txt" in result.notes


def test_a_file_whose_state_before_the_session_is_unknown_is_named(project: Project) -> None:
    Path("log.txt").write_text("never committed\n")
    os.utime("log.txt", (1_000_000_000, 1_000_000_000))
    record(
        project,
        "print(4, file=open('log.txt', 'a'))",
        "%%mlops run case\nlines = float(len(open('log.txt').readlines()))",
    )
    result = reproduce("case")
    assert result.verdict == "differs"
    assert result.notes[-1].endswith("earlier content unknown: log.txt")


def test_what_differs_is_said_metric_by_metric_within_a_tolerance(project: Project) -> None:
    record(
        project,
        "import os",
        "%%mlops run case\nsteady = 1.0 * 2\nother = float(os.getpid())",
    )
    result = reproduce("case")
    assert (result.verdict, [(item.name, item.word) for item in result.compared]) == (
        "differs",
        [("other", "DIFFERS"), ("steady", "REPRODUCED, bit for bit")],
    )
    assert ("reproduced", "no: it differs") in runs.show("case").details()
    assert reproduce("case", tolerance=1.0).verdict == "reproduced"


def test_the_users_files_are_safe_from_absolute_paths_and_shell_lines(project: Project) -> None:
    Path("mine.txt").write_text("untouched")
    root = str(project.root)
    record(
        project,
        f"before = open({root!r} + '/mine.txt').read()\nopen('{root}/mine.txt', 'w').write('changed')",
        "raise KeyboardInterrupt",
        "!git --version && rm -rf nothing\n%pip --version",
        "%%mlops run case\nscore = 2.0 * float(len(before) > 0)",
    )
    Path("mine.txt").write_text("mine")
    result = reproduce("case")
    assert (result.verdict, result.error) == ("reproduced", "")
    assert Path("mine.txt").read_text() == "mine"
    assert result.notes == [
        "cell [3] was interrupted in the original session, so it is not replayed",
        "not run again: !git --version && rm -rf nothing",
        "not run again: %pip --version",
    ]


def test_a_cell_that_fails_in_the_replay_is_named(project: Project) -> None:
    home = Path.home() / "mine.py"
    home.write_text("v = 2.0")
    try:
        record(
            project,
            "import os, sys\nsys.path.insert(0, os.path.expanduser('~'))\nimport mine",
            "%%mlops run outside\nscore = mine.v * 1",
        )
    finally:
        home.unlink()
    result = reproduce("outside")
    assert result.verdict == "failed"
    assert result.error == "Cell [2] failed: ModuleNotFoundError: No module named 'mine'"
    assert ("reproduced", "no: it failed") in runs.show("outside").details()


def test_a_history_that_asks_a_person_says_so(
    project: Project, cell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _prompt: "4")
    cell("count = int(input('how many? '))")
    cell("%%mlops run case\nscore = count * 0.5")
    result = reproduce("case")
    assert (result.verdict, result.error) == (
        "failed",
        "Cell [1] asks for input(), and what was typed is not recorded",
    )


def test_a_failed_run_is_reproduced_by_failing_the_same(project: Project) -> None:
    record(project, "depth = 3", "%%mlops run case\nscore = 2.0 * depth\nraise ValueError('odd')")
    result = reproduce("case")
    assert result.verdict == "reproduced"
    assert [(item.what, item.now) for item in result.compared] == [("error", "ValueError: odd")]


def test_a_project_without_git_is_copied(project: Project) -> None:
    subprocess.run(["rm", "-rf", ".git"], check=True)
    Path("steps.py").write_text("v = 2.0\n")
    record(project, "import steps", "%%mlops run case\nscore = steps.v * 1")
    result = reproduce("case")
    assert result.verdict == "reproduced"
    assert result.notes == ["no snapshot (git was not available): the current code is used"]


@pytest.mark.slow
def test_a_project_installed_from_its_sources_is_replayed_from_its_snapshot(
    project: Project, cell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editable install puts a folder of the project on the path, and not by PYTHONPATH."""
    folder = project.root / "src" / "own_package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("value = 2.5\n")
    monkeypatch.syspath_prepend(folder.parent)
    cell("import own_package")
    cell("%%mlops run case\nscore = own_package.value * 2")
    sys.modules.pop("own_package")
    (folder / "__init__.py").write_text("value = 0.0\n")
    result = reproduce("case")
    assert (result.verdict, result.error, result.notes) == ("reproduced", "", [])
