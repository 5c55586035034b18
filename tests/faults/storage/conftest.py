"""Real small disks: a tmpfs, mounted where a project or one folder of it is."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import trust
from jupyter_mlops.project import Project
from tests.shell import Cells, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Disk:
    """A small file system at `folder`."""

    def __init__(self, folder: Path, size: str = "96m") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.option(f"size={size}", "-t", "tmpfs", "none")

    def option(self, option: str, *more: str) -> None:
        done = subprocess.run(
            ["mount", "-o", option, *more, str(self.folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"this machine mounts nothing: {done.stderr.strip()}")

    def fill(self, left: int) -> None:
        """Leave so many bytes free."""
        there = os.statvfs(self.folder)
        size = there.f_bavail * there.f_frsize - left
        with (self.folder / "filler").open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), max(size, 4096))

    def free(self) -> None:
        (self.folder / "filler").unlink(missing_ok=True)

    @contextlib.contextmanager
    def read_only(self, folder: Path) -> Iterator[None]:
        """Let a folder be read-only for everything that is opened from now on."""
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Return a small disk."""
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


@pytest.fixture
def small(_template: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project on the small disk, the working folder in it."""
    root = disk.folder / "screening"
    subprocess.run(["cp", "-r", str(_template), str(root)], check=True)
    trust.grant(root, "init")
    monkeypatch.chdir(root)
    return Project.find(root)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Return what puts a full disk in the place of one folder; what was in it stays below."""
    made: list[Disk] = []

    def put(folder: Path) -> None:
        kept = tmp_path / f"kept{len(made)}"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", f"{folder}/.", str(kept)], check=True)
        made.append(Disk(folder, "64m"))
        subprocess.run(["cp", "-r", f"{kept}/.", str(folder)], check=True)
        made[-1].fill(0)
        shutil.rmtree(kept)

    def away() -> None:
        while made:
            made.pop().close()

    put.away = away  # type: ignore[attr-defined]
    yield put
    away()


@pytest.fixture
def cell() -> Iterator[Cells]:
    """Return what runs one cell in a fresh shell with the extension loaded."""
    with started() as cells:
        yield cells
