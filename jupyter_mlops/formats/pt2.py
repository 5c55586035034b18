"""pt2: torch modules traced by `torch.export`, loaded without running code."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from jupyter_mlops.formats.base.format import ALLOW, NotKept, PackedModel
from jupyter_mlops.formats.libraries import torch_modules

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.base.fitted_model import FittedModel
    from jupyter_mlops.formats.mlflow_models.mlmodel import Flavors

_EXAMPLE_ROWS = 8


class Pt2(torch_modules.TorchFormat):
    """Graph and weights of a torch module, in MLflow's pytorch flavour."""

    name = "pt2"
    help = "torch, traced"
    libraries = frozenset({"pytorch"})
    file = "data/model.pt2"
    order = 20
    automatic = True
    has_weights = True
    remedy = ALLOW

    def save(self, found: FittedModel, *, params: list[Param], metrics: list[Metric]) -> None:
        """Log a module, if `torch.export` can trace it; MLflow adds the run's params and metrics."""
        import contextlib
        import io

        import mlflow.pytorch
        import torch

        from jupyter_mlops.environment.packages import pinned

        if found.sample is None:
            raise NotKept("it is not known which rows it was called with")
        example = found.sample[:_EXAMPLE_ROWS]
        try:
            with torch_modules.evaluating(found.model) as device:
                output = found.model(torch.from_numpy(example).to(device))
                signature = mlflow.models.infer_signature(example, output.cpu().numpy())
                # After a failed trace, it prints the whole graph to stderr.
                with contextlib.redirect_stderr(io.StringIO()):
                    mlflow.pytorch.log_model(
                        found.model.cpu(), name="model", serialization_format="pt2",
                        input_example=example, signature=signature,
                        pip_requirements=pinned("torch", "numpy"),
                    )  # fmt: skip
        except Exception as error:  # a failed trace raises many types
            raise NotKept(
                f"torch.export cannot trace this model ({type(error).__name__})"
            ) from error

    def matches(self, folder: Path, flavors: Flavors) -> bool:
        """Whether it is a torch model with a pt2 file."""
        return "pytorch" in flavors and (folder / self.file).is_file()

    def declared(self, flavors: Flavors) -> bool:
        """Whether MLflow's flavour has this serialization format."""
        return flavors.get("pytorch", {}).get("serialization_format") == self.name

    def check(self, folder: Path, flavors: Flavors) -> None:
        """Raise unless the file holds a program of known operators and plain numbers."""
        from jupyter_mlops.model_files import pt2_file

        pt2_file.check(folder / self.file)

    def load(self, folder: Path, *, allow_code: bool) -> Any:
        """Return the module, on the CPU."""
        from jupyter_mlops.formats.mlflow_models.quiet import quiet
        from jupyter_mlops.model_files import pt2_file
        from jupyter_mlops.model_files.refused import Refused

        with quiet():
            try:
                return pt2_file.load(folder / self.file).module()
            except Refused:
                if not allow_code:
                    raise
            import torch

            return torch.export.load(str(folder / self.file)).module()

    def weights(self, folder: Path) -> dict[str, Any]:
        """Return the weights of the checked program."""
        from jupyter_mlops.formats.mlflow_models.quiet import quiet
        from jupyter_mlops.model_files import pt2_file

        with quiet():
            return dict(pt2_file.load(folder / self.file).state_dict)

    def pack(
        self,
        folder: Path,
        model: Any,
        target: Path,
        *,
        example: Any,
        allow_code: bool,
    ) -> PackedModel:
        """Copy the file."""
        shutil.copyfile(folder / self.file, target / "model.pt2")
        return torch_modules.pickled("model.pt2") if allow_code else torch_modules.exported_as_pt2()


FORMAT = Pt2()
