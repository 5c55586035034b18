"""`model promote`: set an alias to a version; if a gate guards the alias, it must pass."""

from __future__ import annotations

from jupyter_mlops.errors import Conflict, MlopsError, NotFound, UsageError
from jupyter_mlops.models.evaluation import gate
from jupyter_mlops.models.registry import GATE_TAG, described, latest
from jupyter_mlops.project import Project
from jupyter_mlops.runs.records import ModelVersion
from jupyter_mlops.text import cut, error_line
from jupyter_mlops.tracking.store import open_store


def promote(
    name: str,
    *,
    version: int = 0,
    alias: str = "champion",
    force: bool = False,
    allow_pickle: bool = False,
    project: Project | None = None,
) -> ModelVersion:
    """Set an alias to a version of a registered model (default: its latest).

    The gate of mlops.toml guards `champion`, or the alias that its `against` names. Other aliases,
    such as challenger, have no gate. The version's tag `mlops.gate` stores the gate's result.

    Args:
        name: the registered model.
        version: default: its latest.
        alias: champion, challenger, ….
        force: promote even if the gate refuses; the tag records it.
        allow_pickle: let the gate load models that are stored as pickles.
        project: default: the project at or above the working folder.

    Raises:
        NotFound: there is no such model or version.
        Conflict: the gate refuses it.
    """
    from mlflow.exceptions import MlflowException

    project = project or Project.find()
    store = open_store(project)
    wanted = version or latest(store, name)
    # Under the lock, so that the champion does not change between comparison and promotion.
    with project.locked("registry"):
        try:
            store.client.get_model_version(name, str(wanted))
        except MlflowException:
            raise NotFound(
                f"Model '{name}' has no version {wanted}", "Type: %mlops model list"
            ) from None
        verdict = ""
        if gate.guards(alias, project):
            verdict = _verdict(name, wanted, force, allow_pickle, project)
        try:
            store.client.set_registered_model_alias(name, alias, str(wanted))
        except MlflowException as error:
            raise UsageError(
                f"MLflow refuses the alias '{alias}': {error_line(error)}",
                "Use letters, digits, '-' and '_', for example: --alias champion",
            ) from None
        if verdict:
            store.client.set_model_version_tag(name, str(wanted), GATE_TAG, verdict)
        made = store.client.get_model_version(name, str(wanted))
    project.announce("model", "promoted", name)
    return described(store, made)


def _verdict(name: str, version: int, force: bool, allow_pickle: bool, project: Project) -> str:
    try:
        found = gate.gate(name, version=version, allow_pickle=allow_pickle, project=project)
        refusal = found.error
    except MlopsError as error:
        if not force:
            raise
        refusal = str(error)
    if not refusal:
        return "passed"
    if not force:
        raise Conflict(
            f"The gate refuses {name} version {version}: {refusal}",
            f"See: %mlops model gate {name} · or promote it all the same: --force",
        )
    return cut(f"forced: {refusal}", 500)
