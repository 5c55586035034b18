"""A project that was moved or copied keeps its runs, and writes into nobody else's folder."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import runs, trust
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _record(project: Project, name: str) -> None:
    with runs.start(name, project=project) as active:
        active.log_text(f"{name} = 1\n", "mlops/cell.py")


@pytest.mark.parametrize("name", ["moved", "Jörg's 100 % of_it"])
@pytest.mark.parametrize("how", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_its_runs_come_along(
    project: Project, tmp_path: Path, how: Callable[..., object], name: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    _record(project, "before")
    root = tmp_path / name
    how(str(project.root), str(root))
    kept = sorted((project.root / ".mlops" / "artifacts").rglob("*"))
    trust.grant(root, "trust")
    monkeypatch.chdir(root)
    there = Project.find(root)
    assert runs.get("before", project=there).source == "before = 1\n"
    assert "was moved or copied" in capsys.readouterr().err
    _record(there, "after")
    assert runs.get("after", project=there).source == "after = 1\n"
    assert "was moved" not in capsys.readouterr().err
    assert len([*(root / ".mlops" / "artifacts").rglob("cell.py")]) == 2
    assert sorted((project.root / ".mlops" / "artifacts").rglob("*")) == kept
