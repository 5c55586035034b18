"""Each benchmark of `make bench` still runs, and compares ours with the peer in one run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import bench

pytestmark = pytest.mark.slow

SCRIPTS = sorted(Path(bench.__file__).parent.glob("bench_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_measures_ours_and_the_peer(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    measures = bench.as_list(json.loads(done.stdout))
    assert measures
    for measure in measures:
        assert measure["ours"] >= 0
        assert measure["peer_name"]
        assert measure["title"] in bench.line(measure)
