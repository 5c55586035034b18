"""The record of trust: by real path and owner, outside of every project, whole whatever happens."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import trust

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trials import Trials


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a record of its own."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setattr(trust, "_this_process", set())
    return tmp_path / "jupyter" / "jupyter_mlops"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def test_by_the_real_path(folder: Path, tmp_path: Path) -> None:
    trust.grant(folder, "trust")
    (tmp_path / "link").symlink_to(folder)
    assert trust.is_trusted(tmp_path / "link")
    folder.rename(tmp_path / "elsewhere")
    assert not trust.is_trusted(tmp_path / "elsewhere")
    assert not trust.is_trusted(folder)
    assert not trust.is_trusted(tmp_path / "link")


def test_neither_parents_nor_children(folder: Path) -> None:
    trust.grant(folder, "trust")
    (folder / "sub").mkdir()
    assert not trust.is_trusted(folder / "sub")
    assert not trust.is_trusted(folder.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_not_when_the_folder_is_now_somebody_elses(folder: Path) -> None:
    trust.grant(folder, "trust")
    os.chown(folder, 12345, -1)
    assert not trust.is_trusted(folder)


def test_a_link_that_turns_to_another_folder_takes_no_trust_along(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    link = tmp_path / "link"
    link.symlink_to(folder)
    trust.grant(link, "trust")
    link.unlink()
    link.symlink_to(tmp_path / "other")
    assert not trust.is_trusted(link)


def test_a_replays_copy_is_trusted_with_its_project(folder: Path) -> None:
    top = folder / ".mlops" / "reproduce" / "x"
    (top / "sub").mkdir(parents=True)
    top.with_name("x.json").write_text('{"root": "sub"}')
    assert not trust.is_trusted(top / "sub")
    trust.grant(folder, "trust")
    assert trust.is_trusted(top / "sub")
    assert not trust.is_trusted(top)


@pytest.mark.parametrize("note", [None, "", "[]", "{}", '{"root": 1}', '{"root": "other"}'])
def test_nothing_else_in_the_state_of_a_trusted_project_is_trusted(
    folder: Path, note: str | None
) -> None:
    """A run's artifact or an imported service may be somebody else's project."""
    trust.grant(folder, "trust")
    state = folder / ".mlops"
    for inside in (
        "artifacts/1/2/artifacts/theirs",
        "bentoml/x",
        "reproduce/x",
        "reproduce/x/vendor",
    ):
        (state / inside).mkdir(parents=True, exist_ok=True)
        if note is not None and inside == "reproduce/x":
            (state / "reproduce" / "x.json").write_text(note)
        assert not trust.is_trusted(state / inside), inside
    assert not trust.is_trusted(state)
    assert not trust.is_trusted(state / "reproduce")


def test_taken_back(folder: Path) -> None:
    trust.grant(folder, "trust")
    assert trust.withdraw(folder)
    assert not trust.is_trusted(folder)
    assert not trust.withdraw(folder)


def test_private(folder: Path, data_folder: Path) -> None:
    trust.grant(folder, "trust")
    record = data_folder / "trusted.json"
    assert record.stat().st_mode & 0o777 == 0o600
    assert json.loads(record.read_text())["projects"][str(folder)]["how"] == "trust"
    record.chmod(0o666)  # now anybody could have written it
    assert not trust.is_trusted(folder)


def test_a_damaged_record_says_no_and_is_written_anew(
    folder: Path, data_folder: Path, trials: Trials
) -> None:
    trust.grant(folder, "trust")
    record = data_folder / "trusted.json"
    whole = record.read_bytes()
    chosen = random.Random(7)
    other = folder.parent / "never"
    other.mkdir()
    spoilt = [b"", b"null", b"[]", b"{}", b'{"projects": []}', b"[" * 100_000, b"\xff\xfe\0"]
    for _ in range(1000):
        changed = bytearray(whole)
        for _ in range(chosen.randint(1, 8)):
            changed[chosen.randrange(len(changed))] = chosen.randrange(256)
        spoilt.append(bytes(changed[: chosen.randint(1, len(changed))]))
    for number, content in enumerate(spoilt):
        record.write_bytes(content)
        os.utime(record, ns=(number, number))
        assert not trust.is_trusted(other)
        trust.is_trusted(folder)
    record.write_bytes(spoilt[-1])
    trust.grant(folder, "trust")
    assert trust.is_trusted(folder)
    trials("damaged record of trust", len(spoilt), "never a yes that was not given")


def test_what_cannot_be_written_holds_for_this_process(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "file"))
    trust.grant(folder, "init")
    assert trust.is_trusted(folder)
    assert "for this process only" in capsys.readouterr().err


def _grant(folder: Path) -> None:
    trust.grant(folder, "trust")


def test_eight_at_once_lose_nothing(tmp_path: Path, trials: Trials) -> None:
    folders = [tmp_path / f"p{number}" for number in range(40)]
    for each in folders:
        each.mkdir()
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        pool.map(_grant, folders)
    assert all(trust.is_trusted(each) for each in folders)
    trials("projects trusted by 8 processes at once", len(folders), "all kept")
