"""`make demo`: the tour runs as a job, and every noun lists what it did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo once; return its folder and what it printed."""
    folder = tmp_path_factory.mktemp("tour") / "demo"
    done = subprocess.run(
        [sys.executable, str(ROOT / "notebooks" / "demo.py"), str(folder)], capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stdout


def _listed(folder: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "jupyter_mlops.cli", *words, "--json"]
    return json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)


def test_the_summary_names_every_noun(demo: tuple[Path, str]) -> None:
    for word in ("run", "data", "sweep", "job", "service", "drift"):
        assert f"\n  {word} " in demo[1]
    assert "make lab" in demo[1]


def test_every_noun_lists_what_the_tour_did(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    runs = _listed(folder, "run", "list")
    by_name = {run["name"]: run for run in runs}
    assert {"baseline", "forest", "digits", "candidate"} <= set(by_name)
    assert by_name["forest"]["metrics"]["accuracy"] > 0.9
    assert by_name["digits"]["metrics"]["accuracy"] > 0.9
    (use,) = by_name["forest"]["data"]
    (data,) = _listed(folder, "data", "list")
    assert (data["path"], data["version"], data["status"]) == (use["path"], use["version"], "ok")
    assert {run["status"] for run in runs} == {"finished"}
    jobs = {job["name"]: job for job in _listed(folder, "job", "list")}
    assert jobs["train"]["cron"] == "0 6 * * *"
    services = {item["name"]: item for item in _listed(folder, "service", "list")}
    assert set(services) == {"screening", "digits"}
    assert all(
        item["parity"]["equal"] and item["status"] == "stopped" for item in services.values()
    )
    (check,) = _listed(folder, "drift", "history")
    assert (check["service"], check["verdict"]) == ("screening", "drift")
    (model,) = _listed(folder, "model", "list")
    assert (model["name"], model["aliases"]) == ("forest", ["champion"])


def test_the_executed_tour_shows_drift_as_our_type_html_and_text(demo: tuple[Path, str]) -> None:
    (path,) = (demo[0] / ".mlops" / "jobs").glob("*/00-tour.ipynb")
    outputs = [
        output["data"]
        for cell in json.loads(path.read_text())["cells"]
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    drift = next(item for item in outputs if "application/vnd.jupyter-mlops.drift+json" in item)
    assert {"text/html", "text/plain"} <= set(drift)
    assert len(json.dumps(drift)) < 100_000
