"""What another process changes is told to whoever listens."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from jupyter_mlops.project import Project
from jupyter_mlops.server.feed import Tail
from jupyter_mlops.server.records import CHANGE_SCHEMA


@asynccontextmanager
async def listening(jp_ws_fetch):
    """The next change that a panel would hear."""
    socket = await jp_ws_fetch("api", "events", "subscribe")

    async def next_change():
        while True:
            event = json.loads(await asyncio.wait_for(socket.read_message(), timeout=300))
            if event["schema_id"] == CHANGE_SCHEMA:
                return {key: event[key] for key in ("project", "noun", "action", "name")}

    try:
        yield next_change
    finally:
        socket.close()


async def test_a_change_of_a_project_that_was_asked_for_is_told(ask, jp_ws_fetch, project_folder):
    async with listening(jp_ws_fetch) as heard:
        await ask("status", path="team/screening")
        Project.find(project_folder).announce("run", "finished", "forest")
        assert await heard() == {
            "project": "team/screening",
            "noun": "run",
            "action": "finished",
            "name": "forest",
        }


async def test_a_line_that_is_no_change_is_passed_over(ask, jp_ws_fetch, project_folder):
    async with listening(jp_ws_fetch) as heard:
        await ask("status", path="team/screening")
        project = Project.find(project_folder)
        project.state.mkdir(exist_ok=True)
        project.events.write_text('not json\n[]\n{"noun": 3}\n{"unknown": "field"}\n')
        project.announce("data", "added", "train.parquet")
        assert (await heard())["noun"] == "data"


async def test_a_folder_that_becomes_a_project_is_told(ask, jp_ws_fetch, jp_root_dir):
    async with listening(jp_ws_fetch) as heard:
        status, _ = await ask("status", path="new/notebooks")
        assert status == 404
        (jp_root_dir / "new").mkdir()
        (jp_root_dir / "new" / "mlops.toml").write_text('[project]\nname = "new"\n')
        assert await heard() == {
            "project": "new",
            "noun": "project",
            "action": "initialised",
            "name": "new",
        }


def test_a_tail_reads_whole_lines_from_where_it_began(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_text("old\n")
    tail = Tail(file)
    assert tail.lines() == []
    with file.open("a") as writer:
        writer.write("one\ntw")
        writer.flush()
        assert tail.lines() == [b"one"]
        writer.write("o\n")
    assert tail.lines() == [b"two"]


def test_a_tail_starts_again_when_the_file_is_replaced(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_text("a long line that was there before\n")
    tail = Tail(file)
    (tmp_path / "fresh").write_text("new\n")
    (tmp_path / "fresh").replace(file)
    assert tail.lines() == [b"new"]
    file.unlink()
    assert tail.lines() == []
