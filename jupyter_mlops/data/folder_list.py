"""The list of a folder's version: which file of the folder has which version, as DVC keeps it.

Such a list comes from whoever pushed it. What it says is checked here once; where a path of it leads on
this disk is a matter for `paths.below`.
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
        BackendFailed: it is not such a list.
        NotAVersion: something else stands for a version in it.
    """
    try:
        entries: Any = json.loads(content)
        if not isinstance(entries, list):
            raise TypeError
        found = {entry["relpath"]: entry["md5"] for entry in entries}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _no_list(version, "it is no list of files and versions") from None
    if len(found) != len(entries):
        raise _no_list(version, "it names a file twice")
    for path, value in found.items():
        if versions.checked(value, f"The list of {version[:12]}").endswith(".dir"):
            raise _no_list(version, "it names a folder's version as a file's")
        if not isinstance(path, str) or str(PurePosixPath(path)) != path:
            raise _no_list(version, f"{printable(path)} is no path")
        if any(str(parent) in found for parent in PurePosixPath(path).parents):
            raise _no_list(version, f"{printable(path)} lies in a file")
    return found


def places(found: dict[str, str], folder: Path, source: str) -> dict[Path, str]:
    """Return where each file of a list belongs in `folder`, with its version; nothing is written.

    Raises:
        UnsafePath: one of them would not lie in it.
    """
    # A file of it may be a link, as DVC can be told to link files to its cache.
    return {below(folder, path, source=source, link=True): value for path, value in found.items()}


def _no_list(version: str, why: str) -> BackendFailed:
    return BackendFailed(
        f"Version {version[:12]} of a folder has no list DVC could have written: {why}",
        "Add the folder again where it is: %mlops data add FOLDER",
    )
