"""A project's schedules are kept while the server runs, and end with it."""

from __future__ import annotations

import asyncio

from filelock import FileLock, Timeout

from jupyter_mlops.project import Project
from tests.waiting import eventually_async


def scheduler_runs(project):
    """Whether some process holds the scheduler's place."""
    try:
        with FileLock(project.state / "locks" / "scheduler.lock", timeout=0):
            return False
    except Timeout:
        return True


async def test_a_project_with_jobs_has_a_scheduler_until_the_server_ends(
    ask, project_folder, jp_serverapp
):
    (project_folder / "jobs").mkdir()
    (project_folder / "jobs" / "nightly.yaml").write_text(
        "notebook: train.ipynb\ncron: '0 6 * * *'\n"
    )
    project = Project.find(project_folder)
    project.state.mkdir()
    (project.state / "locks").mkdir()
    await ask("status", path="team/screening")
    app = jp_serverapp.web_app.settings["jupyter_mlops"]
    await eventually_async(lambda: app.followed.schedulers._children)
    await eventually_async(lambda: scheduler_runs(project))
    await jp_serverapp.extension_manager.stop_all_extensions()
    assert not scheduler_runs(project)


async def test_a_project_without_jobs_starts_nothing(ask, project_folder, jp_serverapp):
    await ask("status", path="team/screening")
    await asyncio.sleep(0.5)
    app = jp_serverapp.web_app.settings["jupyter_mlops"]
    assert not app.followed.schedulers._children
