"""A real scheduler beside hostile files: what is sound fires, once, and nothing else runs."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from jupyter_mlops import runs
from jupyter_mlops.jobs import declarations, untrusted_json, watermarks
from tests.security.jobs import hostile
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project
    from tests.trials import Trials

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def write(project: Project, name: str, *cells: str) -> str:
    content = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=PYTHON
    )
    nbformat.write(content, project.root / name)
    return name


def declare(project: Project, name: str, text: str) -> Path:
    path = project.root / "jobs" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@contextlib.contextmanager
def scheduler(project: Project) -> Iterator[Callable[[], str]]:
    """Run a scheduler; give what it has said so far."""
    log = project.root.parent / "scheduler.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_mlops.cli", "scheduler"],
            stdout=output, stderr=output, cwd=project.root,
        )  # fmt: skip
    try:
        yield log.read_text
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        code = process.wait(600)
    assert code == 0, log.read_text()


def ran(project: Project, name: str) -> list[str]:
    """Return the ticks of a job that were executed."""
    found = runs.list(kind="job", limit=1000, project=project)
    return [run.tags["mlops.scheduled"] for run in found if run.tags.get("mlops.job") == name]


def finished(project: Project, name: str) -> bool:
    return any(
        run.tags.get("mlops.job") == name and run.status == "finished"
        for run in runs.list(kind="job", limit=1000, project=project)
    )


@pytest.mark.timeout(1800)
def test_bad_files_stop_no_good_job(project: Project, trials: Trials) -> None:
    """Every hostile file, and two good jobs that fire each second."""
    number = hostile.place(project.root / "jobs")
    with scheduler(project) as said:
        eventually(lambda: "scheduler of" in said())
        for name in ("first", "second"):
            declare(
                project,
                name,
                f"notebook: {write(project, f'{name}.ipynb', 'print(1)')}\ncron: '* * * * * *'",
            )
        eventually(lambda: "job first: fires" in said() and "job second: fires" in said())
        # A typo while it runs.
        declare(project, "typo", "notebook: first.ipynb\nparams: {day: 2026-02-30}")
        eventually(lambda: finished(project, "first") and finished(project, "second"))
        time.sleep(2)
        lines = said().splitlines()
    for name, (_, part) in {**hostile.TEXTS, **hostile.THINGS}.items():
        (line,) = [line for line in lines if f"jobs/{name}.yaml" in line]
        assert any(option in line for option in part.split("|")), line
    assert len([line for line in lines if "jobs/typo.yaml" in line]) == 1
    assert not [line for line in lines if line.startswith("Traceback")]
    assert len([line for line in lines if "first: fires" in line]) > 2
    assert not (project.root / "hacked").exists()
    trials("hostile job files beside two jobs of every second", number, "both fired, one line each")


GARBAGE = [
    "", "[", "[]", "null", "\x00\xff", "[" * 100_000, '{"tick": 5}', '{"tick": {"when": 1, "until": 2}}',
    '{"tick": {"when": "", "until": "never"}}', '{"tick": {"when": "", "until": "2026-01-01T00:00:00"}}',
    '{"tick": {"when": "", "until": "9999-01-01T00:00:00+00:00"}}',
    '{"tick": {"when": "", "until": "0001-01-01T00:00:00+14:00"}}',
    '{"tick": {"when": "", "until": "2026-01-01T00:00:00+00:00", "more": 1}}', '{"tick": {}}', '{"tick": ' + "9" * 5000 + "}",
]  # fmt: skip


def test_a_damaged_considered_file_is_put_aside(tmp_path: Path, trials: Trials) -> None:
    """A job that it lost begins now: what was missed is neither caught up nor fired twice."""
    source = random.Random(1)
    sound = json.dumps({"tick": {"when": "@hourly UTC", "until": "2026-01-01T00:00:00+00:00"}})
    texts = [*GARBAGE]
    for _ in range(500):
        at = source.randrange(len(sound))
        texts.append(
            sound[:at]
            + source.choice(["", "{", '"', "\\", "9" * 50, "\0", "null"])
            + sound[at + 1 :]
        )
    job = declarations.Schedule(name="tick", notebook="a.ipynb", cron="@hourly", timezone="UTC")
    long_ago = time.time() - 30 * 86_400
    damaged = 0
    for number, text in enumerate(texts):
        path = tmp_path / str(number) / "considered.json"
        path.parent.mkdir()
        path.write_text(text)
        read = watermarks.Watermarks(path)
        read.begin(job, long_ago)
        last = read.last(job, datetime.now(UTC))
        if read.damaged:
            damaged += 1
            assert datetime.now(UTC) - last < timedelta(minutes=1), text
            (aside,) = path.parent.glob("considered.json.damaged-*")
            assert aside.read_text() == text
        # What it wrote is sound, whatever it read.
        assert not watermarks.Watermarks(path).damaged
    assert damaged > len(GARBAGE)
    for make in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/etc/passwd")):
        path = tmp_path / f"thing-{make!r}"[-40:].replace("/", "") / "considered.json"
        path.parent.mkdir()
        make(path)
        assert watermarks.Watermarks(path).damaged
    trials("considered.json, damaged", len(texts) + 3, "put aside, no catch-up")


def damages(path: Path, how: str) -> None:
    if how == "garbage":
        path.write_bytes(random.Random(1).randbytes(50_000))
    elif how == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "page":
        content = bytearray(path.read_bytes())
        content[5000:9000] = random.Random(1).randbytes(4000)
        path.write_bytes(content)
    elif how == "another":
        path.unlink()
        with contextlib.closing(sqlite3.connect(path)) as opened:
            for table in ("dbos_migrations", "workflow_status", "queues"):
                opened.execute(f"CREATE TABLE {table} (version TEXT)")
                opened.execute(f"INSERT INTO {table} VALUES ('x')")
            opened.commit()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "pickle":
        # The workflow that is taken up would be unpickled: that runs what it says.
        hack = base64.b64encode(pickle.dumps(Hack())).decode()
        with contextlib.closing(sqlite3.connect(path)) as opened:
            opened.execute(
                "UPDATE workflow_status SET status = 'PENDING', inputs = ?, serialization = 'py_pickle'",
                (hack,),
            )
            opened.commit()


class Hack:
    """A pickle that makes a file when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("hacked").absolute(),)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", ["garbage", "half", "page", "another", "folder", "pickle"])
