"""Adding and pushing while others do, and when killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import data, runs, workspace
from jupyter_mlops.data.cache import cache_folder
from jupyter_mlops.data.objects import UNFINISHED, md5
from jupyter_mlops.errors import Conflict

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
_CLI = [sys.executable, "-m", "jupyter_mlops.cli", "data"]


def _objects(project: Project) -> list[Path]:
    return [path for path in cache_folder(project).rglob("*") if path.is_file()]


@pytest.mark.slow
def test_eight_processes_version_the_same_and_other_files_without_an_error(
    project: Project,
) -> None:
    for index in range(8):
        (project.root / f"own-{index}.bin").write_bytes(os.urandom(2_000_000))
    (project.root / "shared.bin").write_bytes(os.urandom(5_000_000))
    running = [
        subprocess.Popen(
            [*_CLI, "add", f"own-{index}.bin", "shared.bin"], cwd=project.root,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for index in range(8)
    ]  # fmt: skip
    said = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 8, said
    found = data.list(project=project)
    assert {item.status for item in found} == {"ok"}
    assert len(found) == 9
    for path in _objects(project):
        assert md5(path) == path.parent.name + path.name


@pytest.mark.slow
def test_a_killed_add_leaves_no_object_that_is_not_what_its_name_says(project: Project) -> None:
    (project.root / "large.bin").write_bytes(os.urandom(1_000_000) * 400)
    unfinished = 0
    for delay in (0.0, 0.05, 0.1, 0.2, 0.4):
        process = subprocess.Popen(
            [*_CLI, "add", "large.bin"], cwd=project.root, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < deadline:
            if any(path.name.endswith(UNFINISHED) for path in _objects(project)):
                time.sleep(delay)
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        unfinished += any(path.name.endswith(UNFINISHED) for path in _objects(project))
        for path in _objects(project):
            if not path.name.endswith(UNFINISHED):
                assert md5(path) == path.parent.name + path.name
    assert unfinished, "no kill came in the middle of a copy"
    (added,) = data.add(["large.bin"], project=project)
    assert md5(data.cached(added.version, project=project)) == added.version
    data.gc(yes=True, older=0, project=project)
    assert [path.name for path in _objects(project)] == [added.version[2:]]


def test_a_file_written_to_while_it_is_hashed_is_kept_as_one_of_its_contents(
    project: Project,
) -> None:
    path = project.root / "growing.bin"
    path.write_bytes(b"x" * 1_000_000)
    writer = subprocess.Popen(
        [sys.executable, "-c", (
            "import time\n"
            "for _ in range(40):\n"
            "    open('growing.bin', 'ab').write(b'y' * 100_000)\n"
            "    time.sleep(0.005)\n"
        )], cwd=project.root,
    )  # fmt: skip
    try:
        version = data.version(path, project=project).version
    except Conflict:
        version = ""
    writer.wait()
    if version:
        assert md5(data.cached(version, project=project)) == version
    assert data.version(path, project=project).version == md5(path)


def test_doctor_tells_of_versions_that_runs_need_and_dvc_gc_deleted(project: Project) -> None:
    (project.root / "seen.csv").write_text("x\n1\n")
    with runs.record_cell("reads", "open('seen.csv').read()", {}, project=project):
        (project.root / "seen.csv").read_text()
    finding = {item.part: item for item in workspace.doctor()}["data versions"]
    assert (finding.status, finding.detail) == (
        "ok",
        "1 version in runs, none missing in the cache",
    )
    dvc = [sys.executable, "-m", "dvc", "gc", "--workspace", "--force", "--quiet"]
    subprocess.run(dvc, check=True, cwd=project.root)
    finding = {item.part: item for item in workspace.doctor()}["data versions"]
    assert finding.status == "missing"
    assert finding.detail.endswith("e.g. seen.csv")
