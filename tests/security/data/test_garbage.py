"""`data gc` called by itself keeps what runs refer to, and deletes nothing when that cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import data, runs
from jupyter_mlops.data import referrers
from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.runs.capsules import capsule
from jupyter_mlops.runs.records import DataUse
from jupyter_mlops.tracking.store import open_store

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def _of_runs(project: Project, count: int) -> set[str]:
    """Record runs whose versions nothing else names: half by what they read, half by capsules."""
    store = open_store(project)
    versions = set()
    for number in range(count):
        name = f"seen-{number}.csv"
        (project.root / name).write_text(f"{number}\n")
        version = data.version(name, project=project).version
        run = store.client.create_run(store.experiment_id(), run_name=name)
        if number % 2:
            store.log_data(run.info.run_id, [(name, version, "input")])
        else:
            kept = capsule.Capsule(cells=[], data=[DataUse(path=name, version=version)])
            store.client.log_text(run.info.run_id, kept.to_json(), capsule.ARTIFACT)
        versions.add(version)
    return versions


def test_gc_by_itself_in_a_new_python_keeps_the_runs_versions(
    project: Project, trials: Trials
) -> None:
    """Nothing but `data` is imported there, as a user would do in a script."""
    of_runs = _of_runs(project, 12)
    (project.root / "forgotten.csv").write_text("forgotten\n")
    forgotten = data.version("forgotten.csv", project=project).version
    program = "from jupyter_mlops import data; print(len(data.gc(yes=True, older=0)))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=project.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1"]
    assert data.held(project=project) == of_runs
    assert forgotten not in of_runs
    trials("versions that only runs refer to, through data.gc", len(of_runs), "all kept")


def test_gc_keeps_what_any_commit_names_whatever_its_file_is_called_elsewhere(
    project: Project, trials: Trials
) -> None:
    """Git lists a blob once, under one of its paths only; and a path may have a newline."""

    def commit(message: str) -> None:
        subprocess.run(["git", "add", "--all"], check=True, capture_output=True)
        subprocess.run(["git", "commit", "--quiet", "-m", message], check=True)

    def version(name: str, text: str) -> str:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
        return data.add([name]).items[0].version

    wanted = {version("t.csv", "1"), version("d\nx/n.csv", "2"), version("é/u.csv", "3")}
    commit("named")
    for name in ("t.csv", "d\nx/n.csv", "é/u.csv"):
        Path(f"{name}.dvc").rename(f"{name}.dvc.bak")
    commit("put aside")
    # A branch that only a merge commit changes, and an entry that is only staged.
    subprocess.run(["git", "checkout", "--quiet", "-b", "other", "HEAD~1"], check=True)
    wanted.add(version("other.csv", "4"))
    commit("other")
    subprocess.run(["git", "checkout", "--quiet", "-"], check=True)
    subprocess.run(["git", "merge", "--quiet", "--no-commit", "--no-ff", "other"], check=False)
    wanted.add(version("merged.csv", "5"))
    commit("merge")
    Path("merged.csv.dvc").unlink()
    commit("gone")
    wanted.add(version("staged.csv", "6"))
    subprocess.run(["git", "add", "staged.csv.dvc"], check=True)
    Path("staged.csv.dvc").unlink()
    data.gc(yes=True, older=0)
    assert data.held(project=project) >= wanted
    trials("versions that only older commits or the index name", len(wanted), "all kept")


@pytest.mark.parametrize("damage", ["capsule", "capsule gone", "store", "referrer", "import"])
def test_nothing_is_deleted_if_what_runs_refer_to_cannot_be_read(
    project: Project, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _of_runs(project, 4)
    before = data.held(project=project)
    if damage == "capsule":
        next((project.state / "artifacts").rglob("capsule.json")).write_text("[" * 100_000)
    elif damage == "capsule gone":
        # As after the project's folder was moved: the store names the old place.
        with runs.record_cell("reads", "open('seen-0.csv').read()", {}, project=project):
            Path("seen-0.csv").read_text()
        run = runs.get("reads", project=project)
        open_store(project).client.set_tag(run.run_id, "mlops.hidden", "")
        for file in (project.state / "artifacts").rglob("capsule.json"):
            if run.run_id in str(file):
                file.unlink()
    elif damage == "store":
        monkeypatch.setenv("MLOPS_TRACKING_URI", "postgresql://nobody@127.0.0.1:1/none")
        project = type(project).find(project.root)
    elif damage == "referrer":
        monkeypatch.setitem(referrers._KNOWN, "others", lambda project: 1 / 0)
    else:
        monkeypatch.setitem(referrers._KNOWN, "others", "jupyter_mlops.nowhere:versions")
    with pytest.raises(BackendFailed):
        data.gc(yes=True, older=0, project=project)
    assert data.held(project=project) >= before


@pytest.mark.parametrize("lost", ["missing", "empty", "new", "older"])
def test_nothing_is_deleted_if_the_store_was_lost(
    project: Project, lost: str, trials: Trials
) -> None:
    """Nothing fails then: an empty store says that no run refers to anything."""
    store = project.state / "mlflow.db"
    program = "import sys; from jupyter_mlops import runs\n{}"
    record = (
        "from pathlib import Path\nfor i in range(4):\n"
        "    Path('t.csv').write_text(f'x\\n{i}\\n')\n"
        "    with runs.record_cell(f'r{i}', \"open('t.csv').read()\", {}):\n"
        "        Path('t.csv').read_text()\n"
    )

    def python(code: str) -> subprocess.CompletedProcess[str]:
        # A process of its own: this one keeps the store open.
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program.format(code)],
            cwd=project.root, capture_output=True, text=True, check=False,
        )  # fmt: skip

    if lost == "older":
        python("runs.list()")
        kept = store.read_bytes()
    done = python(record)
    assert done.returncode == 0, done.stderr
    before = data.held(project=project)
    assert len(before) == 4
    for beside in project.state.glob("mlflow.db-*"):
        beside.unlink()
    if lost == "missing":
        store.unlink()
    elif lost == "empty":
        store.write_bytes(b"")
    elif lost == "new":
        store.unlink()
        python("runs.list()")
    else:
        store.write_bytes(kept)
    program = "from jupyter_mlops import data\n{}"
    done = python("data.gc(yes=True, older=0)")
    assert done.returncode == 1
    assert "Nothing was deleted" in done.stderr
    assert data.held(project=project) == before
    trials(f"versions of runs whose store is {lost}", len(before), "all kept")


def test_what_somebody_else_registers_is_kept_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "x.csv").write_text("x\n")
    version = data.version("x.csv", project=project).version
    monkeypatch.setattr(referrers, "_KNOWN", dict(referrers._KNOWN))
    referrers.register("others", lambda project: [("x.csv", version)])
    assert len(data.gc(yes=True, older=0, project=project)) == 0
