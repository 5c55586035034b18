"""Every verb that asks git, over every hostile repository: no program of theirs runs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import data, installation, trust, workspace
from jupyter_mlops.environment import git, packages
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.project import Project
from jupyter_mlops.replays import scratch_project
from jupyter_mlops.replays.why import file_trees
from jupyter_mlops.runs.capsules import snapshot
from jupyter_mlops.runs.capsules.capsule import Capsule, CapsuleCell

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.trials import Trials


def _load(name: str) -> Any:
    """Import a module beside this one; the tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


corpus = _load("corpus")


@pytest.fixture
def screening(project: Project) -> Project:
    """Return a project with a data file, two commits and a change that is in none."""
    root = project.root
    (root / "train.py").write_text("rate = 1\n")
    (root / "notes.txt").write_text("first\n")
    (root / "data").mkdir()
    (root / "data/train.csv").write_text("a\n1\n")
    data.add(["data/train.csv"], project=project)
    for message, content in (("first", "rate = 1\n"), ("second", "rate = 2\n")):
        (root / "train.py").write_text(content)
        for words in (["add", "-A"], ["commit", "-qm", message]):
            subprocess.run(["git", *words], cwd=root, check=True)
    (root / "train.py").write_text("rate = 3\n")
    (root / "data/train.csv").write_text("a\n2\n")
    return project


def _verbs(project: Project) -> dict[str, Callable[[], object]]:
    """Return each way of ours to git, as its users go it."""

    def recorded() -> snapshot.Snapshot:
        taken = snapshot.take(project)
        taken.keep(project, "0" * 32)
        return taken

    def replayed() -> None:
        taken = recorded()
        capsule = Capsule(
            cells=[CapsuleCell(source="1")], commit=taken.commit, prefix=taken.prefix,
            changed=["train.py"],
        )  # fmt: skip
        for fresh in (False, True):
            with scratch_project.checkout(project, "0" * 32, capsule, fresh=fresh) as copy:
                packages.git_state(copy.project.root)
                snapshot.take(copy.project)

    def explained() -> None:
        taken = recorded()
        if not taken.commit:
            return
        entries = [
            (item.path, item.after)
            for item in file_trees.changes(project, f"{taken.commit}^", taken.commit)
        ]
        file_trees.tree_of(project, file_trees.mixed(project, f"{taken.commit}^", entries))
        file_trees.files(project, taken.commit)
        file_trees.version_in(project, taken.commit, "data/train.csv")

    def added() -> None:
        (project.root / "data/more.csv").write_text("b\n")
        data.add(["data/more.csv"], project=project)

    return {
        "status": lambda: packages.git_state(project.root),
        "what a cell would keep": lambda: snapshot.pending(project),
        "recording": recorded,
        "reproduce": replayed,
        "why": explained,
        "data list": lambda: data.list(project=project),
        "data status": lambda: data.status(project=project),
        "data diff": lambda: data.diff(
            "data/train.csv@HEAD", "data/train.csv@HEAD~1", project=project
        ),
        "data gc": lambda: data.gc(project=project),
        "data add": added,
        "doctor": lambda: installation._git(),
        "init": lambda: workspace._ensure_git(project.root),
        "init below": lambda: workspace._ensure_git(project.root / "data"),
    }


