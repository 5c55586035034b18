"""Copy installed packages into another environment as hard links to their files.

This needs no disk space, and takes seconds for hundreds of packages. A hard link keeps the content when pip
replaces the original package, so the other environment does not change.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package of this environment: its version and its dist-info folder."""

    name: str
    version: str
    info: Path


class NotLinkable(Exception):
    """The package cannot be linked; the message is the reason."""


def link(package: InstalledPackage, listed: list[str], to: Path) -> None:
    """Link a package's files into the environment `to`, which must have the same version of Python.

    Existing files stay: they were installed there, or another package has the same file.
    """
    base, target = package.info.parent, site_packages(to)
    folders: set[str] = set()
    for path in listed:
        source, place = f"{base}/{path}", f"{target}/{path}"
        if ".." in path:
            # A script is `../../../bin/name`; files outside of the new environment are left out.
            source, place = os.path.normpath(source), os.path.normpath(place)
            if not place.startswith(f"{to}/"):
                continue
        folder = place.rpartition("/")[0]
        if folder not in folders:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a hundred thousand files
            folders.add(folder)
        if folder == f"{to}/bin":
            _script(Path(source), Path(place), to)
        else:
            _link(source, place)


def site_packages(environment: Path) -> Path:
    """Return the folder of an environment's packages."""
    return next(environment.glob("lib/python3*/site-packages"))


def files_of(package: InstalledPackage) -> list[str]:
    """Return a package's files and compiled files, by paths relative to its folder.

    Raises:
        NotLinkable: it has no list of files, a file was changed, or conda installed it (conda packages
            share libraries that are in no list).
    """
    base = str(package.info.parent)
    if (package.info / "INSTALLER").is_file():
        installer = (package.info / "INSTALLER").read_text().strip()
        if installer == "conda":
            raise NotLinkable("conda installed it")
    try:
        with (package.info / "RECORD").open(newline="", encoding="utf-8") as file:
            rows = [*csv.reader(file)]
    except (OSError, ValueError):
        raise NotLinkable("it has no list of its files") from None
    compiled: dict[str, set[str]] = {}
    listed: dict[str, None] = {}
    for path, _, size in (row[:3] for row in rows if len(row) >= 3):
        listed[path] = None
        if size and not path.startswith(".."):
            try:
                if os.stat(f"{base}/{path}").st_size != int(size):  # noqa: PTH116
                    raise NotLinkable(f"{path} was changed after it was installed")
            except OSError:
                raise NotLinkable(f"{path} is missing") from None
        folder, _, name = path.rpartition("/")
        if name.endswith(".py"):
            if folder not in compiled:
                compiled[folder] = _names(f"{base}/{folder}/__pycache__")
            cached = f"{name[:-3]}.{sys.implementation.cache_tag}.pyc"
            if cached in compiled[folder]:
                listed[f"{folder}/__pycache__/{cached}"] = None
    return [path for path in listed if not path.startswith("/")]


def _names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return set()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except FileNotFoundError:
        return  # a compiled file can disappear at any time
    except OSError:  # another file system
        shutil.copy2(source, target)


def _script(source: Path, target: Path, environment: Path) -> None:
    """Copy a script and write the new environment's Python into its first line."""
    if target.exists():
        return
    content = source.read_bytes()
    first, _, rest = content.partition(b"\n")
    if first.startswith(b"#!") and b"python" in first:
        content = b"#!" + os.fsencode(environment / "bin" / "python") + b"\n" + rest
    target.write_bytes(content)
    target.chmod(0o755)
