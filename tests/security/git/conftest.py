"""A project with a history, which every attack begins from, and the canary that its program writes."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Trap:
    """The program of the attacks; it notes that it ran, and who called it."""

    program: Path
    canary: Path

    def fell(self) -> str:
        """Return what ran the program since the last call."""
        if not self.canary.exists():
            return ""
        said = self.canary.read_text()
        self.canary.unlink()
        return said

    def environment(self, given: dict[str, str], above: Path) -> dict[str, str]:
        """Return an attack's variables with the places of this machine in them."""
        places = {"RUN": self.program, "OTHER": above / "other"}
        places |= {"TEMPLATE": above / "template", "EXEC": above / "exec"}
        found = {}
        for name, value in given.items():
            for word, place in places.items():
                value = value.replace(word, str(place))
            found[name] = value
        return found


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """Give a program that writes a canary."""
    folder = tmp_path / "trap"
    folder.mkdir()
    program, canary = folder / "program", folder / "canary"
    program.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{canary}'\nexit 0\n")
    program.chmod(0o755)
    return Trap(program, canary)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    """Give a small repository: two commits, and a change that is in none."""
    root = tmp_path / "plain" / "repository"
    root.mkdir(parents=True)
    git(root, "init", "-q")
    history(root)
    yield root
    shutil.rmtree(root.parent, ignore_errors=True)


def history(root: Path) -> None:
    """Make two commits, and a change that is in none."""
    (root / "train.py").write_text("rate = 1\n")
    (root / "notes.txt").write_text("first\n")
    (root / "data").mkdir(exist_ok=True)
    dvc = root / "data/train.csv.dvc"
    if not dvc.exists():
        dvc.write_text("outs:\n- md5: 0cc175b9c0f1b6a831c399e269772661\n  path: train.csv\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    (root / "train.py").write_text("rate = 2\n")
    git(root, "commit", "-qam", "second")
    (root / "train.py").write_text("rate = 3\n")


def git(root: Path, *words: str) -> str:
    """Run plain git."""
    return subprocess.run(
        ["git", *words], cwd=root, check=True, capture_output=True, text=True, env=dict(os.environ)
    ).stdout
