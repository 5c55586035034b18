"""A snapshot may have any tree in it: what stands where we write is no link that is followed, and no traceback."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.replays import scratch_project
from jupyter_mlops.runs.capsules.capsule import Capsule, CapsuleCell, parsed
from jupyter_mlops.runs.records import DataUse
from jupyter_mlops.secrets import redaction
from tests.security import swaps
from tests.security.data import hostile

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials

#: What we or DVC write in a copy, and what a capsule below names.
NAMES = [
    ".mlops", ".mlops/mlflow.db", ".mlops/reproduce", ".dvc", ".dvc/config", ".dvc/config.local", ".dvc/cache",
    ".dvc/tmp", "mlops.toml", "data", "data/x.csv", "made.csv", "code.py", "data.dvc", "lib/made.csv",
]  # fmt: skip


def _git(root: Path, *words: str, give: str = "") -> str:
    done = subprocess.run(
        ["git", *words], cwd=root, input=give, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(root: Path, name: str, kind: str, to: str) -> str:
    """Return a commit in which `name` is a link to `to`, a file, a folder or another repository."""
    content = _git(root, "hash-object", "-w", "--stdin", give=to if kind == "link" else "x")
    mode, path = (
        {"link": "120000", "file": "100644", "folder": "100644", "repository": "160000"}[kind],
        name,
    )
    if kind == "folder":
        path = f"{name}/inside"
    if kind == "repository":
        content = _git(root, "rev-parse", "HEAD")
    *above, last = path.split("/")
    tree = _git(
        root,
        "mktree",
        "--missing",
        give=f"{mode} {'commit' if kind == 'repository' else 'blob'} {content}\t{last}\n",
    )
    for folder in reversed(above):
        tree = _git(root, "mktree", give=f"040000 tree {tree}\t{folder}\n")
    parent = _git(root, "commit-tree", "-m", "x", tree)
    return _git(root, "commit-tree", "-m", "x", "-p", parent, tree)


def test_a_copy_is_made_of_any_tree_or_refused(
    project: Project, tmp_path: Path, trials: Trials
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.csv").write_text("kept")
    before = {path: path.read_bytes() for path in outside.iterdir()}
    own = (project.root / "mlops.toml").read_bytes()
    _git(project.root, "commit", "--allow-empty", "-m", "first")
    tried = 0
    for name in NAMES:
        for kind, to in (
            ("link", str(outside)), ("link", str(outside / "kept.csv")), ("link", "../../../../outside"),
            ("link", "."), ("link", str(project.root / "mlops.toml")), ("link", "/nowhere/at/all"),
            ("file", ""), ("folder", ""), ("repository", ""),
        ):  # fmt: skip
            capsule = Capsule(
                cells=[CapsuleCell(source="x = 1")],
                commit=commit(project.root, name, kind, to),
                data=[DataUse(path="data/x.csv", version="0" * 32)],
                made=["made.csv", "lib/made.csv", "data"],
                changed=["code.py", "data"],
            )
            for fresh in (False, True):
                try:
                    with scratch_project.checkout(project, "0" * 32, capsule, fresh=fresh) as copy:
                        scratch_project.give_store(project, copy.project)
                except MlopsError:
                    pass
                tried += 1
            assert {path: path.read_bytes() for path in outside.iterdir()} == before, (name, to)
            assert (project.root / "mlops.toml").read_bytes() == own, (name, to)
    assert not [*(project.state / "reproduce").glob("*")], "a copy was left behind"
    trials("trees of a snapshot with links, folders or files where a replay writes", tried)


def test_a_capsule_without_a_cell_is_refused_in_one_line() -> None:
    with pytest.raises(
        BackendFailed, match="The capsule of run 'a' cannot be read: it has no cells"
    ):
        parsed(b'{"cells": []}', "a")


def test_a_copy_is_filled_through_no_link_that_is_swapped_in(
    project: Project, tmp_path: Path, trials: Trials
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("made.csv", "x.csv"):
        (outside / name).write_text("kept")
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    link = tmp_path / "link"
    _git(project.root, "commit", "--allow-empty", "-m", "first")
    capsule = Capsule(
        cells=[CapsuleCell(source="x = 1")],
        commit=commit(project.root, "data/made.csv", "file", ""),
        data=[DataUse(path="data/x.csv", version=hostile.put(project, b"recorded\n"))],
        made=["data/made.csv"],
    )

    def prepare() -> None:
        link.unlink(missing_ok=True)
        link.symlink_to(outside, target_is_directory=True)

    def act() -> None:
        with suppress(MlopsError), scratch_project.checkout(project, "0" * 32, capsule, fresh=True):
            pass

    def swap() -> None:
        for folder in (project.state / "reproduce").glob("*/data"):
            swaps.exchange(folder, link)
            swapped.append(folder)

    swapped: list[Path] = []
    tried = 0
    for tried in swaps.at_each_call(prepare, act, swap):
        assert {path.name: path.read_bytes() for path in outside.iterdir()} == before, tried
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)
    assert len(swapped) > 10
    trials(
        "a folder of a replay's copy exchanged for a link, before each system call", len(swapped)
    )


def test_no_secret_is_read_through_a_link_that_is_swapped_in(
    project: Project, tmp_path: Path, trials: Trials
) -> None:
    """What is read here becomes a part of the user's repository, so a link would publish the file."""
    place, link, outside = project.root / "lib", tmp_path / "link", tmp_path / "outside"
    for folder, said in ((place, "ours"), (outside, "theirs")):
        folder.mkdir()
        (folder / "code.py").write_text(f"# {said}\npassword = 'Fr4me-Passw0rd-Y'\n")
    read: list[bytes] = []

    def prepare() -> None:
        redaction._clean_file.cache_clear()
        if place.is_symlink():
            swaps.exchange(place, link)
        if not link.is_symlink():
            link.symlink_to(outside, target_is_directory=True)

    def act() -> None:
        content = redaction.redact_file(place / "code.py", root=project.root)
        read.extend([content] if content else [])

    tried = 0
    for tried in swaps.at_each_call(prepare, act, lambda: swaps.exchange(place, link)):
        assert not any(b"theirs" in content for content in read), tried
    assert read
    trials("a folder exchanged for a link while a snapshot reads a file", tried)
    place.rename(tmp_path / "kept")
    place.symlink_to(outside, target_is_directory=True)
    redaction._clean_file.cache_clear()
    assert redaction.redact_file(place / "code.py", root=project.root) is None
