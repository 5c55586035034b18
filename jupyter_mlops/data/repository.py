"""DVC's own view of a project, opened with its errors turned into one line."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.errors import MlopsError, NotFound
from jupyter_mlops.paths import is_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SETTINGS = ("config", "config.local")
#: DVC's parser takes minutes for a long line of brackets.
_LARGEST_SETTINGS, _LONGEST_LINE = 64_000, 4_000


@contextmanager
def opened(root: Path) -> Iterator[Any]:
    """Yield DVC's `Repo` of a project's folder.

    Raises:
        NotFound: there is none.
        MlopsError: its settings cannot be read.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "true")
    _refuse_odd_files(root / ".dvc")
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        repo = Repo(str(root))
    except NotDvcRepoError:
        raise NotFound(f"{root} has no DVC repository", "Type: %mlops init") from None
    except Exception as error:  # DVC's kinds, those of its parsers, and the disk's
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MlopsError(f"DVC cannot read its settings: {first[:200]}", _correct()) from None
    try:
        yield repo
    finally:
        repo.close()


def _refuse_odd_files(folder: Path) -> None:
    """Refuse what DVC would wait for, or write through."""
    for name in _SETTINGS:
        try:
            lines = files.content(folder / name, most=_LARGEST_SETTINGS).splitlines()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise MlopsError(
                f".dvc/{name} cannot be read: {error.strerror}", _correct(name)
            ) from None
        if max(map(len, lines), default=0) > _LONGEST_LINE:
            raise MlopsError(f".dvc/{name} cannot be read: a line without end", _correct(name))
    if is_link(folder / "tmp"):
        raise MlopsError(
            ".dvc/tmp is a symbolic link, and DVC writes its locks there", "Delete the link"
        )


def _correct(name: str = "config") -> str:
    return f"Correct .dvc/{name}, or restore it: git checkout -- .dvc/{name}"
