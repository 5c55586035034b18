"""Check that a text is a version: an md5 in lowercase hexadecimal, with `.dir` appended for a folder.

The cache makes an object's path from its version, so any other text could lead anywhere on the disk. Versions
from outside (a `.dvc` file, a folder's list, a capsule, a run, an argument) are checked here first.
"""

from __future__ import annotations

import re
from typing import TypeGuard

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.text import printable

_VERSION = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
#: A version in the text of a `.dvc` file or `dvc.lock`, in any YAML style.
_NAMED = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{32}(?:\.dir)?(?![0-9a-zA-Z])")


class NotAVersion(MlopsError):
    """A text that should be a version is not one."""


def is_version(text: object) -> TypeGuard[str]:
    """Return whether `text` is a version."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def checked(text: object, source: str = "") -> str:
    """Return `text` if it is a version.

    Args:
        text: the text that should be a version.
        source: where it comes from, for the message: `data/train.csv.dvc`.

    Raises:
        NotAVersion: it is not.
    """
    if is_version(text):
        return text
    shown = printable(text)
    raise NotAVersion(
        f"{source + ' names ' if source else ''}{shown}{', which' if source else ''} is not a version",
        "A version has 32 digits of 0-9 and a-f (and .dir for a folder). See: %mlops data list",
    )


def named_in(text: str) -> set[str]:
    """Return everything in the text of a `.dvc` file or `dvc.lock` that may be a version.

    It finds too many rather than too few, because `data gc` deletes what it does not find.
    """
    return set(_NAMED.findall(text))
