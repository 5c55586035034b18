"""`jupyter mlops scheduler`: run a project's scheduler in a terminal."""

from __future__ import annotations

from jupyter_mlops.jobs.scheduler_launch import WHY
from jupyter_mlops.project import Project


def scheduler(*, project: Project | None = None) -> None:
    """Run the scheduler in this terminal until it is interrupted.

    If another scheduler runs, this one waits and takes over when the other ends.

    Raises:
        NotTrusted: the project is not trusted.
    """
    project = project or Project.find()
    project.require_trust(WHY)
    from jupyter_mlops.jobs import scheduler as daemon  # imported late: DBOS takes a second

    daemon.serve(project)
