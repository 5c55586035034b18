"""What a version is: the md5 of a file's content in lowercase hexadecimal, `.dir` after it for a folder's list.

The cache finds an object by cutting its version in two, so whatever else stood there would lead anywhere
on the disk. Each place where a version comes from outside (a `.dvc` file, a folder's list, a capsule, a run,
an argument) asks here first.
"""

from __future__ import annotations

import re
from typing import TypeGuard

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.text import printable

_VERSION = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
#: In the text of a `.dvc` file or `dvc.lock`, however YAML may write it.
_NAMED = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{32}(?:\.dir)?(?![0-9a-zA-Z])")


class NotAVersion(MlopsError):
    """Something else stands where a version belongs."""


def is_version(text: object) -> TypeGuard[str]:
    """Return whether `text` is a version."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def checked(text: object, source: str = "") -> str:
    """Return `text`, which is a version.

    Args:
        text: what stands where a version belongs.
        source: who says so, for the message: `data/train.csv.dvc`.

    Raises:
        NotAVersion: it is none.
    """
    if is_version(text):
        return text
    shown = printable(text)
    raise NotAVersion(
        f"{source + ' names ' if source else ''}{shown}{', which' if source else ''} is not a version",
        "A version is 32 digits of 0-9 and a-f (and .dir for a folder): %mlops data list",
    )


def named_in(text: str) -> set[str]:
    """Return everything in the text of a `.dvc` file or `dvc.lock` that may be a version.

    Rather too much than too little: `data gc` keeps what this finds.
    """
    return set(_NAMED.findall(text))
