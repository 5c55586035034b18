"""The wheel carries the built panel, so that nobody who installs it needs Node."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_installs_the_panel_and_the_server_extension(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "uv",
        "build",
        "--quiet",
        "--wheel",
        "--no-build-isolation",
        "--out-dir",
    ]
    subprocess.run([*command, str(tmp_path)], cwd=ROOT, check=True, timeout=600)
    (wheel,) = tmp_path.glob("jupyter_mlops-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    data = f"{wheel.name.rsplit('-', 3)[0]}.data/data"
    panel = f"{data}/share/jupyter/labextensions/jupyter-mlops"
    assert f"{panel}/package.json" in names
    assert any(name.startswith(f"{panel}/static/remoteEntry.") for name in names)
    assert f"{data}/etc/jupyter/jupyter_server_config.d/jupyter_mlops.json" in names
    assert any(name.startswith("jupyter_mlops/services/template/") for name in names)
    assert not [
        name for name in names if name.startswith(("tests/", "labextension/", "notebooks/"))
    ]
    clean = tmp_path / "clean"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(clean)], check=True)
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python"]
    subprocess.run([*install, str(clean / "bin/python"), str(wheel)], check=True)
    assert (clean / "share/jupyter/labextensions/jupyter-mlops/package.json").is_file()
    program = "import jupyter_mlops; print(jupyter_mlops.__version__)"
    done = subprocess.run(
        [clean / "bin/python", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in wheel.name
