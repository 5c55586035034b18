"""`model register`, `promote` and `list`: MLflow's registry, with aliases instead of stages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jupyter_mlops.errors import NotFound, UsageError, nearest
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.runs import query
from jupyter_mlops.runs.records import ModelVersion
from jupyter_mlops.runs.store import Store, open_store

_EMPTY = "No registered models yet. Type: %mlops model register RUN"


def register(run: str, *, name: str = "", project: Project | None = None) -> ModelVersion:
    """Register the model of a run as the next version of `name` (default: the run's name)."""
    from mlflow.exceptions import MlflowException

    project = project or Project.find()
    detail = query.get(run, project=project)
    if detail.model is None:
        raise NotFound(
            f"Run '{detail.name}' ({detail.run_id[:8]}) has no model",
            "Fit an estimator in the recorded cell, or name it: %%mlops run NAME --model VARIABLE",
        )
    store = open_store(project)
    name = name or detail.name
    with project.locked("registry"):
        for item in store.client.search_model_versions(f"run_id = '{detail.run_id}'"):
            if item.name == name:
                return _record(store, item)
        try:
            store.client.get_registered_model(name)
        except MlflowException:
            try:
                store.client.create_registered_model(name)
            except MlflowException as error:
                raise UsageError(
                    f"MLflow refuses the name '{name}': {str(error).splitlines()[0]}",
                    "Give another: --name NAME",
                ) from None
        made = store.client.create_model_version(
            name,
            f"models:/{detail.model.model_id}",
            run_id=detail.run_id,
            model_id=detail.model.model_id,
        )
    project.announce("model", "registered", name)
    return _record(store, made)


def promote(
    name: str, *, version: int = 0, alias: str = "champion", project: Project | None = None
) -> ModelVersion:
    """Point an alias at a version of a registered model (default: its latest)."""
    from mlflow.exceptions import MlflowException

    project = project or Project.find()
    store = open_store(project)
    wanted = version or _latest(store, name)
    try:
        store.client.set_registered_model_alias(name, alias, str(wanted))
        made = store.client.get_model_version(name, str(wanted))
    except MlflowException as error:
        if "not found" in str(error).lower():
            raise NotFound(f"'{name}' has no version {wanted}", "Type: %mlops model list") from None
        raise UsageError(
            f"MLflow refuses the alias '{alias}': {str(error).splitlines()[0]}"
        ) from None
    project.announce("model", "promoted", name)
    return _record(store, made)


def list_models(*, project: Project | None = None) -> Records[ModelVersion]:
    """List every version of every registered model, the newest first."""
    store = open_store(project or Project.find())
    found = [_record(store, item) for item in store.client.search_model_versions()]
    return Records(sorted(found, key=lambda item: item.created, reverse=True), empty=_EMPTY)


def _latest(store: Store, name: str) -> int:
    quoted = name.replace("'", "")
    versions = [
        int(item.version) for item in store.client.search_model_versions(f"name = '{quoted}'")
    ]
    if not versions:
        known = {item.name for item in store.client.search_registered_models()}
        raise NotFound(f"No registered model '{name}'", nearest(name, known) or _EMPTY)
    return max(versions)


def _record(store: Store, item: Any) -> ModelVersion:
    # Search results leave the aliases out; the model has them all.
    aliases = store.client.get_registered_model(item.name).aliases
    return ModelVersion(
        name=item.name,
        version=int(item.version),
        run_id=item.run_id or "",
        aliases=sorted(
            alias for alias, version in aliases.items() if str(version) == str(item.version)
        ),
        created=datetime.fromtimestamp(item.creation_timestamp / 1000, UTC),
    )
