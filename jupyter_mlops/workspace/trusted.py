"""`trust`: whether the jobs, models and stores of a project may act."""

from __future__ import annotations

from jupyter_mlops import trust as trusted
from jupyter_mlops.project import Project
from jupyter_mlops.workspace.records import Trust


def trust(path: str = "", *, off: bool = False, project: Project | None = None) -> Trust:
    """Trust a project: from now on its jobs run, its models load, and what it names is contacted.

    This is stored outside of the project, for this user, this folder and its owner.

    Args:
        path: the project's folder, or one in it; default: the working folder.
        off: trust it no longer. Jobs that run already continue until they or JupyterLab end.
        project: default: the project at or above `path`.
    """
    project = project or Project.find(path or None)
    if off:
        trusted.withdraw(project.root)
    else:
        trusted.grant(project.root, "trust")
        project.announce("project", "trusted", project.name)
    return trust_of(project)


def trust_of(project: Project) -> Trust:
    """Return whether a project is trusted, and what that means for it."""
    from jupyter_mlops import jobs

    return Trust(
        name=project.name,
        root=str(project.root),
        trusted=project.trusted,
        outside=project.named_outside(),
        schedules=jobs.has_schedules(project),
    )
