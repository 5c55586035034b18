"""The `.dvc` files of a project: what git keeps of a version, in DVC's own words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from jupyter_mlops import files
from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.data.records import DataVersion
    from jupyter_mlops.project import Project

_SKIP = {
    ".git", ".dvc", ".mlops", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints",
}  # fmt: skip


def files_of(project: Project) -> Iterator[Path]:
    """Give the project's `.dvc` files, sorted."""

    def walk(folder: Path) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                # A folder that is itself versioned holds data, perhaps 20,000 files of it.
                if entry.name not in _SKIP and not entry.with_name(f"{entry.name}.dvc").exists():
                    yield from walk(entry)
            elif entry.suffix == ".dvc" and entry.is_file():
                yield entry

    return walk(project.root)


def target_of(file: Path) -> Path:
    """Return the file or folder whose version a `.dvc` file names."""
    return file.with_name(str(read(file)["path"]))


def read(file: Path) -> dict[str, Any]:
    """Return what a `.dvc` file says of its one output: its `md5`, `path` and `size`.

    Raises:
        MlopsError: it is not such a file.
    """
    try:
        outs = yaml.safe_load(file.read_text())["outs"]
        entry: dict[str, Any] = outs[0]
        entry["md5"], entry["path"]
    except (yaml.YAMLError, KeyError, TypeError, IndexError, UnicodeDecodeError):
        raise MlopsError(
            f"{file} is not a version file DVC could have written",
            "Restore it: git checkout -- that file",
        ) from None
    return entry


def write(target: Path, found: DataVersion, head: dict[str, Any] | None = None) -> None:
    """Write the `.dvc` file; `head` says where the content came from."""
    file = target.with_name(f"{target.name}.dvc")
    content: dict[str, Any] = {}
    if file.exists():
        known = read(file)
        content = yaml.safe_load(file.read_text())
        if head is None and known["md5"] != found.version:
            # What was changed here is no longer what came from there.
            content = {k: v for k, v in content.items() if k not in {"md5", "frozen", "deps"}}
    entry: dict[str, Any] = {"md5": found.version, "size": found.size}
    if found.version.endswith(".dir"):
        entry["nfiles"] = found.files
    entry |= {"hash": "md5", "path": target.name}
    kept = {
        k: v for k, v in (content.get("outs") or [{}])[0].items() if k not in {*entry, "nfiles"}
    }
    content = {k: v for k, v in content.items() if k != "outs"} | (head or {})
    content["outs"] = [entry | kept]
    files.replace(file, yaml.safe_dump(content, sort_keys=False))


def ignore_in_git(target: Path) -> None:
    """Let git ignore the file or folder itself."""
    file = target.parent / ".gitignore"
    present = file.read_text() if file.exists() else ""
    line = f"/{target.name}"
    if line not in present.splitlines():
        files.replace(file, f"{present.rstrip()}\n{line}\n".lstrip("\n"))


def origin(target: Path) -> str:
    """Return the URL or path that a file came from; empty for what was made here."""
    file = target.with_name(f"{target.name}.dvc")
    content = yaml.safe_load(file.read_text()) if file.is_file() else {}
    return str((content.get("deps") or [{}])[0].get("path", ""))
