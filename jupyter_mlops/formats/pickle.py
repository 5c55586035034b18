"""pickle: for models that no other format can store. Loading runs code, so it needs the user's permission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_mlops.formats.base.format import ALLOW, NotKept, PackedModel
from jupyter_mlops.formats.libraries import torch_modules
from jupyter_mlops.text import error_line

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.base.fitted_model import FittedModel
    from jupyter_mlops.formats.mlflow_models.mlmodel import Flavors


class Pickle(torch_modules.TorchFormat):
    """MLflow's own pickles of scikit-learn and torch."""

    name = "pickle"
    help = "any; loaded only with --allow-pickle"
    libraries = frozenset({"sklearn", "pytorch"})
    order = 90
    automatic = True
    runs_code = True

    def save(self, found: FittedModel, *, params: list[Param], metrics: list[Metric]) -> None:
        """Log the model; MLflow adds the run's params and metrics."""
        try:
            if found.flavor == "sklearn":
                _save_sklearn(found)
            else:
                _save_torch(found)
        except Exception as error:  # a pickler raises any error of the model's parts
            raise NotKept(error_line(error)) from error

    def matches(self, folder: Path, flavors: Flavors) -> bool:
        """Whether MLflow loads it from a pickle; the other formats are tried first."""
        return bool(self.libraries & flavors.keys())

    def declared(self, flavors: Flavors) -> bool:
        """Whether MLflow loads it from a pickle."""
        return bool(self.libraries & flavors.keys())

    def library(self, flavors: Flavors) -> str:
        """Return the library of the pickled model."""
        return "sklearn" if "sklearn" in flavors else "pytorch"

    def check(self, folder: Path, flavors: Flavors) -> None:
        """Raise: loading a pickle runs code."""
        from jupyter_mlops.model_files.refused import Refused

        raise Refused("it is a pickle")

    def load(self, folder: Path, *, allow_code: bool) -> Any:
        """Return the model, a torch module on the CPU."""
        from jupyter_mlops.errors import MlopsError
        from jupyter_mlops.formats.mlflow_models import mlmodel
        from jupyter_mlops.tracking.mlflow_import import import_mlflow

        if not allow_code:
            raise MlopsError("Loading a pickle runs the code it holds", ALLOW)
        import_mlflow()
        if self.library(mlmodel.flavors(mlmodel.text(folder))) == "sklearn":
            import mlflow.sklearn

            return mlflow.sklearn.load_model(str(folder))
        import mlflow.pytorch

        return mlflow.pytorch.load_model(str(folder), map_location="cpu")

    def pack(
        self,
        folder: Path,
        model: Any,
        target: Path,
        *,
        example: Any,
        allow_code: bool,
    ) -> PackedModel:
        """Pickle an estimator; export a torch module, or pickle it if the export fails."""
        if self.is_network(model):
            return torch_modules.pack(model, target, example=example, allow_code=allow_code)
        import cloudpickle

        from jupyter_mlops.model_files import pickle_file

        with (target / "model.pkl").open("wb") as file:
            cloudpickle.dump(model, file)
        return PackedModel(
            self.name,
            "model.pkl",
            loader=pickle_file.__name__,
            asked="estimator",
            packages=("scikit-learn", "scipy", "cloudpickle"),
        )

    def is_network(self, model: Any) -> bool:
        """Whether it is a torch module."""
        import sys

        torch = sys.modules.get("torch")
        return torch is not None and isinstance(model, torch.nn.Module)


FORMAT = Pickle()


def _save_sklearn(found: FittedModel) -> None:
    import mlflow.sklearn

    from jupyter_mlops.formats.libraries import estimators

    mlflow.sklearn.log_model(
        found.model,
        name="model",
        serialization_format="cloudpickle",
        signature=estimators.signature(found),
        pip_requirements=estimators.requirements(),
    )


def _save_torch(found: FittedModel) -> None:
    import mlflow.pytorch

    from jupyter_mlops.environment.packages import pinned

    mlflow.pytorch.log_model(
        found.model,
        name="model",
        serialization_format="pickle",
        signature=torch_modules.signature(found),
        pip_requirements=pinned("torch", "numpy"),
    )
