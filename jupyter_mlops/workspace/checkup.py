"""`doctor`: check the packages, tools and stores that mlops needs."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from jupyter_mlops.environment import git
from jupyter_mlops.errors import MlopsError, NotAProject
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.text import counted
from jupyter_mlops.urls import without_password
from jupyter_mlops.workspace.records import Finding


def doctor() -> Records[Finding]:
    """Check what mlops needs: packages, git, the panel, the project's stores."""
    parts = [
        _package("mlflow", "jupyter-mlops"),
        _package("dvc", "jupyter-mlops"),
        _package("papermill", "jupyter-mlops"),
        _package("dbos", "jupyter-mlops"),
        _package("jupyterlab", "jupyter-mlops[lab]"),
        _package("bentoml", "jupyter-mlops[service]"),
        _package("evidently", "jupyter-mlops[drift]"),
        _package("torch", "jupyter-mlops[torch]"),
        _git(),
        _panel(),
    ]
    try:
        project = Project.find()
    except NotAProject as error:
        parts.append(Finding(part="project", status="missing", detail=error.what, fix=error.do))
    else:
        if project.trusted:
            parts += [_store(project), _lineage(project), _versions(project)]
        else:
            parts.append(_not_trusted(project))
    return Records(parts)


def _package(name: str, wanted: str) -> Finding:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(part=name, status="missing", fix=f"pip install '{wanted}'")
    return Finding(part=name, status="ok", detail=version)


def _git() -> Finding:
    here = Path.cwd()
    try:
        version = git.outside(here, "version").stdout.decode(errors="replace").strip()
        with suppress(git.NoRepository):
            git.filters(here)
    except git.GitMissing as error:
        return Finding(part="git", status="missing", fix=error.do)
    except git.GitFailed as error:
        return Finding(part="git", status="broken", detail=error.what, fix=error.do)
    return Finding(part="git", status="ok", detail=version.removeprefix("git version "))


def _panel() -> Finding:
    found = Path(sys.prefix) / "share/jupyter/labextensions/jupyter-mlops/package.json"
    if found.exists():
        return Finding(part="panel", status="ok", detail=str(found.parent))
    return Finding(
        part="panel", status="missing", fix="pip install --force-reinstall jupyter-mlops"
    )


def _not_trusted(project: Project) -> Finding:
    return Finding(
        part="project",
        status="not trusted",
        detail=f"{project.root}: its jobs do not run, and no server is contacted",
        fix="If you trust who made it: %mlops trust",
    )


def _store(project: Project) -> Finding:
    from jupyter_mlops.tracking.store import open_store

    where = without_password(project.settings.tracking.uri or project.tracking_uri)
    try:
        open_store(project)
    except MlopsError as error:
        return Finding(part="tracking store", status="broken", detail=error.what, fix=error.do)
    return Finding(part="tracking store", status="ok", detail=where)


def _lineage(project: Project) -> Finding:
    from jupyter_mlops.runs.capture import deep_setup
    from jupyter_mlops.runs.capture.file_reads import FileWatch

    with FileWatch(project) as reads:
        pass
    if project.settings.lineage.deep:
        try:
            deep_setup.compiled(project.state / "lineage")
        except MlopsError as error:
            return Finding(part="lineage", status="broken", detail=error.what, fix=error.do)
    detail, _, fix = reads.layers_text.partition(". ")
    return Finding(part="lineage", status="ok", detail=detail, fix=fix)


def _versions(project: Project) -> Finding:
    from jupyter_mlops import data
    from jupyter_mlops.runs import retention

    try:
        known = retention.data_versions(project)
        held = data.held(project=project)
    except MlopsError as error:
        return Finding(part="data versions", status="broken", detail=error.what, fix=error.do)
    lost = [path for path, version in known if version not in held]
    if not lost:
        return Finding(
            part="data versions",
            status="ok",
            detail=f"{counted(len(known), 'version')} in runs, none missing in the cache"
            if known
            else "no run refers to one yet",
        )
    if project.settings.tracking.uri:
        # The versions of a team's runs may be only in the remote or in another user's cache.
        here = f"{len(known) - len(lost)} of {len(known)} of the team's runs are in this cache"
        return Finding(part="data versions", status="ok", detail=here)
    return Finding(
        part="data versions",
        status="missing",
        detail=f"{len(lost)} of {len(known)} versions of runs are not in the cache, e.g. {lost[0]}",
        # DVC's own gc deletes versions that only runs refer to.
        fix="If they were pushed: %mlops data pull. Use `%mlops data gc`, not `dvc gc`",
    )
