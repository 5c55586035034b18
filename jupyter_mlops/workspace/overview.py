"""`status`: the project and the number of items of each noun."""

from __future__ import annotations

from jupyter_mlops.project import Project
from jupyter_mlops.runs.preview import preview
from jupyter_mlops.trust import NotTrusted
from jupyter_mlops.urls import without_password
from jupyter_mlops.workspace.records import ProjectOverview


def status(*, project: Project | None = None) -> ProjectOverview:
    """Return the project and the number of items of each noun; in a notebook also a preview of the next record."""
    from jupyter_mlops import data, jobs, services
    from jupyter_mlops.environment.packages import git_state

    project = project or Project.find()
    commit, patch = git_state(project.root)
    return ProjectOverview(
        name=project.name,
        root=str(project.root),
        trusted=project.trusted,
        experiment=project.settings.project.experiment,
        tracking=without_password(project.settings.tracking.uri or project.tracking_uri),
        remote=project.settings.data.remote,
        commit=commit[:12],
        dirty=bool(patch),
        runs=_runs(project),
        data=len(data.list(project=project)),
        jobs=len(jobs.list(project=project)),
        services=len(services.list(project=project)),
        next_run=preview(project=project),
    )


def _runs(project: Project) -> int | None:
    """Return the number of runs; None if they are in another store and the project is not trusted."""
    from jupyter_mlops.runs.run_list import count

    try:
        return count(project)
    except NotTrusted:
        return None
