"""DVC's view of a project, opened so that the folder decides as little as it can.

`.dvc/config` may come from somebody else. Two of its settings would make that dangerous: with git, DVC would
follow a `.git` that leads to another repository; and `core.site_cache_dir` names a folder of pickles.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def open_repository(root: Path) -> Any:
    """Return DVC's `Repo` of a project.

    Raises:
        dvc.exceptions.NotDvcRepoError, dvc.config.ConfigError: there is none, or it cannot be read.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "true")
    import platformdirs
    from dvc.repo import Repo

    # DVC's own is a folder below /var/tmp that all users of a machine may write to.
    aside = Path(platformdirs.user_cache_dir("jupyter_mlops")) / "dvc"
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Repo(str(root), config={"core": {"no_scm": True, "site_cache_dir": str(aside)}})
