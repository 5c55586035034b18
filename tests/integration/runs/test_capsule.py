"""What a recorded cell keeps to be done again: history, code, data; and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import runs
from jupyter_mlops.errors import NotFound, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.runs.capsules import capsule, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


def _load(name: str, project: Project) -> capsule.Capsule:
    return capsule.load(runs.get(name).run_id, name, project=project)


def test_the_history_is_kept_in_order_with_repeats_and_failures(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("x = 1")
    cell("x = 1")
    cell("x = 2\n1 / 0")
    cell("y = (")
    cell("%%mlops run case\nz = x * 2.0")
    kept = _load("case", project)
    assert [(item.source, item.ok, item.error) for item in kept.cells] == [
        ("x = 1", True, ""),
        ("x = 1", True, ""),
        ("x = 2\n1 / 0", False, "ZeroDivisionError"),
        ("y = (", False, "SyntaxError"),
        ("%%mlops run case\nz = x * 2.0", True, ""),
    ]
    cell("%%mlops run second\nz = z * 2.0")
    assert [item.ok for item in _load("second", project).cells] == [
        *(True, True, False, False, True, True)
    ]


def test_a_failed_run_has_its_capsule_too(project: Project, cell: Callable[[str], Any]) -> None:
    cell("%%mlops run case\n1 / 0")
    assert [item.ok for item in _load("case", project).cells] == [False]


def test_secrets_do_not_reach_the_capsule(
    project: Project, cell: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", 'tok-"12345"6789')
    cell("used = '''tok-\"12345\"6789'''")
    cell("%%mlops run case\nz = 2.0 * 1")
    assert _load("case", project).cells[0].source == "used = '''***'''"


def test_the_snapshot_holds_uncommitted_and_untracked_code_and_touches_nothing(
    project: Project, cell: Callable[[str], Any]
) -> None:
    Path("kept.py").write_text("v = 1\n")
    Path("gone.py").write_text("v = 1\n")
    _git("add", "kept.py", "gone.py")
    _git("commit", "-q", "-m", "first")
    Path("kept.py").write_text("v = 2\n")
    Path("gone.py").unlink()
    Path("staged.py").write_text("v = 3\n")
    _git("add", "staged.py")
    Path("new file é.py").write_text("v = 4\n")
    Path(".env").write_text("PASSWORD=x\n")
    Path("big.bin").write_bytes(os.urandom(6_000_000))
    Path(".gitignore").write_text("/.mlops/\nignored.txt\n")
    Path("ignored.txt").write_text("no")
    index, status = Path(".git/index").read_bytes(), _git("status", "--porcelain")
    cell("%%mlops run case\nz = 2.0 * 1")
    assert (Path(".git/index").read_bytes(), _git("status", "--porcelain")) == (index, status)
    kept = _load("case", project)
    assert kept.left_out == [".env", "big.bin"]
    ref = f"refs/mlops/runs/{runs.get('case').run_id}"
    assert _git("rev-parse", ref).strip() == kept.commit
    listed = _git("-c", "core.quotePath=off", "ls-tree", "-r", "--name-only", ref).split("\n")
    assert {"kept.py", "staged.py", "new file é.py"} <= {*listed}
    assert not {"gone.py", "ignored.txt", ".env", "big.bin"} & {*listed}
    assert _git("show", f"{ref}:kept.py") == "v = 2\n"
    assert not [*project.state.glob("snapshot-*")]


def test_a_clean_tree_is_its_own_snapshot(project: Project) -> None:
    _git("add", "-A")
    _git("commit", "-q", "-m", "all")
    assert snapshot.take(project).commit == _git("rev-parse", "HEAD").strip()


def test_a_project_in_a_folder_of_a_repository(tmp_path: Path) -> None:
    from jupyter_mlops import workspace

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "above.py").write_text("")
    inner = tmp_path / "inner"
    workspace.init(str(inner))
    (inner / "code.py").write_text("")
    found = snapshot.take(Project.find(inner))
    assert found.prefix == "inner/"
    tree = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", found.commit],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert "inner/code.py" in tree
    assert "above.py" not in tree


def test_a_broken_repository_does_not_cost_the_run(
    project: Project, cell: Callable[[str], Any]
) -> None:
    Path(".git/index").write_bytes(b"not an index")
    assert cell("%%mlops run case\nz = 2.0 * 1").success
    kept = _load("case", project)
    assert kept.commit == ""
    assert kept.left_out[0].startswith("everything, since git failed")


def test_data_that_earlier_cells_name_has_its_version(
    project: Project, cell: Callable[[str], Any]
) -> None:
    Path(".gitignore").write_text("/.mlops/\ndata/\n")
    Path("data").mkdir()
    Path("data/a.csv").write_text("1")
    Path("data/b.csv").write_text("2")
    cell("text = open('data/a.csv').read()")
    cell("%%mlops run case\nz = float(open('data/b.csv').read())")
    assert sorted(use.path for use in _load("case", project).data) == ["data/a.csv", "data/b.csv"]


def test_hidden_state_stands_in_the_cells_own_line(
    project: Project, cell: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    shell = cell.shell  # type: ignore[attr-defined]
    shell.run_cell("rate = 0.5", cell_id="one", cell_meta={"cellId": "one"})
    shell.run_cell(
        "%%mlops run case\nz = rate * 2", cell_id="two", cell_meta={"deletedCells": ["one"]}
    )
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line.endswith("hidden state: `rate` comes from cell [1], deleted since")
    assert runs.get("case").tags["mlops.hidden"] == "`rate` comes from cell [1], deleted since"


def test_a_run_without_a_notebook_has_no_capsule(project: Project) -> None:
    with runs.start("plain", project=project):
        pass
    with pytest.raises(NotFound, match="has no capsule"):
        runs.reproduce("plain")
    with pytest.raises(NotFound, match="has no capsule"):
        runs.export("plain")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"env": "other"}, "No environment"), ({"tolerance": -1.0}, "must be 0 or more"),
     ({"tolerance": float("nan")}, "must be 0 or more")],
)  # fmt: skip
def test_bad_arguments_of_reproduce(
    project: Project, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        runs.reproduce("any", **arguments)


def test_cells_that_ran_before_the_extension_was_loaded_are_in_the_history(
    project: Project,
) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        for source in (
            "a = 1.5",
            "1 / 0",
            "%load_ext jupyter_mlops",
            "b = a * 2",
            "get_ipython().run_cell('c = b')",
            "%%mlops run case\nscore = c * 1",
        ):
            shell.run_cell(source, store_history=True)
    finally:
        InteractiveShell.clear_instance()
    assert [(item.source, item.ok) for item in _load("case", project).cells] == [
        ("a = 1.5", True),
        ("1 / 0", False),
        ("%load_ext jupyter_mlops", True),
        ("b = a * 2", True),
        ("get_ipython().run_cell('c = b')", True),
        ("%%mlops run case\nscore = c * 1", True),
    ]


def test_the_next_snapshot_removes_what_a_killed_kernel_left(project: Project) -> None:
    old, fresh = (project.state / f"snapshot-{number}-abc.index" for number in (1, 2))
    for index in (old, fresh):
        index.write_bytes(b"")
    os.utime(old, (0, 0))
    snapshot.take(project)
    assert (old.exists(), fresh.exists()) == (False, True)
