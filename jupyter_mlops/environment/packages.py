"""The environment of a run: packages, git state, random states, hardware; read in a few milliseconds."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import re
import sys
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.environment import git, git_filters

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST_PATCH = 5_000_000
_DIST_INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)\.dist-info$")


def packages() -> dict[str, str]:
    """Return the installed packages and their versions, by the names of their dist-info folders.

    Reading the folder names takes 0.6 ms for 330 packages, `importlib.metadata` 160 ms.
    """
    return dict(_packages(tuple(_with_times(sys.path))))


def _with_times(folders: list[str]) -> Iterator[tuple[str, int]]:
    """Yield each folder with its modification time, which each installation changes."""
    for folder in folders:
        with contextlib.suppress(OSError):
            yield folder, os.stat(folder or ".").st_mtime_ns  # noqa: PTH116 - at each recording


@lru_cache(maxsize=4)
def _packages(folders: tuple[tuple[str, int], ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder, _ in folders:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - ten times faster than making paths
        except OSError:
            continue
        for name in names:
            if match := _DIST_INFO.match(name):
                found.setdefault(match["name"].replace("_", "-"), match["version"])
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def pinned(*names: str) -> list[str]:
    """Return `name==version` for those of `names` that are installed."""
    present = {name.lower(): (name, version) for name, version in packages().items()}
    # The local build tag (`2.13.0+cpu`) is removed: other machines cannot install such a build.
    return [
        f"{name}=={present[name.lower()][1].partition('+')[0]}"
        for name in names
        if name.lower() in present
    ]


def git_state(root: Path) -> tuple[str, str]:
    """Return the commit (empty before the first one), and the uncommitted diff of tracked files."""
    try:
        commit = git.text(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False).strip()
        patch = git_filters.patch(root) if commit else ""
    except git.GitFailed:
        return "", ""
    return commit, patch if len(patch) <= _LARGEST_PATCH else ""


def seeds() -> dict[str, str]:
    """Return a short hash of each random generator's state, to tell whether two runs began alike."""
    states: dict[str, Any] = {"random": random.getstate()}
    if "numpy" in sys.modules:
        states["numpy"] = sys.modules["numpy"].random.get_state()
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state().numpy().tobytes()
    return {name: sha256(repr(state).encode()).hexdigest()[:16] for name, state in states.items()}


def hardware() -> dict[str, Any]:
    """Return the machine's kind, cores, memory and GPU; the GPU only if torch is loaded already."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count() or 1,
    }
    with contextlib.suppress(ValueError, OSError):
        found["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return found
