"""Requirements and signature of scikit-learn estimators, for every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_mlops.environment.packages import pinned

if TYPE_CHECKING:
    from jupyter_mlops.formats.base.fitted_model import FittedModel


def requirements() -> list[str]:
    """Return the pinned requirements; MLflow's own inference starts a process and takes 4 s."""
    return pinned("scikit-learn", "numpy", "pandas", "scipy", "skops", "cloudpickle")


def signature(found: FittedModel) -> Any:
    """Return MLflow's signature of an estimator, or None if its rows are not known."""
    import mlflow.models

    if found.sample is None or not hasattr(found.model, "predict"):
        return None
    # A hundred rows show the output type; a thousand take some models a second.
    return mlflow.models.infer_signature(found.sample, found.model.predict(found.sample[:100]))
