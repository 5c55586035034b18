"""What was recorded while the team's store was away is sent by the server, with nobody asking."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_mlops import runs
from jupyter_mlops.project import Project
from jupyter_mlops.server import spool_sync
from jupyter_mlops.tracking import spool
from tests.waiting import eventually_async


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
async def test_a_waiting_run_is_sent_once_the_store_is_back(
    project_folder, postgres, database, monkeypatch, jp_serverapp
):
    monkeypatch.setattr(spool_sync, "INTERVAL", 0.5)
    with (project_folder / "mlops.toml").open("a") as file:
        file.write(f'[tracking]\nuri = "{database}"\n')
    project = Project.find(project_folder)
    postgres.stop()
    try:
        with runs.start("waits", project=project) as run:
            run.log_metrics({"x": 1.0})
        app = jp_serverapp.web_app.settings["jupyter_mlops"]
        app.followed.follow(project, "team/screening")
        await asyncio.sleep(1)
        assert len(spool.waiting(project)) == 1
    finally:
        postgres.start()
    await eventually_async(lambda: not spool.waiting(project))
    (sent,) = runs.list(project=project)
    assert (sent.name, sent.status, sent.metrics) == ("waits", "finished", {"x": 1.0})
