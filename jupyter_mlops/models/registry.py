"""`model register` and `list`: MLflow's registry, with aliases instead of stages."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import NotFound, UsageError, nearest
from jupyter_mlops.models.model import Model
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.runs.records import ModelVersion
from jupyter_mlops.text import error_line
from jupyter_mlops.tracking import search
from jupyter_mlops.tracking.mlflow_import import import_mlflow
from jupyter_mlops.tracking.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The gate's result at the promotion of a version: `passed`, or `forced: …`.
GATE_TAG = "mlops.gate"
_EMPTY = "No registered models yet. Type: %mlops model register RUN"


def register(run: str, *, name: str = "", project: Project | None = None) -> ModelVersion:
    """Register the model of a run as the next version of `name` (default: the run's name).

    Raises:
        NotFound: there is no such run, or it has no model.
        UsageError: MLflow refuses the name.
    """
    from mlflow.exceptions import MlflowException

    project = project or Project.find()
    model = Model.find(run, project=project)
    detail, model_id = model.run, model.info.model_id
    store = open_store(project)
    name = name or detail.name
    with project.locked("registry"):
        for item in _versions_of(store, name):
            if item.run_id == detail.run_id:
                return described(store, item)
        try:
            store.client.get_registered_model(name)
        except MlflowException:
            try:
                store.client.create_registered_model(name)
            except MlflowException as error:
                raise UsageError(
                    f"'{name}' cannot name a model: {_reason(error, name)}",
                    "Give another: --name NAME",
                ) from None
        with _used_by_mlflow(store):
            made = store.client.create_model_version(
                name,
                f"models:/{model_id}",
                run_id=detail.run_id,
                model_id=model_id,
            )
    project.announce("model", "registered", name)
    return described(store, made)


@contextmanager
def _used_by_mlflow(store: Store) -> Iterator[None]:
    """Set MLflow's global tracking URI to `store`: its registry reads the model with its own client."""
    mlflow = import_mlflow()
    users_uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else ""
    mlflow.set_tracking_uri(store.uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(users_uri or store.uri)


def list(*, project: Project | None = None) -> Records[ModelVersion]:
    """List every version of every registered model, the newest first."""
    store = open_store(project or Project.find())
    found = [described(store, item) for item in search.pages(store.client.search_model_versions)]
    return Records(sorted(found, key=lambda item: item.created, reverse=True), empty=_EMPTY)


def version_of(
    store: Store, name: str, version: int = 0, *, alias: str = ""
) -> ModelVersion | None:
    """Return a registered model's version (default: the newest), or the version of `alias`.

    Returns None if no model with that name is registered, or the model has no such alias.

    Raises:
        NotFound: the model has no such version.
    """
    from mlflow.exceptions import MlflowException

    try:
        model = store.client.get_registered_model(name)
        if alias:
            number = (model.aliases or {}).get(alias)
            if number is None:
                return None
        else:
            number = version or latest(store, name)
    except MlflowException:
        return None
    try:
        return described(store, store.client.get_model_version(name, str(number)))
    except MlflowException:
        raise NotFound(
            f"Model '{name}' has no version {number}", "Type: %mlops model list"
        ) from None


def latest(store: Store, name: str) -> int:
    """Return the number of the newest version of a registered model."""
    versions = [int(item.version) for item in _versions_of(store, name)]
    if not versions:
        known = {item.name for item in search.pages(store.client.search_registered_models)}
        hint = "Type: %mlops model register RUN" if not known else "Type: %mlops model list"
        raise NotFound(f"No registered model '{name}'", nearest(name, known) or hint)
    return max(versions)


def _reason(error: Exception, name: str) -> str:
    """Return MLflow's reason for refusing a name, without the sentence that only repeats it."""
    return re.sub(rf"^Invalid model name:? '{re.escape(name)}'\. ", "", error_line(error))


def _versions_of(store: Store, name: str) -> Iterator[Any]:
    """Return the versions of the registered model with exactly this name."""
    found = search.pages(store.client.search_model_versions, search.clause("name", name))
    return (item for item in found if item.name == name)


def described(store: Store, item: Any) -> ModelVersion:
    """Return MLflow's model version as a record."""
    # Search results have no aliases; the registered model has all of them.
    aliases = store.client.get_registered_model(item.name).aliases
    return ModelVersion(
        name=item.name,
        version=int(item.version),
        run_id=item.run_id or "",
        aliases=sorted(
            alias for alias, version in aliases.items() if str(version) == str(item.version)
        ),
        gate=(item.tags or {}).get(GATE_TAG, ""),
        created=datetime.fromtimestamp(item.creation_timestamp / 1000, UTC),
    )
