"""Each noun's route sends what its function returns."""

from __future__ import annotations

import json

import pytest

from jupyter_mlops import runs


@pytest.fixture
def jp_root_dir(project):
    return project.root


@pytest.fixture
def forest(project):
    """One recorded run with a parameter and a metric that is not a number."""
    with runs.start("forest", kind="cell", params={"depth": 4}, project=project) as run:
        run.log_metrics({"accuracy": 0.95, "loss": float("nan")})
    return run.run_id


async def test_runs_are_listed_and_shown(ask, forest):
    status, listed = await ask("runs")
    assert status == 200
    assert [run["name"] for run in listed] == ["forest"]
    assert listed[0]["status"] == "finished"
    assert listed[0]["params"] == {"depth": "4"}
    assert listed[0]["metrics"] == {"accuracy": 0.95, "loss": None}
    status, shown = await ask(f"runs/{forest}")
    assert (status, shown["run_id"]) == (200, forest)
    assert "artifacts" in shown


async def test_runs_are_listed_by_kind_and_number(ask, project, forest):
    with runs.start("nightly", kind="job", project=project):
        pass
    _, jobs = await ask("runs", kind="job")
    assert [run["name"] for run in jobs] == ["nightly"]
    _, newest = await ask("runs", limit="1")
    assert len(newest) == 1


@pytest.mark.parametrize("route", ["runs/no-such-run", "drift/no-such-run"])
async def test_what_is_not_there_is_not_found(ask, forest, route):
    status, body = await ask(route)
    assert status == 404
    assert "no-such-run" in body["message"]


@pytest.mark.parametrize("route", ["runs", "data", "jobs", "services", "drift"])
async def test_a_fresh_project_has_empty_lists(ask, route):
    assert await ask(route) == (200, [])


@pytest.mark.parametrize("action", ["start", "stop"])
async def test_a_service_that_was_never_built_is_not_found(jp_fetch, action):
    from tornado.httpclient import HTTPClientError

    with pytest.raises(HTTPClientError) as error:
        await jp_fetch(
            "mlops", "api", "services", "screening", action, method="POST", body="", params={}
        )
    assert error.value.code == 404
    assert error.value.response is not None
    assert "screening" in json.loads(error.value.response.body)["message"]


async def test_a_job_file_that_cannot_be_read_is_a_record_with_its_error(ask, project, trials):
    from tests.security.jobs import hostile

    number = hostile.place(project.root / "jobs")
    (project.root / "jobs" / "good.yaml").write_text("notebook: a.ipynb\ncron: '0 6 * * *'")
    (project.state / "jobs").mkdir(exist_ok=True)
    (project.state / "jobs" / "considered.json").write_text("garbage")
    (project.state / "scheduler.sqlite").write_text("garbage")
    status, listed = await ask("jobs")
    assert status == 200
    by_name = {job["name"]: job for job in listed}
    assert (by_name["good"]["status"], by_name["good"]["error"]) == ("scheduled", "")
    assert "day is out of range" in by_name["no-such-day"]["error"]
    assert sum(bool(job["error"]) for job in listed) == number
    trials("hostile job files, asked for over REST", number, "each a record with its error")
