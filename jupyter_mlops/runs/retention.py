"""The data versions that recorded runs refer to: `data gc` keeps them, `data push --runs` sends them.

`data` knows its `.dvc` files; only here are the runs known too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from jupyter_mlops import data
from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.project import Project
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules import capsule
from jupyter_mlops.runs.stores import spool
from jupyter_mlops.runs.stores.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import mlflow.entities

    from jupyter_mlops.data.records import DataTransfer, Unused
    from jupyter_mlops.records import Records

_PAGE = 1000
_VERSION = re.compile(r"[0-9a-f]{32}(?:\.dir)?")


def data_versions(project: Project) -> list[tuple[str, str]]:
    """Return the (path, version) of every data version of every run, deleted ones included.

    Deleted runs can be restored. A capsule also names files that the recorded cell itself did not
    read. What is elsewhere (`s3://…`) has no version of ours.

    Raises:
        BackendFailed: the store, or a run's capsule in it, cannot be read; nobody may then conclude
            that a version is not needed.
    """
    found: dict[tuple[str, str], None] = {}
    # The spool first: a run that is sent meanwhile is then seen twice, and not never.
    stores = [spool.open_spool(project)] if spool.waiting(project) else []
    for store in (*stores, open_store(project)):
        for run in _all_runs(store):
            for item in run.inputs.dataset_inputs if run.inputs else []:
                found[item.dataset.name, item.dataset.digest] = None
            for use in _in_capsule(store, run):
                found[str(use["path"]), str(use["version"])] = None
    return [
        (path, version)
        for path, version in found
        if "://" not in path and _VERSION.fullmatch(version)
    ]


def _all_runs(store: Store) -> Iterator[mlflow.entities.Run]:
    from mlflow.entities import ViewType

    experiments = store.client.search_experiments(view_type=ViewType.ALL)
    token: str | None = None
    while experiments:
        page = store.client.search_runs(
            [item.experiment_id for item in experiments], "", run_view_type=ViewType.ALL,
            max_results=_PAGE, page_token=token,
        )  # fmt: skip
        yield from page
        token = page.token
        if not token:
            return


def _in_capsule(store: Store, run: mlflow.entities.Run) -> list[dict[str, str]]:
    try:
        text = _capsule_text(store, run)
        uses: list[dict[str, str]] = json.loads(text)["data"] if text else []
    except Exception as error:  # each artifact store has kinds of its own
        raise BackendFailed(
            f"The capsule of run {run.info.run_id[:8]} cannot be read: {error}",
            "Nothing was deleted; is the artifact store there?",
        ) from error
    return uses


def _capsule_text(store: Store, run: mlflow.entities.Run) -> str:
    root = str(run.info.artifact_uri)
    if root.startswith("file://") or "://" not in root:
        file = Path(url2pathname(urlsplit(root).path), capsule.ARTIFACT)
        return file.read_text() if file.is_file() else ""
    folder = capsule.ARTIFACT.rpartition("/")[0]
    there = [item.path for item in store.client.list_artifacts(run.info.run_id, folder)]
    if capsule.ARTIFACT not in there:
        return ""
    return query.artifact(run.info.run_id, capsule.ARTIFACT, project=store.project).read_text()


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
