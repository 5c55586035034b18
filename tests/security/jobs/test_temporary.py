"""Temporary folders lie where everybody may write: what a killed process left goes, nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import temporary
from jupyter_mlops.processes.identity import process_start, where

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trials import Trials

HERE = where()
DEAD = {"pid": 999_999_999, "start": 1.0, "where": HERE}


def left(home: Path, name: str, note: Any = None, mode: int = 0o700) -> Path:
    """Make a folder as a killed process left it."""
    folder = home / f"mlops-{name}"
    folder.mkdir()
    (folder / "content").write_text("x")
    text = note if isinstance(note, (str, bytes)) else json.dumps(DEAD if note is None else note)
    (folder / temporary.NOTE).write_bytes(text if isinstance(text, bytes) else text.encode())
    folder.chmod(mode)
    return folder


def test_a_folder_is_private_names_its_owner_and_goes_at_the_end(tmp_path: Path) -> None:
    with temporary.folder(tmp_path) as folder:
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        assert [*folder.iterdir()] == [], "the note does not stand among the files"
        note = json.loads((folder.parent / temporary.NOTE).read_text())
        assert (note["pid"], note["start"]) == (os.getpid(), process_start(os.getpid()))
        temporary.sweep(tmp_path, at_once=True)
        assert folder.is_dir(), "its owner lives"
    assert [*tmp_path.iterdir()] == []


def test_the_next_process_removes_what_killed_ones_left(tmp_path: Path, trials: Trials) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom jupyter_mlops import temporary\n"
        "with temporary.folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'deep').mkdir()\n    (folder / 'deep' / 'file').write_text('x')\n    os.kill(os.getpid(), 9)"
    )
    for _ in range(10):
        assert (
            subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode
            == -9
        )
    # Each removes what the ones before it left.
    assert len([*tmp_path.iterdir()]) == 1
    temporary.sweep(tmp_path, at_once=True)
    assert [*tmp_path.iterdir()] == []
    trials("kill -9 with a temporary folder open", 10, "the next removed it")


def test_nothing_else_is_removed(tmp_path: Path, trials: Trials) -> None:
    home, precious = tmp_path / "tmp", tmp_path / "precious"
    home.mkdir()
    precious.mkdir()
    (precious / "file").write_text("x")
    (precious / temporary.NOTE).write_text(json.dumps(DEAD))
    precious.chmod(0o700)

    me = {"pid": os.getpid(), "start": process_start(os.getpid()), "where": HERE}
    kept = [
        left(home, "aaaaaaa0", me),
        left(home, "aaaaaaa1", mode=0o755),  # open to others: they may have made it
        left(home, "aaaaaaa2", mode=0o770),
        left(home, "aaaaaaa3", {**DEAD, "where": "another boot pid:[1]"}),  # perhaps a container's
        left(home, "aaaaaaa4", {**DEAD, "pid": "1"}),
        left(home, "aaaaaaa5", {**DEAD, "pid": True}),
        left(home, "aaaaaaa6", {**DEAD, "start": None}),
        left(home, "aaaaaaa7", []),
        left(home, "aaaaaaa8", "[" * 100_000),
        left(home, "aaaaaaa9", b"\xff\x00"),
        left(home, "aaaaaab0", ""),
        left(home, "aaaaaab1", '{"pid": ' + "9" * 4999 + "}"),
        left(home, "too-short"),
        left(home, "aaaaaab2-and-more"),
        home / "mlops-aaaaaab3",  # a link to a folder that looks abandoned
        home / "mlops-aaaaaab4",  # a file
        home / "mlops-aaaaaab5",  # a pipe
        left(home, "aaaaaab6"),  # its note is a link
        left(home, "aaaaaab7"),  # its note is a pipe
        left(home, "aaaaaab8"),  # it has no note
    ]
    (home / "mlops-aaaaaab3").symlink_to(precious)
    (home / "mlops-aaaaaab4").write_text("x")
    os.mkfifo(home / "mlops-aaaaaab5")
    for folder in kept[-3:]:
        (folder / temporary.NOTE).unlink()
    (kept[-3] / temporary.NOTE).symlink_to(precious / temporary.NOTE)
    os.mkfifo(kept[-2] / temporary.NOTE)
    if os.getuid() == 0:
        another = left(home, "aaaaaac0")
        os.chown(another, 65534, 65534)
        kept.append(another)

    goes = left(home, "bbbbbbb0")
    (goes / "link").symlink_to(precious)
    (goes / "file").symlink_to(precious / "file")
    old = left(home, "bbbbbbb1", {**DEAD, "where": "another boot pid:[1]"})
    os.utime(old, (time.time() - 8 * 86_400,) * 2)

    temporary.sweep(home, at_once=True)
    assert [path.name for path in kept if not os.path.lexists(path)] == []
    assert not goes.exists()
    assert not old.exists()
    assert (precious / "file").read_text() == "x", "what a link led to is still there"
    trials("temporary folders that look abandoned and are not ours", len(kept), "none was removed")


def test_no_part_makes_a_temporary_folder_of_its_own() -> None:
    """One name and one owner for all of them: `tempfile` is called in `temporary.py` only.

    The readers of model files are copied into each Bento and stand alone.
    """
    import jupyter_mlops

    root = next(iter(map(str, jupyter_mlops.__path__)))
    found = subprocess.run(
        ["grep", "-rlE", r"mkdtemp|TemporaryDirectory|mkstemp|NamedTemporaryFile", root, "--include=*.py"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    callers = {line.removeprefix(f"{root}/") for line in found.stdout.split()}
    assert {path for path in callers if not path.startswith("model_files/")} == {"temporary.py"}


def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space"), temporary.folder(tmp_path):
        raise AssertionError
    assert [*tmp_path.iterdir()] == []
