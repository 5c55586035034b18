"""The file of a project's changes, written by somebody else: the feed of the panel goes on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jupyter_mlops.server import feed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trials import Trials

_GOOD = b'{"noun": "run", "action": "added", "name": "a", "time": 1.0}'
_HOSTILE = [
    b"[" * 100_000, b'{"a":' * 100_000, b"null", b"1", b"[]", b'"x"', b"{}", b"NaN", b"\xff\xfe", b"",
    b'{"noun": 1, "action": {}, "name": [], "time": "x"}', b'{"time": 1e999, "noun": "run", "action": "a"}',
    b"1" * 5_000, b'{"noun": "\\ud800", "action": "a", "name": "", "time": 1}',
]  # fmt: skip


def test_a_hostile_line_does_not_end_the_feed(trials: Trials) -> None:
    for line in _HOSTILE:
        feed._change("", line)
    assert feed._change("", _GOOD) is not None
    trials("hostile lines in the file of changes", len(_HOSTILE), "left out, the feed goes on")


def test_the_feed_reads_neither_all_of_a_large_file_nor_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"")
    tail = feed.Tail(path)
    path.write_bytes(b"x\n" * feed.MOST_BYTES)
    assert tail.lines() == []
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(_GOOD + b"\n")
    assert tail.lines() == [_GOOD]
    path.unlink()
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        assert tail.lines() == []
    finally:
        os.close(descriptor)
