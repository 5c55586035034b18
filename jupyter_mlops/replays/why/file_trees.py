"""Compares two snapshots of the project's files, and builds a snapshot from parts of both.

A file is code by its suffix, parameters if it holds settings (`params.yaml`), and data otherwise.
Notebooks, prose and the files of tools belong to no factor: no replay reads them.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jupyter_mlops.data import dvc_file
from jupyter_mlops.environment import git
from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jupyter_mlops.project import Project

_CODE = {
    ".c", ".cc", ".cpp", ".cu", ".go", ".h", ".hpp", ".java", ".jl", ".js", ".pth", ".pxd", ".py",
    ".pyi", ".pyx", ".r", ".rs", ".scala", ".sh", ".so", ".sql", ".ts",
}  # fmt: skip
_SETTINGS = {".cfg", ".conf", ".env", ".ini", ".properties", ".toml", ".yaml", ".yml"}
_SETTINGS_NAMES = ("*config*.json", "*param*.json", "*setting*.json")
_NEITHER = {".ipynb", ".lock", ".log", ".md", ".pyc", ".rst"}
_NEITHER_NAMES = (
    ".*", "LICENSE*", "Makefile", "mlops.toml", "pyproject.toml", "requirements*.txt", "setup.cfg",
)  # fmt: skip
_NEITHER_FOLDERS = {".dvc", ".github", ".ipynb_checkpoints", ".vscode", "jobs"}


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that differs between two snapshots: its path in git, its factor, (mode, blob) of each."""

    path: str
    factor: str
    before: tuple[str, str]
    after: tuple[str, str]


def factor_of(path: str) -> str:
    """Return the factor that a file belongs to; empty for one that no replay reads."""
    pure = PurePosixPath(path)
    suffix = pure.suffix.lower()
    if suffix == ".dvc":
        return "data"
    if (
        suffix in _NEITHER
        or {*pure.parts[:-1]} & _NEITHER_FOLDERS
        or (any(fnmatch(pure.name, pattern) for pattern in _NEITHER_NAMES) and suffix != ".env")
    ):
        return ""
    if suffix in _CODE:
        return "code"
    if suffix in _SETTINGS or any(fnmatch(pure.name.lower(), p) for p in _SETTINGS_NAMES):
        return "parameters"
    return "data"


def changes(project: Project, before: str, after: str) -> list[ChangedFile]:
    """Return the files that differ between two commits and belong to a factor."""
    if before == after:
        return []
    # :100644 100644 <blob> <blob> M\0path\0
    output = git.text(
        project.root, "diff-tree", "-r", "-z", "--no-renames", "--full-index", before, after
    )
    words = output.split("\0")
    found = []
    for head, path in zip(words[0::2], words[1::2], strict=False):
        mode_before, mode_after, blob_before, blob_after, _ = head.lstrip(":").split(" ")
        if factor := factor_of(path):
            one, other = (mode_before, blob_before), (mode_after, blob_after)
            found.append(ChangedFile(path, factor, one, other))
    return found


def files(project: Project, commit: str) -> list[str]:
    """Return the paths of all files of a commit."""
    if not commit:
        return []
    output = git.text(project.root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
    return output.split("\0")[:-1]


def mixed(project: Project, commit: str, entries: Iterable[tuple[str, tuple[str, str]]]) -> str:
    """Return a copy of `commit` with these entries (path, (mode, blob)); no ref points to it."""
    lines = [f"{mode.lstrip('0') or '0'} {blob}\t{path}" for path, (mode, blob) in entries]
    if not lines:
        return commit
    index = project.state / f"explain-{os.getpid()}-{secrets.token_hex(3)}.index"
    own = {"GIT_INDEX_FILE": str(index)}
    try:
        git.text(project.root, "read-tree", commit, environment=own)
        git.text(
            project.root, "update-index", "-z", "--index-info",
            give="\0".join(lines) + "\0", environment=own,
        )  # fmt: skip
        tree = git.text(project.root, "write-tree", environment=own).strip()
    finally:
        for leftover in (index, index.with_name(f"{index.name}.lock")):
            leftover.unlink(missing_ok=True)
    return git.text(project.root, "commit-tree", tree, "-m", "mlops run why").strip()


def tree_of(project: Project, commit: str) -> str:
    """Return the id of a commit's tree."""
    return git.text(project.root, "rev-parse", f"{commit}^{{tree}}").strip()


def version_in(project: Project, commit: str, path: str) -> str:
    """Return DVC's version of a file in a commit, or of the file that its `.dvc` names; else empty."""
    if not commit:
        return ""
    pointer = _read(project, commit, f"{path}.dvc")
    if pointer is not None:
        with suppress(MlopsError):  # not a valid `.dvc` file: the content itself counts
            return dvc_file.version_in(pointer, f"{path}.dvc")
    content = _read(project, commit, path)
    return hashlib.md5(content, usedforsecurity=False).hexdigest() if content is not None else ""


def _read(project: Project, commit: str, path: str) -> bytes | None:
    name = f"{commit}:{path}"
    kind = git.text(project.root, "cat-file", "-t", name, check=False).strip()
    if kind != "blob":
        return None
    return os.fsencode(git.text(project.root, "cat-file", "blob", name))
