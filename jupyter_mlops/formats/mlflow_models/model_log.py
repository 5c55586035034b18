"""Log a model into MLflow's active run, with few calls to the store.

The result is the same as from `mlflow.models.Model.log`. That function reads the run, the history of every metric,
the model and its folder several times; the recorder already has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import temporary
from jupyter_mlops.tracking.mlflow_import import import_mlflow

if TYPE_CHECKING:
    from collections.abc import Callable

    import mlflow.models
    from mlflow.entities import Metric, Param


def log(
    save: Callable[[Path, mlflow.models.Model], None],
    *,
    params: list[Param],
    metrics: list[Metric],
) -> str:
    """Log a model named `model` and return its id.

    Args:
        save: creates the model's folder with `MLmodel` and the files that it names.
        params: the run's parameters; MLflow shows them with the model.
        metrics: the run's metrics; MLflow shows them with the model.
    """
    mlflow = import_mlflow()
    from mlflow.entities import LoggedModelOutput, Metric
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    client = mlflow.MlflowClient()
    run = mlflow.active_run().info
    logged = client.create_logged_model(
        run.experiment_id,
        name="model",
        source_run_id=run.run_id,
        params={item.key: item.value for item in params},
    )
    status = "FAILED"
    try:
        with temporary.folder() as folder:
            path = folder / "model"
            model = mlflow.models.Model(
                artifact_path=logged.artifact_location,
                run_id=run.run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            )
            save(path, model)
            get_artifact_repository(
                logged.artifact_location, tracking_uri=mlflow.get_tracking_uri()
            ).log_artifacts(str(path))
        status = "READY"
    finally:
        client.finalize_logged_model(logged.model_id, status)
    client.log_outputs(run.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    if metrics:
        client.log_batch(
            run.run_id,
            metrics=[
                Metric(
                    item.key,
                    item.value,
                    item.timestamp,
                    item.step,
                    model_id=logged.model_id,
                    run_id=run.run_id,
                )
                for item in metrics
            ],
        )
    return str(logged.model_id)
