"""Changed model files by the thousand: each is refused in one line or is still a model; nothing else happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.trials import Trials

_SCRIPT = Path(__file__).with_name("mutants.py")
_ROOT = Path(__file__).parents[3]
#: What reading a small file may take beyond what the libraries take by themselves.
_GROWTH_KB = 512 * 1024


def read_mutants(format: str, seed: int, count: int, tmp_path: Path) -> dict[str, object]:
    """Return what came of it, once it is seen that no crash, payload or odd error was among it."""
    canary = tmp_path / "canary"
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), format, str(seed), str(count), str(canary)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    last = done.stdout.splitlines()[-1] if done.stdout else "nothing"
    assert done.returncode == 0, f"the process ended ({done.returncode}) at {last}"
    found: dict[str, object] = json.loads(last)
    assert found["good"], "no seed could be read, so nothing was tried"
    assert found["odd"] == []
    assert not canary.exists()
    assert int(str(found["grown_kb"])) < _GROWTH_KB
    assert int(str(found["refused"])) > count // 4
    return found


@pytest.mark.parametrize("format", ["skops", "onnx", "safetensors"])
def test_hundreds_of_changed_files_do_no_harm(format: str, tmp_path: Path, trials: Trials) -> None:
    read_mutants(format, 20, 300, tmp_path)
    trials(f"{format} files changed at random", 300, "refused in one line, or still a model")


def test_changed_pt2_files_do_no_harm(tmp_path: Path, trials: Trials) -> None:
    read_mutants("pt2", 20, 100, tmp_path)
    trials("pt2 files changed at random", 100, "refused in one line, or still a model")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "count"),
    [("skops", 5000), ("onnx", 5000), ("safetensors", 5000), ("pt2", 2000), ("boosters", 60)],
)
def test_thousands_of_changed_files_do_no_harm(
    format: str, count: int, tmp_path: Path, trials: Trials
) -> None:
    read_mutants(format, 40, count, tmp_path)
    trials(
        f"{format} files changed at random, slow", count, "refused in one line, or still a model"
    )