def test_a_damaged_database_is_put_aside_and_nothing_fires_twice(
    how: str, project: Project, trials: Trials
) -> None:
    write(project, "tick.ipynb", "print(1)")
    path = declare(project, "tick", "notebook: tick.ipynb\ncron: 0 0 1 * *\ntimezone: UTC")
    month_ago = time.time() - 40 * 86_400
    os.utime(path, (month_ago, month_ago))
    with scheduler(project):
        eventually(lambda: finished(project, "tick"))
    assert len(ran(project, "tick")) == 1
    database = project.state / "scheduler.sqlite"
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    damages(database, how)
    if how in {"garbage", "another"}:
        # Both at once, in the worst case.
        (project.state / "jobs" / "considered.json").write_text("{")
    # And a second job, to see that it works.
    declare(project, "each", "notebook: tick.ipynb\ncron: '* * * * * *'")
    with scheduler(project) as said:
        eventually(lambda: finished(project, "each"))
        assert [*project.state.glob("scheduler.sqlite.damaged-*")], said()
        assert said().count("scheduler.sqlite") >= 1
    assert Counter(ran(project, "tick")).most_common(1)[0][1] == 1
    assert len(ran(project, "tick")) == 1, "neither fired twice nor caught up again"
    assert not (project.root / "hacked").exists()
    trials(f"scheduler.sqlite damaged: {how}", 1, "put aside, no tick twice")


