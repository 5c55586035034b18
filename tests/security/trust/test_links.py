"""What came with a folder is never written through, and nothing that leads out of it is trusted by recording."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import cli, files, runs, services, trust, workspace
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.project import Project
from jupyter_mlops.trust import NotTrusted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.security.trust.conftest import Foreign
    from tests.trials import Trials


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """Return a file of the user's, which must stay as it is."""
    file = tmp_path / "bashrc"
    file.write_text("alias l=ls\n")
    yield file
    assert file.read_text() == "alias l=ls\n"


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """End what waits for a pipe."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it hangs"))
    signal.alarm(120)
    yield
    signal.alarm(0)


LINKED = [
    ".mlops/events.jsonl",
    ".mlops/locks/store.lock",
    ".mlops/locks/init.lock",
    ".mlops/live/x",
]


def test_recording_trusts_no_folder_that_brought_something(
    foreign: Foreign, precious: Path, trials: Trials
) -> None:
    (foreign.root / ".dvc" / "config").unlink()
    tried = 0
    brought = [*LINKED, ".mlops", ".dvc/cache", ".dvc/tmp", ".dvc/config", ".mlops/mlflow.db"]
    for name in brought:
        path = foreign.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(precious)
        with pytest.raises(NotTrusted), runs.start("mine"):
            pytest.fail("it was recorded")
        assert not trust.is_trusted(foreign.root)
        path.unlink()
        if (foreign.root / ".mlops").is_dir():
            for folder in (foreign.root / ".mlops").iterdir():
                folder.rmdir()
            (foreign.root / ".mlops").rmdir()
        tried += 1
    settings = (
        "[CACHE]\nDIR = /elsewhere", '[cache]\n"dir" = /elsewhere', "[cache]\n\tDir=/elsewhere",
        "['REMOTE \"x\"']\nURL = http://127.0.0.1/", "[cache]\ndir = /e\n" + "#" * 300_000,
    )  # fmt: skip
    for text in settings:
        (foreign.root / ".dvc" / "config").write_text(text)
        with pytest.raises(NotTrusted), runs.start("mine"):
            pytest.fail("it was recorded")
        tried += 1
    trials("folders that brought a store, a link or a place elsewhere", tried, "none trusted")


def _put(path: Path, kind: str, precious: Path) -> None:
    if kind == "link":
        path.symlink_to(precious)
    else:
        os.mkfifo(path)


def test_no_file_of_ours_is_written_through_a_link(
    project: Project, precious: Path, trials: Trials
) -> None:
    """Also in a project that is trusted: what stands in the way is refused, or left out."""
    tried = 0
    for name in (".mlops/events.jsonl", ".mlops/logs/scheduler.log", ".mlops/services/x.log"):
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        for kind in ("link", "pipe"):
            _put(path, kind, precious)
            project.announce("run", "started", "$(touch pwned)")
            for call in (
                partial(files.append_line, path, "x"),
                partial(files.log, path),
                partial(files.log, path, fresh=True),
            ):
                with pytest.raises(OSError):
                    call()
                tried += 1
            path.unlink()
    lock = project.state / "locks" / "some.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    for kind in ("link", "pipe"):
        _put(lock, kind, precious)
        with (
            pytest.raises(MlopsError, match="is not a regular file"),
            project.locked("some"),
        ):
            pytest.fail("it was locked")
        lock.unlink()
        tried += 1
    trials("links and pipes in the place of files that we write", tried, "none followed")


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_init_follows_no_gitignore(tmp_path: Path, precious: Path, kind: str) -> None:
    root = tmp_path / "theirs"
    root.mkdir()
    file = root / ".gitignore"
    _put(file, kind, precious)
    with pytest.raises(MlopsError, match="cannot be used"):
        workspace.init(str(root))


def test_pipes_in_the_store_of_services_are_not_waited_for(
    foreign: Foreign, trials: Trials
) -> None:
    bento = foreign.root / ".mlops" / "bentoml" / "bentos" / "x"
    (bento / "v1" / "src").mkdir(parents=True)
    latest, origin = bento / "latest", bento / "v1" / "src" / "origin.json"
    os.mkfifo(latest)
    assert list(services.list(project=foreign.project)) == []
    latest.unlink()
    latest.write_text("v1")
    for content in (None, "[" * 200_000, "null", "{}", '{"run_id": 3}'):
        if content is None:
            os.mkfifo(origin)
        else:
            origin.write_text(content)
        assert list(services.list(project=foreign.project)) == []
        origin.unlink()
    trials("pipes and damage in the store of services", 6)


def test_settings_that_cost_hours_are_refused(foreign: Foreign, trials: Trials) -> None:
    hostile = ["a" + ".a" * 50_000 + " = 1", "[" + "a." * 30_000 + "a]", "x = " + "[" * 100_000,
               "#" * 300_000, "x = " + "9" * 3_900, "\0", "[a]\n" * 100_000]  # fmt: skip
    for text in hostile:
        (foreign.root / "mlops.toml").write_text(text)
        with pytest.raises(MlopsError):
            Project.find(foreign.root)
        assert cli.main(["status"]) == 2
    trials("settings that would cost hours", len(hostile), "one line each")
