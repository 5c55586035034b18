"""The data versions that recorded runs refer to: `data gc` keeps them, `data push --runs` sends them.

`data` reads the versions in `.dvc` files; this module adds those of the runs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import files
from jupyter_mlops.data.versions import is_version
from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.runs import query
from jupyter_mlops.runs.capsules import capsule
from jupyter_mlops.tracking import places, search, spool
from jupyter_mlops.tracking.store import Store, open_store
from jupyter_mlops.urls import local_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    import mlflow.entities

    from jupyter_mlops.project import Project

_PAGE = 1000
_LARGEST = 1_000_000_000
#: The tag that is written to a run together with its capsule.
_CAPSULE_TAG = "mlops.hidden"


def data_versions(project: Project) -> list[tuple[str, str]]:
    """Return the (path, version) of every data version of every run, deleted ones included.

    Deleted runs can be restored. A capsule may also name files that the recorded cell did not read.
    Remote files (`s3://…`) are left out: they have no DVC version.

    Raises:
        BackendFailed: the store or a run's capsule cannot be read; the caller must not delete any
            version.
    """
    found: dict[tuple[str, str], None] = {}
    known: set[str] = set()
    _refuse_missing_store(project)
    # Before the stores: a run that begins in the meantime is then not looked for.
    roots = (project.state / "artifacts", spool.artifacts(project))
    folders = [folder for root in roots for folder in _run_folders(root)]
    # The spool first: a run that is sent in the meantime is then seen twice, not missed. It is read
    # even if no note says that a run waits: a note may be damaged.
    stores = [spool.open_spool(project)] if spool.exists(project) else []
    for store in (*stores, open_store(project)):
        for run in _all_runs(store):
            known.add(run.info.run_id)
            if spool.SENT in run.data.tags:
                continue
            for item in run.inputs.dataset_inputs if run.inputs else []:
                found[item.dataset.name, item.dataset.digest] = None
            found |= dict.fromkeys(_in_capsule(store, run))
    _refuse_unknown_runs(project, folders, known)
    return [(path, version) for path, version in found if "://" not in path and is_version(version)]


def _refuse_missing_store(project: Project) -> None:
    """Raise if the embedded store is gone: MLflow would make an empty one, in which no run refers to anything."""
    file = project.state / "mlflow.db"
    if project.settings.tracking.uri or not (project.state / "artifacts").is_dir():
        return
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        size = 0
    if not size:
        raise BackendFailed(
            f"The store {project.relative(file)} is missing or empty: what its runs refer to is unknown",
            "Nothing was deleted. Restore the file from a backup",
        )


def _refuse_unknown_runs(project: Project, folders: list[Path], known: set[str]) -> None:
    """Raise if files of a run are on this disk that no store knows: it may be the store that was lost."""
    for folder in folders:
        if folder.name not in known:
            raise BackendFailed(
                f"No store knows run {folder.name[:8]}, whose files are in {project.relative(folder)}",
                "Nothing was deleted. Restore the store; if the run may go, delete that folder",
            )


def _run_folders(root: Path) -> Iterator[Path]:
    """Yield the folders of runs that hold a file."""
    for folder, folders, _ in os.walk(root):
        runs = [name for name in folders if search.is_id(name)]
        folders[:] = [name for name in folders if name not in runs]
        for name in runs:
            place = Path(folder, name)
            if any(files for _, _, files in os.walk(place)):
                yield place


def _all_runs(store: Store) -> Iterator[mlflow.entities.Run]:
    from mlflow.entities import ViewType

    experiments = search.pages(store.client.search_experiments, view_type=ViewType.ALL)
    ids = [item.experiment_id for item in experiments]
    if ids:
        yield from search.pages(
            store.client.search_runs, ids, "", run_view_type=ViewType.ALL, max_results=_PAGE
        )


def _in_capsule(store: Store, run: mlflow.entities.Run) -> list[tuple[str, str]]:
    try:
        text = _capsule_text(store, run)
        if not text and _CAPSULE_TAG in run.data.tags:
            # Moved, or on a disk that is not mounted; its data may be in the cache only.
            raise FileNotFoundError(f"it is not at {run.info.artifact_uri}")
        uses: list[dict[str, str]] = json.loads(text)["data"] if text else []
        found = [(str(use["path"]), str(use["version"])) for use in uses]
    except Exception as error:  # each artifact store has its own exceptions
        raise BackendFailed(
            f"The capsule of run {run.info.run_id[:8]} cannot be read: {error}",
            "Nothing was deleted. Check the artifact store. To remove a lost run: mlflow gc",
        ) from error
    return found


def _capsule_text(store: Store, run: mlflow.entities.Run) -> str:
    root = str(run.info.artifact_uri)
    if root.startswith("file://") or "://" not in root:
        file = local_path(root) / capsule.ARTIFACT
        return files.content(file, most=_LARGEST).decode() if file.exists() else ""
    places.check(store.project, root)
    folder = capsule.ARTIFACT.rpartition("/")[0]
    there = [item.path for item in store.client.list_artifacts(run.info.run_id, folder)]
    if capsule.ARTIFACT not in there:
        return ""
    return query.artifact(run.info.run_id, capsule.ARTIFACT, project=store.project).read_text()