def test_no_verb_runs_a_program_of_a_hostile_repository(
    screening: Project, trap: Any, tmp_path: Path, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, pristine = screening.root, tmp_path / "pristine"
    shutil.copytree(root, pristine, symlinks=True)
    ran, tried, read = [], 0, 0
    for attack in corpus.ATTACKS:
        _restore(pristine, root)
        attack.change(root, str(trap.program))
        trap.fell()
        with monkeypatch.context() as patched:
            for name, value in trap.environment(attack.environment, root.parent).items():
                patched.setenv(name, value)
            for verb, call in _verbs(screening).items():
                for file in root.rglob("*.py"):
                    file.touch()  # so that its content is looked at
                with suppress(MlopsError):
                    call()
                tried += 1
                if said := trap.fell():
                    ran.append(f"{attack.name}, {verb}: {said}")
            known = bool(packages.git_state(root)[0])
        if known == attack.refused:
            ran.append(f"{attack.name}: {'read' if known else 'not read'}")
        read += known
    assert not ran, "\n".join(ran)
    assert tried >= 100
    trials(
        "hostile git repositories × verbs",
        tried,
        f"no program ran; {read} of {len(corpus.ATTACKS)} read",
    )


def test_nothing_of_another_repository_is_read_or_written(screening: Project, trap: Any) -> None:
    """A `.git` that leads to a repository of the user's own gives a stranger's folder nothing of it."""
    for attack in corpus.ATTACKS:
        if not attack.refused or attack.name.startswith("filter"):
            continue
        root = screening.root.parent / attack.name.strip(".").replace(" ", "-")
        shutil.copytree(screening.root, root, symlinks=True)
        attack.change(root, str(trap.program))
        other = root.parent / "other"
        before = _refs(other)
        trust.grant(root, "trust")
        project = Project.find(root)
        taken = snapshot.take(project)
        assert not taken.commit
        assert "another folder" in taken.left_out[0]
        assert packages.git_state(root) == ("", "")
        with pytest.raises(MlopsError, match="another folder"):
            data.gc(project=project, yes=True)
        assert _refs(other) == before


def test_what_git_says_of_a_repository_of_somebody_else(
    screening: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    os.chown(screening.root, 12345, 12345)
    os.chown(screening.root / ".git", 12345, 12345)
    assert packages.git_state(screening.root) == ("", "")
    with pytest.raises(
        git.RepositoryRefused, match=r"belongs to another user\. If you trust it: git config"
    ):
        git.text(screening.root, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "own"))
    (tmp_path / "own").write_text(f"[safe]\ndirectory = {screening.root}\n")
    assert packages.git_state(screening.root)[0]


def test_linked_worktrees_and_submodules_are_read(screening: Project, tmp_path: Path) -> None:
    def plain(folder: Path, *words: str) -> str:
        return subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words], cwd=folder, check=True,
            capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    linked = tmp_path / "linked"
    plain(screening.root, "worktree", "add", "-q", str(linked))
    assert packages.git_state(linked)[0] == plain(linked, "rev-parse", "HEAD")
    outer = tmp_path / "outer"
    outer.mkdir()
    plain(outer, "init", "-q")
    plain(outer, "submodule", "add", "-q", str(screening.root), "inner")
    assert packages.git_state(outer / "inner")[0] == plain(screening.root, "rev-parse", "HEAD")
    apart = tmp_path / "apart"
    plain(tmp_path, "init", "-q", "--separate-git-dir", str(tmp_path / "kept"), str(apart))
    plain(apart, "commit", "-q", "--allow-empty", "-m", "x")
    with pytest.raises(git.RepositoryRefused, match=r"core\.worktree") as refused:
        git.text(apart, "rev-parse", "HEAD")
    told = str(refused.value).rpartition("or git ")[2].split()
    plain(apart, *told)
    assert packages.git_state(apart)[0] == plain(apart, "rev-parse", "HEAD")


def test_only_one_module_runs_git() -> None:
    package = Path(git.__file__).parent
    found = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(f"{quote}git{quote}," in path.read_text() for quote in "'\"")
        and "subprocess" in path.read_text()
    ]
    assert found == ["git.py"]


def _refs(folder: Path) -> str:
    return subprocess.run(
        ["git", "-c", "core.fsmonitor=false", "for-each-ref"], cwd=folder, check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip


def _restore(pristine: Path, root: Path) -> None:
    """Put the project's files back; its store and cache stay."""
    for item in root.iterdir():
        if item.name not in {".mlops", ".dvc"}:
            item.unlink() if item.is_symlink() or item.is_file() else shutil.rmtree(item)
    for item in pristine.iterdir():
        if item.name not in {".mlops", ".dvc"}:
            (shutil.copytree if item.is_dir() else shutil.copy2)(item, root / item.name)
