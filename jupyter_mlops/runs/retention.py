"""The data versions that recorded runs refer to: `data gc` keeps them, `data push --runs` sends them.

`data` knows its `.dvc` files; only here are the runs known too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jupyter_mlops import data
from jupyter_mlops.project import Project
from jupyter_mlops.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_mlops.data.records import DataTransfer, Unused
    from jupyter_mlops.records import Records

_PAGE = 1000
_VERSION = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?")


def data_versions(project: Project) -> list[tuple[str, str]]:
    """Return the (path, version) of every data version of every run.

    Deleted runs count too, as they can be restored; so does a version that only a tag names.
    """
    from mlflow.entities import ViewType

    store = open_store(project)
    experiments = store.client.search_experiments(view_type=ViewType.ALL)
    ids = [item.experiment_id for item in experiments]
    found: dict[tuple[str, str], None] = {}
    token: str | None = None
    while ids:
        page = store.client.search_runs(
            ids, "", run_view_type=ViewType.ALL, max_results=_PAGE, page_token=token
        )
        for run in page:
            for item in run.inputs.dataset_inputs if run.inputs else []:
                if item.dataset.source_type == "dvc":
                    found[item.dataset.name, item.dataset.digest] = None
            for key, value in run.data.tags.items():
                if key.startswith("mlops."):
                    found |= {(key, version): None for version in _VERSION.findall(value)}
        token = page.token
        if not token:
            break
    return [*found]


def gc(*, yes: bool = False, older: float = 1.0, project: Project | None = None) -> Records[Unused]:
    """List the cached versions that neither a `.dvc` file of any git commit nor a run refers to.

    With `yes` they are deleted. `dvc gc` knows nothing of runs and deletes what they need.

    Args:
        yes: delete them; else nothing is touched.
        older: only what was last used more than so many hours ago.
        project: default: the project at or above the working folder.
    """
    project = project or Project.find()
    keep = {version for _, version in data_versions(project)}
    return data.gc(keep=keep, yes=yes, older=older, project=project)


def push(
    paths: Sequence[str] | None = None,
    *,
    remote: str = "",
    runs: bool = False,
    project: Project | None = None,
) -> Records[DataTransfer]:
    """Copy data versions to the remote; with `runs`, also those that only runs refer to."""
    project = project or Project.find()
    also: list[tuple[str, str]] = []
    if runs:
        held = data.held(project=project)
        # A version that is in no cache here was recorded elsewhere, and is pushed from there.
        also = [(path, version) for path, version in data_versions(project) if version in held]
    return data.push(paths, remote=remote, also=also, project=project)
