"""Installed packages put into another environment as hard links, file by file as they list them.

That takes no disk space and, for hundreds of packages, seconds. A link keeps the content when pip
replaces the package where it came from, so an environment made this way stays what it was.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Installed:
    """A package of this environment: its version, and the folder that describes it."""

    name: str
    version: str
    info: Path


class NotLinkable(Exception):
    """The package's files are not what its list says; the message says why."""


def link(package: Installed, listed: list[str], to: Path) -> None:
    """Put a package's files into the environment `to`, whose Python must be of the same version.

    What is there already stays: it was installed there, and two packages may have the same file.
    """
    base, target = package.info.parent, site_packages(to)
    made: set[str] = set()
    for path in listed:
        source, place = f"{base}/{path}", f"{target}/{path}"
        if ".." in path:
            # A script is `../../../bin/name`: in the new environment's own folder, or nowhere.
            source, place = os.path.normpath(source), os.path.normpath(place)
            if not place.startswith(f"{to}/"):
                continue
        folder = place.rpartition("/")[0]
        if folder not in made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a hundred thousand files
            made.add(folder)
        if folder == f"{to}/bin":
            _script(Path(source), Path(place), to)
        else:
            _link(source, place)


def site_packages(environment: Path) -> Path:
    """Return the folder of an environment's packages."""
    return next(environment.glob("lib/python3*/site-packages"))


def files_of(package: Installed) -> list[str]:
    """Return a package's files, those compiled from them too, by paths from its folder.

    Raises:
        NotLinkable: it has no list of files, they were changed since, or they need more than
            themselves (conda's share libraries outside of any list).
    """
    base = str(package.info.parent)
    if (package.info / "INSTALLER").is_file():
        installer = (package.info / "INSTALLER").read_text().strip()
        if installer == "conda":
            raise NotLinkable("it came from conda")
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
        return  # compiled files come and go
    except OSError:  # another file system
        shutil.copy2(source, target)


def _script(source: Path, target: Path, environment: Path) -> None:
    """Copy a script with the new environment's Python in its first line."""
    if target.exists():
        return
    content = source.read_bytes()
    first, _, rest = content.partition(b"\n")
    if first.startswith(b"#!") and b"python" in first:
        content = b"#!" + os.fsencode(environment / "bin" / "python") + b"\n" + rest
    target.write_bytes(content)
    target.chmod(0o755)
