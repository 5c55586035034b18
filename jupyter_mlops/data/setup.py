"""Create a project's DVC repository."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed

if TYPE_CHECKING:
    from jupyter_mlops.project import Project


def ensure_repository(project: Project) -> bool:
    """Create the DVC repository if there is none; return whether it was created.

    Raises:
        BackendFailed: DVC refuses this folder.
    """
    if (project.root / ".dvc").is_dir():
        return False
    os.environ.setdefault("DVC_NO_ANALYTICS", "true")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    # DVC prints a welcome to standard output, which must hold only the verb's result.
    logging.getLogger("dvc").setLevel(logging.WARNING)
    try:
        repo = Repo.init(str(project.root), subdir=not (project.root / ".git").exists())
    except DvcException as error:
        raise BackendFailed(
            f"DVC could not create its repository: {error}", "Type: %mlops doctor"
        ) from None
    with repo.config.edit("repo") as config:
        # A hard link would let a write through the user's file damage the cache.
        config["cache"]["type"] = ["reflink", "copy"]
        if project.settings.data.remote:
            config["remote"]["storage"] = {"url": project.settings.data.remote}
            config["core"]["remote"] = "storage"
    repo.close()
    return True
