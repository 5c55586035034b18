"""Open DVC's `Repo` of a project, without the dangerous settings of its `.dvc/config`.

Another person may have written `.dvc/config`, so two settings are overridden. With git, DVC would follow a
`.git` that leads to another repository; and `core.site_cache_dir` names a folder whose pickles DVC loads.
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
#: DVC's parser needs minutes for a long line of brackets.
_LARGEST_SETTINGS, _LONGEST_LINE = 64_000, 4_000


@contextmanager
def opened(root: Path) -> Iterator[Any]:
    """Yield DVC's `Repo` of a project's folder.

    Raises:
        NotTrusted: the project is not trusted; its settings name a cache and remotes.
        NotFound: the folder has no DVC repository.
        MlopsError: its settings cannot be read.
    """
    require_trust(root)
    os.environ.setdefault("DVC_NO_ANALYTICS", "true")
    _refuse_unsafe_files(root / ".dvc")
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        repo = Repo(
            str(root), config={"core": {"no_scm": True, "site_cache_dir": str(_dvc_site_cache())}}
        )
    except NotDvcRepoError:
        raise NotFound(f"{root} has no DVC repository", "Type: %mlops init") from None
    except Exception as error:  # of DVC, of its parsers, or of the disk
        raise MlopsError(f"DVC cannot read its settings: {error_line(error)}", _correct()) from None
    try:
        yield repo
    finally:
        repo.close()


def require_trust(root: Path) -> None:
    """Refuse to read DVC's settings in a project that is not trusted."""
    Project(root).require_trust("its DVC settings, which name its cache and remotes, are not read")


def _dvc_site_cache() -> Path:
    """Return this user's folder for DVC's site cache; DVC's default is writable for all users."""
    import platformdirs  # comes with jupyter_core

    folder = Path(platformdirs.user_cache_dir("jupyter_mlops")) / "dvc"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _refuse_unsafe_files(folder: Path) -> None:
    """Refuse settings that would block DVC, and a link that it would write through."""
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
            raise MlopsError(
                f".dvc/{name} has a line of more than {_LONGEST_LINE} characters", _correct(name)
            )
    if is_link(folder / "tmp"):
        raise MlopsError(
            ".dvc/tmp is a symbolic link, and DVC writes its locks there", "Delete the link"
        )


def _correct(name: str = "config") -> str:
    return f"Correct .dvc/{name}, or restore it: git checkout -- .dvc/{name}"
