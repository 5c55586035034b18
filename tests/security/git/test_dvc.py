"""DVC reads `.dvc/config` too: it does not decide where pickles are read, nor which git is looked into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import data
from jupyter_mlops.data import cache

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials


def test_a_folder_of_pickles_named_by_the_project_is_not_opened(
    project: Project, tmp_path: Path, trials: Trials
) -> None:
    (project.root / "train.csv").write_text("a\n1\n")
    data.add(["train.csv"], project=project)
    configured = (project.root / ".dvc/config").read_text()
    tried = 0
    for name in ("config", "config.local"):
        trap = tmp_path / f"trap-{name}"
        text = configured if name == "config" else ""
        (project.root / ".dvc" / name).write_text(f"{text}\n[core]\n    site_cache_dir = {trap}\n")
        for verb in (
            lambda: data.list(project=project),
            lambda: data.status(project=project),
            lambda: data.gc(project=project),
            lambda: data.add(["train.csv"], project=project),
            lambda: data.diff("train.csv", project=project),
        ):
            cache._cache_of.cache_clear()
            verb()
            tried += 1
        assert not trap.exists()
    trials("folder of pickles in .dvc/config × verbs", tried, "never opened")


def test_dvc_writes_nothing_into_the_repository_that_git_leads_to(
    project: Project, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with (project.root / ".git/config").open("a") as file:
        file.write(f"[core]\n\tworktree = {other}\n")
    (project.root / "train.csv").write_text("a\n1\n")
    cache._cache_of.cache_clear()
    data.add(["train.csv"], project=project)
    assert [item.name for item in other.iterdir()] == []
