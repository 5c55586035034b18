"""DVC's own view of a project, opened so that the folder decides as little as it can.

`.dvc/config` may come from somebody else. Two of its settings would make that dangerous: with git, DVC would
follow a `.git` that leads to another repository; and `core.site_cache_dir` names a folder of pickles.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.errors import MlopsError, NotFound
from jupyter_mlops.paths import is_link
from jupyter_mlops.project import Project
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = ("config", "config.local")
#: DVC's parser takes minutes for a long line of brackets.
_LARGEST_SETTINGS, _LONGEST_LINE = 64_000, 4_000


@contextmanager
def opened(root: Path) -> Iterator[Any]:
    """Yield DVC's `Repo` of a project's folder.

    Raises:
        NotTrusted: the project is not trusted: its settings name a cache, remotes and their addresses.
        NotFound: there is none.
        MlopsError: its settings cannot be read.
    """
    require_trust(root)
    os.environ.setdefault("DVC_NO_ANALYTICS", "true")
    _refuse_odd_files(root / ".dvc")
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        repo = Repo(str(root), config={"core": {"no_scm": True, "site_cache_dir": str(_aside())}})
    except NotDvcRepoError:
        raise NotFound(f"{root} has no DVC repository", "Type: %mlops init") from None
    except Exception as error:  # DVC's kinds, those of its parsers, and the disk's
        raise MlopsError(f"DVC cannot read its settings: {error_line(error)}", _correct()) from None
    try:
        yield repo
    finally:
        repo.close()


def require_trust(root: Path) -> None:
    """Refuse to read DVC's settings in a project that is not trusted."""
    Project(root).require_trust("its DVC settings, which name its cache and remotes, are not read")


def _aside() -> Path:
    """Return where DVC keeps its own notes; by default all users of a machine may write there."""
    import platformdirs  # comes with jupyter_core

    folder = Path(platformdirs.user_cache_dir("jupyter_mlops")) / "dvc"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


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
