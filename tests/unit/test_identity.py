"""A note of a process never means another process."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from jupyter_mlops.processes.identity import ProcessId


def test_a_note_brings_back_the_process_that_was_noted() -> None:
    me = ProcessId.own()
    assert me.pid == os.getpid()
    assert ProcessId.noted(json.loads(json.dumps(me.note()))) == me
    both = me.note() | me.note(prefix="kernel_")
    assert ProcessId.noted(both, prefix="kernel_") == me
    assert me.here
    assert me.alive
    assert not me.ended


def test_a_reused_pid_is_another_process_and_an_ended_one_has_ended() -> None:
    me = ProcessId.own()
    assert me.start is not None
    assert replace(me, start=me.start - 1).ended
    child = subprocess.Popen(["sleep", "60"])
    found = ProcessId.of(child.pid)
    assert found.alive
    child.kill()
    child.wait()
    assert found.ended
    assert ProcessId.of(child.pid).ended


def test_of_another_machine_nothing_is_known() -> None:
    other = replace(ProcessId.own(), pid=999_999_999, host="elsewhere", where="another boot")
    assert not other.here
    assert not other.ended
    # The same host after a restart, and a note from before hosts were noted.
    assert replace(other, host=ProcessId.own().host).ended
    assert replace(other, host="").ended


@pytest.mark.parametrize(
    "note",
    [
        None, [], {}, {"pid": "1", "start": 1.0}, {"pid": True, "start": 1.0}, {"pid": 1, "start": "1"},
        {"pid": 1, "start": 1.0, "host": 3}, {"pid": 1, "start": 1.0, "where": None}, {"pid": 1, "start": 1},
    ],
)  # fmt: skip
def test_what_nobody_of_us_wrote_names_nobody(note: Any) -> None:
    assert ProcessId.noted(note) is None
