"""Turns deep mode on: compiles the shim, and starts kernels with it.

The loader reads LD_PRELOAD only when a process starts. So a notebook gets the shim from a separate
kernel in the launcher, and a job's kernel gets it from its environment.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import files, temporary
from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.runs.capture import deep as shim

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

KERNEL = "mlops-deep"
_TITLE = "Python 3 (deep lineage)"
#: The variable by which a process finds the notes of its kernel; a new kernel must not inherit it.
CHANNEL = "MLOPS_LINEAGE_CHANNEL"
_SOURCE = Path(__file__).with_name("deep.c")
_PROBE = "import ctypes, sys; sys.exit(not hasattr(ctypes.CDLL(None), 'mlops_lineage_begin'))"
_COMPILER = (
    "Install one (Debian: apt-get install gcc libc6-dev; conda: conda install c-compiler), "
    "or name yours in CC"
)


def deep(state: str) -> str:
    """Add a kernel with deep lineage to JupyterLab's launcher, or remove it.

    Raises:
        MlopsError: not on Linux, or there is no compiler here.
    """
    if state == "off":
        removed = [folder for folder in _homes() if (folder / "kernel.json").exists()]
        for folder in removed:
            shutil.rmtree(folder)
        return (
            f"The kernel '{_TITLE}' is removed; restart those that still run"
            if removed
            else f"There is no kernel '{_TITLE}'"
        )
    _install()
    if shim.library() is not None:
        return "This kernel has deep lineage"
    return (
        f"Choose '{_TITLE}' under Kernel > Change Kernel…; "
        "for jobs, write into mlops.toml, under [lineage]: deep = true"
    )


def compiled(folder: Path) -> Path:
    """Return the path of the shim in `folder`; compile it if it is missing.

    Raises:
        MlopsError: not on Linux, there is no compiler, or the compiled shim does not load here.
    """
    if not sys.platform.startswith("linux"):
        raise MlopsError("Deep lineage works on Linux only", "Record without it")
    source = _SOURCE.read_bytes()
    version = sha256(source + platform.machine().encode()).hexdigest()[:12]
    target = folder / f"lineage-{version}.so"
    if target.exists():
        return target
    compiler = os.environ.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), "")
    if not compiler:
        raise MlopsError("Deep lineage needs a C compiler, and there is none here", _COMPILER)
    folder.mkdir(parents=True, exist_ok=True)
    with temporary.folder(folder) as private:
        fresh = private / target.name
        _compile(compiler, fresh)
        fresh.replace(target)
    return target


def environment(project: Project) -> dict[str, str]:
    """Return the variables that start a kernel with the shim; empty if there is no shim.

    The run then says that deep mode is off, and `doctor` says why.
    """
    try:
        return _preload(compiled(project.state / "lineage"))
    except MlopsError:
        return {}


def _compile(compiler: str, target: Path) -> None:
    # Fortified headers define `open` themselves.
    options = ["-O2", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-fvisibility=hidden"]
    try:
        subprocess.run(
            [*compiler.split(), *options, "-o", str(target), str(_SOURCE), "-ldl"],
            capture_output=True,
            check=True,
            text=True,
        )
    except FileNotFoundError:
        raise MlopsError(f"CC names a compiler that is not here: {compiler}", _COMPILER) from None
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line] or [
            "no reason given"
        ]
        raise BackendFailed(f"The lineage shim does not compile: {lines[0]}", _COMPILER) from None
    probe = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PROBE],
        env=os.environ | _preload(target),
        capture_output=True,
        check=False,
    )
    if probe.returncode:
        raise BackendFailed(
            "The lineage shim compiles, but this system does not load it",
            f"Is {target.parent.parent} on a disk that may hold programs (no noexec)?",
        )


def _preload(shim: Path) -> dict[str, str]:
    others = [path for path in os.environ.get("LD_PRELOAD", "").split(":") if path]
    kept = [path for path in others if not Path(path).name.startswith("lineage-")]
    return {"LD_PRELOAD": ":".join([str(shim), *kept])}


def _install() -> Path:
    """Install the kernel in this environment, else for the user; return its folder."""
    from ipykernel.kernelspec import get_kernel_dict

    for home in _homes():
        try:
            shim = compiled(home)
            spec = get_kernel_dict() | {"display_name": _TITLE, "env": _preload(shim)}
            files.replace(home / "kernel.json", json.dumps(spec, indent=1))
        except OSError:
            continue
        return home
    raise MlopsError(f"No folder for kernels is writable: {_homes()[-1]}")


def _homes() -> list[Path]:
    from jupyter_core.paths import jupyter_data_dir

    places = (Path(sys.prefix, "share", "jupyter"), Path(jupyter_data_dir()))
    return [place / "kernels" / KERNEL for place in places]
