"""Binder's own tool reads our folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_repo2docker_renders_the_image(tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("jupyter-repo2docker")),
        "--no-build",
        "--debug",
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    rendered = done.stdout + done.stderr
    assert "RUN ./binder/postBuild" in rendered
    assert "binder/start" in rendered
