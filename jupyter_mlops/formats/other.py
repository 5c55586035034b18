"""MLflow's other flavours. `MLmodel` names the code that loads them, so loading needs the user's permission."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats.base.format import ALLOW, Format

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.formats.mlflow_models.mlmodel import Flavors

_KNOWN = ("sklearn", "pytorch", "onnx")


class Other(Format):
    """Every model that no other format matches; a user cannot choose it."""

    name = "unknown"
    order = sys.maxsize
    runs_code = True

    def matches(self, folder: Path, flavors: Flavors) -> bool:
        """Return True for every model."""
        return True

    def declared(self, flavors: Flavors) -> bool:
        """Return True for every model."""
        return True

    def label(self, flavors: Flavors) -> str:
        """Return the name of MLflow's flavour."""
        return min(flavors.keys() - {"python_function"}, default=self.name)

    def library(self, flavors: Flavors) -> str:
        """Return the name of MLflow's flavour."""
        return next((name for name in _KNOWN if name in flavors), next(iter(flavors), ""))

    def check(self, folder: Path, flavors: Flavors) -> None:
        """Raise: MLflow imports the module that `MLmodel` names."""
        from jupyter_mlops.model_files.refused import Refused

        raise Refused("to load it, MLflow runs code that its MLmodel file names")

    def load(self, folder: Path, *, allow_code: bool) -> Any:
        """Load the model with MLflow."""
        from jupyter_mlops.formats.base import registry
        from jupyter_mlops.formats.mlflow_models import mlmodel

        if not allow_code:
            raise MlopsError(
                "To load this model, MLflow runs code that its MLmodel file names", ALLOW
            )
        flavors = mlmodel.flavors(mlmodel.text(folder))
        declared = next(item for item in registry.every() if item.declared(flavors))
        if declared is not self:
            return declared.load(folder, allow_code=True)
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(folder))


FORMAT = Other()
