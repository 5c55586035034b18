"""Read small untrusted files: regular, limited in size, one JSON object."""

from __future__ import annotations

import errno
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files, guarded
from jupyter_mlops.paths import ThroughALink

if TYPE_CHECKING:
    from pathlib import Path

#: In bytes; far above the size of a scheduler's file for thousands of jobs.
LARGEST = 4_000_000


class Unreadable(Exception):
    """The file cannot be used; the message completes `FILE …`."""


def read(path: Path, most: int = LARGEST, *, root: Path | None = None) -> bytes:
    """Return the content of a regular file.

    It does not block on a pipe and does not follow links, also none between `root` and the file.

    Raises:
        Unreadable: it is not a regular file, is too large, or cannot be read.
        FileNotFoundError: there is no such file.
    """
    try:
        if root is not None:
            return guarded.content(root, path, most=most)
        return files.content(path, most=most, link=False)
    except FileNotFoundError:
        raise
    except ThroughALink:
        raise Unreadable("is in a folder that is a symbolic link") from None
    except OSError as error:
        what = error.strerror or str(error)
        if error.errno in {errno.EINVAL, errno.EFBIG}:  # the errors of `files.content`
            raise Unreadable(f"is {what[0].lower()}{what[1:]}") from None
        raise Unreadable(f"cannot be read: {what}") from None
    except ValueError:  # a NUL in the path
        raise Unreadable("has an invalid file name") from None


def json_object(path: Path, most: int = LARGEST) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        Unreadable: there is no such file, or it holds something else.
    """
    try:
        given = json.loads(read(path, most).decode())
    except FileNotFoundError:
        raise Unreadable("is not there") from None
    except (ValueError, RecursionError):
        raise Unreadable("is not JSON") from None
    if not isinstance(given, dict):
        raise Unreadable("is not a JSON object")
    return given


def exists(path: Path) -> bool:
    """Return whether the path exists; a broken link counts too."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def put_aside(path: Path) -> Path:
    """Rename a damaged file, folder or link; return its new name beside the old one."""
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in itertools.count():
        aside = path.with_name(f"{stem}-{number}" if number else stem)
        if not exists(aside):
            path.rename(aside)
            return aside
    raise AssertionError
