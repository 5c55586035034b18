"""Which data files a session made or changed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from jupyter_mlops.runs.capsules import session_files

if TYPE_CHECKING:
    from jupyter_mlops.project import Project


def test_files_are_made_changed_or_as_they_were(project: Project) -> None:
    for name in ("old.csv", "grown.csv"):
        (project.root / name).write_text("1\n")
        os.utime(project.root / name, (1_000_000_000, 1_000_000_000))
    time.sleep(0.02)  # file systems keep times in ticks of some milliseconds
    since = time.time()
    time.sleep(0.02)
    (project.root / "new.csv").write_text("1\n")
    with (project.root / "grown.csv").open("a") as file:
        file.write("2\n")
    names = ["old.csv", "grown.csv", "new.csv", "absent.csv"]
    assert session_files.files(project, names, since) == (["new.csv"], ["grown.csv"])


def test_what_a_person_edits_meanwhile_is_not_the_sessions(project: Project) -> None:
    names = ["steps.py", "other.ipynb", "mlops.toml", ".gitignore", ".dvc/config"]
    for name in names:
        (project.root / name).write_text("x\n")
    assert session_files.files(project, names, 0.0) == ([], [])


def test_the_process_began_before_now_and_not_long_ago() -> None:
    assert 0 < time.time() - session_files.process_began() < 3600