def test_a_pickle_in_the_database_is_never_read(project: Project, trials: Trials) -> None:
    """What is in the table is checked before DBOS opens it."""
    from jupyter_mlops.jobs import ticks

    database = project.state / "scheduler.sqlite"
    kinds = [None, "mlops_json", "portable_json", "py_pickle", "PY_PICKLE", "", "x"]
    for kind in kinds:
        database.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(database)) as opened:
            opened.execute("CREATE TABLE operation_outputs (output TEXT, serialization TEXT)")
            opened.execute("INSERT INTO operation_outputs VALUES ('x', ?)", (kind,))
            opened.commit()
        assert bool(ticks._unusable(database)) == (kind not in kinds[:3]), kind
    trials("serialisations in scheduler.sqlite", len(kinds))


@pytest.mark.timeout(1800)
def test_what_lies_in_the_folder_of_ticks_runs_nothing(project: Project, trials: Trials) -> None:
    """Requests of an earlier version, results, locks and logs, all by somebody else."""
    write(project, "tick.ipynb", "print(1)")
    write(project, "evil.ipynb", "open('hacked', 'w').close()")
    declare(project, "tick", "notebook: tick.ipynb\ncron: '* * * * * *'")
    place = project.state / "jobs" / "ticks"
    place.mkdir(parents=True)
    precious = project.root / "precious"
    precious.write_text("x")
    now = datetime.now(UTC).replace(microsecond=0)
    number = 0
    results = [
        "",
        "[" * 50_000,
        '{"status": [1], "error": {"a": "\\u001b[31m\\n"}}',
        "\x00",
        '{"status": "finished"}',
    ]
    request = {"job": {"name": "tick", "notebook": "evil.ipynb"}, "tick": now.isoformat()}
    for seconds in range(300):
        name = f"tick@{now + timedelta(seconds=seconds):%Y-%m-%dT%H%M%SZ}"
        kind = seconds % 12
        (place / f"{name}.json").write_text(json.dumps(request))
        if kind < len(results):
            (place / f"{name}.result").write_text(results[kind])
        elif kind == 5:
            (place / f"{name}.lock").symlink_to(precious)
        elif kind == 6:
            (place / f"{name}.lock").mkdir()
        elif kind == 7:
            (place / f"{name}.log").symlink_to(precious)
        elif kind == 8:
            os.mkfifo(place / f"{name}.log")
        elif kind == 9:
            (place / f"{name}.result").symlink_to(precious)
        elif kind == 10:
            os.mkfifo(place / f"{name}.result")
        number += 1
    with scheduler(project) as said:
        eventually(lambda: len(ran(project, "tick")) >= 4)
        assert "Traceback" not in said()
        assert "it is not run again" in said()
        assert all(line.isprintable() for line in said().splitlines())
    assert not (project.root / "hacked").exists()
    assert precious.read_text() == "x"
    trials("hostile files of ticks", number, "the declared notebook ran, nothing else")


def test_a_link_in_place_of_the_folder_of_ticks_ends_the_scheduler_with_a_line(
    project: Project,
) -> None:
    (project.state / "jobs").mkdir(exist_ok=True)
    (project.state / "jobs" / "ticks").symlink_to("/tmp")
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_mlops.cli", "scheduler"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "leads through a symbolic link" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_small_file_is_read_without_trust(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text, why in (
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("[" * 50_000, "not JSON"),
        ("x" * 200, "larger"),
    ):
        path.write_text(text)
        with pytest.raises(untrusted_json.Unreadable, match=why):
            untrusted_json.json_object(path, 100 if why == "larger" else untrusted_json.LARGEST)
    with pytest.raises(untrusted_json.Unreadable, match="not there"):
        untrusted_json.json_object(tmp_path / "none.json")
    for name in ("a\0b", "a" * 5000):
        with pytest.raises(untrusted_json.Unreadable):
            untrusted_json.json_object(tmp_path / name)
