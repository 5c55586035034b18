"""The list of a folder's version: the version of each file in the folder, in DVC's format.

Another person may have pushed the list, so its content is checked here. `paths.below` checks where its paths
lead on this disk.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from jupyter_mlops.data import versions
from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.paths import below
from jupyter_mlops.text import printable

if TYPE_CHECKING:
    from pathlib import Path


def parse(content: bytes, version: str) -> dict[str, str]:
    """Return the version of each file by its path in the folder.

    Raises:
        BackendFailed: it is not a valid list.
        NotAVersion: a version in it is not one.
    """
    try:
        entries: Any = json.loads(content)
        if not isinstance(entries, list):
            raise TypeError
        found = {entry["relpath"]: entry["md5"] for entry in entries}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _invalid(version, "it does not list files with their versions") from None
    if len(found) != len(entries):
        raise _invalid(version, "it names a file twice")
    for path, value in found.items():
        if versions.checked(value, f"The list of {version[:12]}").endswith(".dir"):
            raise _invalid(version, "it gives a file the version of a folder")
        if not isinstance(path, str) or str(PurePosixPath(path)) != path:
            raise _invalid(version, f"{printable(path)} is not a path")
        if any(str(parent) in found for parent in PurePosixPath(path).parents):
            raise _invalid(version, f"{printable(path)} is inside a file")
    return found


def places(found: dict[str, str], folder: Path, source: str) -> dict[Path, str]:
    """Return the path of each listed file in `folder`, with its version.

    Raises:
        UnsafePath: one of the paths leads out of `folder`.
    """
    # A file may be a symbolic link: DVC can be configured to link files to its cache.
    return {below(folder, path, source=source, link=True): value for path, value in found.items()}


def _invalid(version: str, why: str) -> BackendFailed:
    return BackendFailed(
        f"The list of the folder version {version[:12]} is not valid: {why}",
        "Add the folder again, in the project that has its files: %mlops data add FOLDER",
    )
