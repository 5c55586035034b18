"""`job schedule` and the scheduler: declared in git, fired once a tick, whoever runs."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from jupyter_mlops import jobs
from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError
from jupyter_mlops.jobs.declarations import Schedule
from jupyter_mlops.jobs.scheduler import due_ticks
from jupyter_mlops.processes.identity import process_start
from tests.waiting import eventually

if TYPE_CHECKING:
    from jupyter_mlops.project import Project


def test_a_schedule_is_a_small_file_in_git(write: Any, project: Project) -> None:
    name = write("train.ipynb", ("parameters", "depth: int = 6"), "print(depth)")
    job = jobs.schedule(name, cron="0 6 * * *", params={"depth": "8"}, timezone="Europe/Prague")
    assert (job.name, job.status, job.params) == ("train", "scheduled", {"depth": 8})
    assert job.next_time is not None
    assert (job.next_time.hour, job.next_time.minute) == (6, 0)
    declared = yaml.safe_load((project.root / "jobs" / "train.yaml").read_text())
    assert declared == {
        "notebook": "train.ipynb", "cron": "0 6 * * *", "timezone": "Europe/Prague", "params": {"depth": 8},
    }  # fmt: skip
    assert jobs.has_schedules(project)
    (listed,) = jobs.list()
    assert json.loads(listed.to_json())["cron"] == "0 6 * * *"

    execution = jobs.run("train")
    assert execution.params == {"depth": 8}, "a job runs by its name, with its own values"
    (listed,) = jobs.list()
    assert (listed.status, listed.last_status, listed.last_run) == (
        "scheduled",
        "finished",
        execution.run_id,
    )

    jobs.schedule(name, cron="@daily")
    assert jobs.list()[0].cron == "@daily"
    jobs.unschedule("train")
    assert not jobs.has_schedules(project)
    with pytest.raises(NotFound, match="No scheduled job 'train'"):
        jobs.unschedule("train")


def test_a_schedule_that_cannot_fire_is_refused_and_nothing_is_written(
    write: Any, project: Project
) -> None:
    name = write("train.ipynb", ("parameters", "depth: int = 6"), "print(depth)")
    wrong = write("wrong.ipynb", "print(nowhere)")
    for options, what in (
        ({"cron": "whenever"}, "has 1 fields, not 5"),
        ({"cron": "61 * * * *"}, "not a cron expression"),
        ({"cron": ""}, "fields"),
        ({"cron": "0 0 31 2 *"}, "not a cron expression"),
        ({"cron": "@sometimes"}, "not a cron expression"),
        ({"timezone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        ({"catch_up": "twice"}, "neither once nor skip"),
        ({"params": {"depth": "x"}}, "expects int"),
        ({"params": {"dpeth": "1"}}, "no parameter 'dpeth'"),
        ({"name": "../evil"}, "cannot name a job"),
        ({"notebook": wrong}, "'nowhere' is not defined"),
        ({"notebook": "none.ipynb"}, "No notebook none.ipynb"),
    ):
        with pytest.raises(MlopsError, match=what):
            jobs.schedule(**{"notebook": name, "cron": "0 6 * * *"} | options)
    assert not jobs.has_schedules(project)
    other = write("other.ipynb", "print(1)")
    jobs.schedule(name, cron="0 6 * * *", name="nightly")
    with pytest.raises(Conflict, match=r"Job 'nightly' exists already, for train\.ipynb"):
        jobs.schedule(other, cron="0 6 * * *", name="nightly")
    assert jobs.schedule(other, cron="0 6 * * *", name="nightly", replace=True).notebook == other


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("notebook: a.ipynb\ncorn: '* * * * *'", "unknown key 'corn'. Did you mean 'cron'?"),
        ("notebook: a.ipynb\ncron: often", "cron: 'often' has 1 fields"),
        ("notebook: a.ipynb\ntimezone: Nowhere", "timezone: unknown time zone 'Nowhere'"),
        ("cron: '* * * * *'", "notebook: field required"),
        ("- a", "must be keys and values"),
        ("a: b: c", "line 1 is not YAML"),
        ("notebook: a.ipynb\ncatch_up: twice", "catch_up: input should be"),
    ],
)
def test_a_broken_declaration_is_one_line_and_hides_no_other(
    text: str, what: str, project: Project
) -> None:
    (project.root / "jobs").mkdir()
    (project.root / "jobs" / "bad.yaml").write_text(text)
    (project.root / "jobs" / "good.yaml").write_text("notebook: a.ipynb\ncron: '0 6 * * *'")
    bad, good = jobs.list()
    assert what in bad.error
    assert "\n" not in bad.error
    assert (bad.status, good.status) == ("failed", "scheduled")
    with pytest.raises(UsageError):
        jobs.run("bad")


NOW = datetime(2026, 5, 4, 12, 0, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "catch_up", "last", "due"),
    [
        ("0 * * * *", "once", timedelta(minutes=5), [0]),  # on time
        ("0 * * * *", "skip", timedelta(minutes=5), [0]),
        ("0 * * * *", "once", timedelta(seconds=1), []),  # considered already
        ("0 * * * *", "once", timedelta(hours=9), [0]),  # the one on time stands for those missed
        ("30 * * * *", "once", timedelta(hours=9), [-30 * 60]),  # one for all that were missed
        ("30 * * * *", "skip", timedelta(hours=9), []),
        ("0 6 * * *", "once", timedelta(days=400), [-6 * 3600]),
        ("* * * * * *", "once", timedelta(seconds=3), [1, 2, 3]),  # a sixth field is seconds
        ("* * * * * *", "once", timedelta(seconds=3.5), [0, 1, 2, 3]),
    ],
)
def test_which_ticks_are_due(cron: str, catch_up: Any, last: timedelta, due: list[int]) -> None:
    job = Schedule(name="a", notebook="a.ipynb", cron=cron, catch_up=catch_up, timezone="UTC")
    noon = NOW.replace(second=0)
    assert due_ticks(job, NOW - last, NOW) == [noon + timedelta(seconds=seconds) for seconds in due]


def test_the_scheduler_fires_a_tick_once_and_ends_with_its_parent(
    write: Any, project: Project
) -> None:
    name = write("tick.ipynb", ("parameters", "depth: int = 6"), "print('depth', depth)")
    jobs.schedule(name, cron="* * * * *", params={"depth": "8"})
    # As if it had been declared a while ago: one tick was missed, and is caught up at once.
    an_hour_ago = time.time() - 3600
    os.utime(project.root / "jobs" / "tick.yaml", (an_hour_ago, an_hour_ago))
    scheduler = jobs.start_scheduler(project)
    assert scheduler is not None
    try:
        log = project.state / "logs" / "scheduler.log"
        eventually(lambda: "fires for" in log.read_text())
        assert jobs.start_scheduler(project) is None, "one scheduler is enough"
        (execution,) = eventually(
            lambda: [e for e in jobs.executions("tick") if e.status == "finished"][:1]
        )
        assert execution.params == {"depth": "8"}
        assert "depth 8" in jobs.logs("tick")
        fired = [line for line in log.read_text().splitlines() if "fires for" in line]
        assert len(fired) == len(set(fired))
    finally:
        assert scheduler.stdin is not None
        scheduler.stdin.close()  # what happens when the parent dies
        assert scheduler.wait(600) == 0
    assert process_start(scheduler.pid) is None
