"""Find the project of a request: the one at or above a folder, inside the server's root folder."""

from __future__ import annotations

import posixpath
from pathlib import Path

from jupyter_mlops.errors import NotAProject, UsageError
from jupyter_mlops.project import Project
from jupyter_mlops.settings import SETTINGS_FILE
from jupyter_mlops.text import printable


class NoProjectHere(NotAProject):
    """The folder is in no project; the panel then shows how to create one."""

    status = 404


def project_of(root_dir: str, path: str) -> Project:
    """Return the project at or above `path`, which is relative to `root_dir`, as JupyterLab writes it.

    Symbolic links are followed, as in Jupyter's file browser; `..` is refused.

    Raises:
        NoProjectHere: no folder from `path` up to `root_dir` is a project.
        NotAProject: its `mlops.toml` cannot be read.
        UsageError: `path` is not a path below `root_dir`.
    """
    if "\0" in path or "\\" in path:
        raise UsageError(
            f"{path!r} is not a folder of this server", "Write the path as Jupyter shows it"
        )
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise UsageError(f"{path!r} leads out of a folder", "Write the path without '..'")
    top = Path(root_dir).absolute()
    folder = top.joinpath(*parts)
    try:
        for candidate in (folder, *folder.parents):
            if (candidate / SETTINGS_FILE).is_file():
                return Project.find(candidate)
            if candidate == top:
                break
    except OSError as error:  # an impossible file name, or no permission
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{printable(path)} cannot be read: {reason}") from None
    raise NoProjectHere(*_why(top, posixpath.join(*parts) if parts else ""))


def _why(top: Path, shown: str) -> tuple[str, str]:
    if any((folder / SETTINGS_FILE).is_file() for folder in top.parents):
        return (
            "The project's folder is above the root folder of this server",
            "Start JupyterLab in the project's own folder",
        )
    return f"{shown or 'This folder'} is not in a project", "Type: %mlops init"


def path_of(root_dir: str, project: Project) -> str:
    """Return the project's folder relative to `root_dir`, as JupyterLab writes it; empty for `root_dir`."""
    relative = project.root.relative_to(Path(root_dir).absolute()).as_posix()
    return "" if relative == "." else relative
