"""Start a project's scheduler as a child process of a server."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING

from jupyter_mlops import files
from jupyter_mlops.errors import Conflict
from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "scheduler"
WHY = "its jobs do not run until then"


def start_scheduler(project: Project) -> subprocess.Popen[bytes] | None:
    """Start the project's scheduler as a child process that ends when this process ends.

    Returns None if a scheduler of this project already runs. To stop the child, close its `stdin`
    and wait for it.

    Raises:
        NotTrusted: the project is not trusted.
    """
    project.require_trust(WHY)
    try:
        with project.locked(LOCK, timeout=0):
            pass
    except Conflict:
        return None
    log = project.state / "logs" / "scheduler.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with files.log(log) as output:
        return started("jupyter_mlops.jobs.scheduler", project.root, "--watch-stdin", output=output)


def started(
    module: str, root: Path, *arguments: str, output: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a module as a program for a project, with a pipe to it; its output goes to a log."""
    return subprocess.Popen(
        # -P, and another working folder: do not import a croniter.py of the project.
        [sys.executable, "-P", "-m", module, str(root), *arguments],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        cwd=os.sep,
        env=clean_environment(),
        # Ctrl-C reaches only the parent, which then closes the pipe.
        start_new_session=True,
    )


def clean_environment() -> dict[str, str]:
    """Return this process's environment without the variables of a kernel or a run."""
    ours = {"MLOPS_PARENT_RUN", "MLFLOW_RUN_ID", "JPY_PARENT_PID", "JPY_SESSION_NAME"}
    return {key: value for key, value in os.environ.items() if key not in ours}
