"""The noun `model`: a run's model, registered under a name, with versions, aliases and a gate.

Importing this loads nothing heavy; MLflow is loaded by the first verb that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.models.evaluation.evaluate import evaluate
    from jupyter_mlops.models.evaluation.gate import gate
    from jupyter_mlops.models.evaluation.promote import promote
    from jupyter_mlops.models.evaluation.records import Evaluation, Gate
    from jupyter_mlops.models.model import (
        Model,
        load_model,
        load_weights,
        model_files,
        signature,
        training_data,
    )
    from jupyter_mlops.models.registry import list, register
    from jupyter_mlops.runs.records import ModelVersion

_HOME = {
    "Evaluation": "evaluation.records",
    "Gate": "evaluation.records",
    "Model": "model",
    "evaluate": "evaluation.evaluate",
    "gate": "evaluation.gate",
    "list": "registry",
    "load_model": "model",
    "load_weights": "model",
    "model_files": "model",
    "promote": "evaluation.promote",
    "register": "registry",
    "signature": "model",
    "training_data": "model",
}
_BELOW = {"ModelVersion": "jupyter_mlops.runs.records"}
__all__ = [
    "Evaluation",
    "Gate",
    "Model",
    "ModelVersion",
    "evaluate",
    "gate",
    "list",
    "load_model",
    "load_weights",
    "model_files",
    "promote",
    "register",
    "signature",
    "training_data",
]

__getattr__ = lazy.attributes(__name__, _HOME, _BELOW)
