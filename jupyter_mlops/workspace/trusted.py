"""`trust`: allow a project's jobs to run, its models to load and its stores to be contacted."""

from __future__ import annotations

from jupyter_mlops import trust as trusted
from jupyter_mlops.project import Project
from jupyter_mlops.workspace.records import Trust


def trust(path: str = "", *, off: bool = False, project: Project | None = None) -> Trust:
    """Trust a project: its jobs may run, its models may load, and its stores and remotes are contacted.

    The trust is stored outside of the project, for this user, this folder and its owner.

    Args:
        path: the project's folder, or one in it; default: the working folder.
        off: withdraw the trust. Running jobs continue until they or JupyterLab end.
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
    """Return whether a project is trusted, and the effects of the trust."""
    from jupyter_mlops import jobs

    return Trust(
        name=project.name,
        root=str(project.root),
        trusted=project.trusted,
        outside=project.named_outside(),
        schedules=jobs.has_schedules(project),
    )
