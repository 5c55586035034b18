"""The table of readers on the page beside the code: each row is a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import trust
from jupyter_mlops.runs.capture import deep_setup
from tests.integration.runs import readers

if TYPE_CHECKING:
    from collections.abc import Callable

_PROGRAM = Path(__file__).with_name("readers.py")
ROWS = readers.rows()


@pytest.fixture(scope="session")
def tried(
    _template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], dict[str, Any]]:
    """Make every call of the table, in two processes at once, and give what was seen of each."""
    place = tmp_path_factory.mktemp("readers")
    started = [
        _start(_template, place / "plain", "default,refused", {}),
        _start(_template, place / "deep", "deep", deep_setup._preload(deep_setup.compiled(place))),
    ]
    found: dict[str, Any] = {}
    for process in started:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
    for name in ("plain", "deep"):
        found |= json.loads((place / f"{name}.json").read_text())
    return lambda mode, reader: found[mode][reader]


def _start(template: Path, root: Path, modes: str, more: dict[str, str]) -> subprocess.Popen[str]:
    subprocess.run(["cp", "-r", str(template), str(root)], check=True)
    trust.grant(root, "init")
    return subprocess.Popen(
        [sys.executable, str(_PROGRAM), str(root), modes, f"{root}.json"],
        env=os.environ | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_page_has_a_row_for_every_reader() -> None:
    section = readers.TABLE.read_text().partition("## The readers")[2]
    listed = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(listed) - 2 == len(ROWS) >= 64  # the head, and the line below it


@pytest.mark.parametrize("reader", ROWS)
def test_a_file_read_by_this_reader_is_an_input(
    tried: Callable[[str, str], dict[str, Any]], reader: str
) -> None:
    found = tried("default", reader)
    assert found["error"] == ""
    assert found["expected"]
    # A machine that refuses fanotify says so in each run, and only Python's own readers are seen.
    unseen = "not seen" in found["told"] and ROWS[reader][1] == "fanotify"
    assert found["inputs"] == ([] if unseen else found["expected"])
    assert found["outputs"] == []


@pytest.mark.parametrize("reader", ROWS)
def test_where_fanotify_is_refused_only_the_rows_that_python_sees_are_seen(
    tried: Callable[[str, str], dict[str, Any]], reader: str
) -> None:
    found = tried("refused", reader)
    assert found["told"] == (
        "Python; native readers (pyarrow, polars, duckdb, h5py, …) and child processes are not seen "
        "here (Operation not permitted). Type: %mlops deep on"
    )
    assert found["inputs"] == (found["expected"] if ROWS[reader][1] == "Python" else [])


@pytest.mark.parametrize("reader", ROWS)
def test_in_deep_mode_this_reader_is_seen_without_fanotify(
    tried: Callable[[str, str], dict[str, Any]], reader: str
) -> None:
    found = tried("deep", reader)
    assert ROWS[reader][2] == "yes"
    assert (found["error"], found["told"]) == ("", "Python, deep")
    assert (found["inputs"], found["outputs"]) == (found["expected"], [])


def test_the_totals_are_those_that_the_page_tells(
    tried: Callable[[str, str], dict[str, Any]],
) -> None:
    seen = {
        mode: sum(tried(mode, name)["inputs"] == tried(mode, name)["expected"] for name in ROWS)
        for mode in ("default", "refused", "deep")
    }
    print(f"of {len(ROWS)} readers: {seen}")
    refused = "not seen" in tried("default", "open")["told"]
    page = readers.TABLE.read_text()
    by_python = sum(layer == "Python" for _, layer, _ in ROWS.values())
    assert seen == {
        "default": by_python if refused else len(ROWS),
        "refused": by_python,
        "deep": len(ROWS),
    }
    assert f"{len(ROWS)} of {len(ROWS)} with fanotify" in page
    assert f"{by_python} of {len(ROWS)} where it is refused" in page
    assert f"{len(ROWS)} of {len(ROWS)} in deep mode" in page
