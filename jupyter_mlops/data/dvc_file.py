"""The `.dvc` files of a project: git stores them in place of the data.

They come with the repository, so another person may have written them. A file that DVC would not write is
refused, and the path in it is checked before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from jupyter_mlops import files, guarded, safe_yaml
from jupyter_mlops.data import versions
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.paths import ThroughALink, UnsafePath, below, is_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_mlops.data.records import DataVersion
    from jupyter_mlops.project import Project

_SKIP = {
    ".git", ".dvc", ".mlops", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints",
}  # fmt: skip
#: State folders: data must not replace their content.
_STATE = {".dvc", ".mlops"}
_LARGEST = 4_000_000
_LARGEST_SIZE = 1 << 63


@dataclass(frozen=True, slots=True)
class Pointer:
    """Content of a `.dvc` file: the version of the file or folder `target`, and its `origin`, if any."""

    file: Path
    target: Path
    version: str
    size: int = 0
    files: int = 1
    origin: str = ""


def files_of(project: Project) -> Iterator[Path]:
    """Yield the project's `.dvc` files, sorted, and folders or links with such a name."""
    waiting = [project.root]
    while waiting:
        entry = waiting.pop()
        if entry.suffix == ".dvc" and entry != project.root:
            yield entry
        try:
            if is_link(entry) or not entry.is_dir():
                continue
            # A versioned folder holds data, perhaps 20,000 files, and no `.dvc` files.
            waiting += [
                item
                for item in sorted(entry.iterdir(), reverse=True)
                if item.suffix == ".dvc"
                or (
                    item.is_dir()
                    and item.name not in _SKIP
                    and not item.with_name(f"{item.name}.dvc").is_file()
                )
            ]
        except OSError:
            continue  # no permission, or nested so deeply that the path is too long


def read(file: Path, project: Project) -> Pointer:
    """Return the content of a `.dvc` file with one output.

    Raises:
        MlopsError: it is not a `.dvc` file, or names no version.
        UnsafePath: its path leads out of its folder.
    """
    name = project.relative(file)
    content = _content(file, name)
    output = content["outs"][0]
    # The file itself may be DVC's link to its cache; a linked parent folder leads elsewhere.
    target = below(file.parent, output["path"], source=name, link=True)
    if not _STATE.isdisjoint(part.casefold() for part in target.relative_to(project.root).parts):
        raise UnsafePath(output["path"], "is in the project's own state folder", name)
    size, count = output.get("size", 0), output.get("nfiles", 1)
    for number in (size, count):
        if type(number) is not int or not 0 <= number < _LARGEST_SIZE:
            raise _not_dvcs(name, "its size is not a valid number")
    return Pointer(
        file, target, versions.checked(output["md5"], name), size, count, _origin(content)
    )


def version_in(content: bytes, name: str) -> str:
    """Return the version in the content of a `.dvc` file.

    Raises:
        MlopsError: it is not a `.dvc` file, or names no version.
    """
    return versions.checked(_parsed(content, name)["outs"][0]["md5"], name)


def write(
    target: Path, found: DataVersion, project: Project, head: dict[str, Any] | None = None
) -> None:
    """Write the `.dvc` file of `target`; `head` is its origin, for data from elsewhere."""
    file = target.with_name(f"{target.name}.dvc")
    content: dict[str, Any] = {}
    if file.exists():
        known = read(file, project)
        content = _content(file, project.relative(file))
        if head is None and known.version != found.version:
            # The content was changed here, so its origin no longer applies.
            content = {k: v for k, v in content.items() if k not in {"md5", "frozen", "deps"}}
    entry: dict[str, Any] = {"md5": found.version, "size": found.size}
    if found.version.endswith(".dir"):
        entry["nfiles"] = found.files
    entry |= {"hash": "md5", "path": target.name}
    other_keys = {
        k: v for k, v in (content.get("outs") or [{}])[0].items() if k not in {*entry, "nfiles"}
    }
    content = {k: v for k, v in content.items() if k != "outs"} | (head or {})
    content["outs"] = [entry | other_keys]
    guarded.replace(yaml.safe_dump(content, sort_keys=False).encode(), *_place(file, project))


def ignore_in_git(target: Path, project: Project) -> None:
    """Add the file or folder to `.gitignore`."""
    file = target.parent / ".gitignore"
    if is_link(file):
        # git does not follow this link; we would copy its target into the repository.
        raise MlopsError(f"{file} is a symbolic link", "Replace it with a file, then add again")
    try:
        content = guarded.content(*_place(file, project), most=_LARGEST)
        present = content.decode(errors="surrogateescape")
    except FileNotFoundError:
        present = ""
    except OSError as error:
        raise MlopsError(f"{file} cannot be read: {error.strerror}", "Correct the file") from None
    line = f"/{target.name}"
    if line not in present.splitlines():
        text = f"{present.rstrip()}\n{line}\n".lstrip("\n")
        guarded.replace(text.encode(errors="surrogateescape"), *_place(file, project))


def _place(file: Path, project: Project) -> tuple[Path, Path]:
    """Return the project's root and a file in it; the user may name the file through links that stay in the project."""
    root, place = project.root.resolve(), file.parent.resolve() / file.name
    if not place.is_relative_to(root):
        raise ThroughALink(project.relative(file))
    return root, place


def _content(file: Path, name: str) -> dict[str, Any]:
    try:
        content = files.content(file, most=_LARGEST)
    except OSError as error:
        raise _not_dvcs(name, f"{error.strerror or error}".lower()) from None
    return _parsed(content, name)


def _parsed(content: bytes, name: str) -> dict[str, Any]:
    """Return a parsed `.dvc` file; its first output has a version and a path."""
    try:
        found: dict[str, Any] = safe_yaml.load(content.decode())
        output = found["outs"][0]
        output["md5"], output["path"], output.keys()
    except (ValueError, LookupError, TypeError, AttributeError):
        raise _not_dvcs(name) from None
    if found.get("wdir", ".") not in (".", "./"):
        raise _not_dvcs(name, "it has a working folder, which is not supported")
    return found


def _origin(content: dict[str, Any]) -> str:
    """Return the URL or path that a file was fetched from; empty if it was not fetched."""
    try:
        path = content["deps"][0]["path"]
    except (KeyError, TypeError, IndexError):
        return ""
    return path if isinstance(path, str) else ""


def _not_dvcs(name: str, why: str = "") -> MlopsError:
    return MlopsError(
        f"{name} is not a valid DVC file{': ' if why else ''}{why}",
        "Restore it: git checkout -- FILE",
    )
