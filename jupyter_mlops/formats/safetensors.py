"""safetensors: torch modules that cannot be traced, stored as weights, JSON and the source of their classes.

The weights load without running code, and so does a module of torch's own classes. A module of the notebook's classes
runs their source, so it needs the same permission as a pickle.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats.base.format import NotKept, PackedModel
from jupyter_mlops.formats.libraries import torch_modules

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.base.fitted_model import FittedModel
    from jupyter_mlops.formats.mlflow_models.mlmodel import Flavors

_STRUCTURE = "structure.json"
_SOURCE = "model.py"
_EXAMPLE_ROWS = 8


class Safetensors(torch_modules.TorchFormat):
    """`model.safetensors`, `structure.json`, and `model.py` if a notebook's cells define the classes."""

    name = "safetensors"
    help = "torch, any"
    libraries = frozenset({"pytorch"})
    file = "model.safetensors"
    order = 30
    automatic = True
    has_weights = True

    def save(self, found: FittedModel, *, params: list[Param], metrics: list[Metric]) -> None:
        """Log a module, if it can be rebuilt and the rebuilt module has the same outputs."""
        import mlflow.models

        from jupyter_mlops.environment.packages import pinned
        from jupyter_mlops.formats.libraries import torch_source, torch_structure
        from jupyter_mlops.formats.mlflow_models import model_log

        module = found.model
        try:
            structure, tensors = torch_structure.describe(module)
            classes = list({type(item): None for item in module.modules()})
            source = torch_source.of(classes)
            again = torch_structure.build(structure, tensors, source)
            signature = None
            if found.sample is not None:
                example = found.sample[:_EXAMPLE_ROWS]
                answers = _same_answers(module, again, example)
                signature = mlflow.models.infer_signature(example, answers)
        except NotKept:
            raise
        except Exception as error:  # a rebuild raises many types; a pickle may still work
            raise NotKept(f"{type(error).__name__}: {error}") from error
        code = not all(map(torch_structure.is_torchs, classes))
        # The packages of classes that are neither torch's nor the notebook's.
        packages = {kind.__module__.partition(".")[0] for kind in classes} - {"torch", "__main__"}
        needs = pinned("torch", "numpy", "safetensors", *sorted(packages))

        def write(folder: Path, mlflow_model: Any) -> None:
            from safetensors.torch import save_file

            folder.mkdir(parents=True)
            save_file(tensors, folder / self.file)
            (folder / _STRUCTURE).write_text(json.dumps(structure, indent=1))
            if source:
                (folder / _SOURCE).write_text(source)
            (folder / "requirements.txt").write_text("\n".join(needs))
            mlflow_model.signature = signature
            mlflow_model.add_flavor(self.name, weights=self.file, structure=_STRUCTURE, code=code)
            mlflow_model.save(str(folder / "MLmodel"))

        model_log.log(write, params=params, metrics=metrics)

    def matches(self, folder: Path, flavors: Flavors) -> bool:
        """Whether it is a torch model with a safetensors file."""
        named = bool({self.name, "pytorch"} & flavors.keys())
        return named and (folder / self.file).is_file()

    def check(self, folder: Path, flavors: Flavors) -> None:
        """Raise unless the weights are plain and all classes are torch's own."""
        from jupyter_mlops.formats.libraries import torch_structure
        from jupyter_mlops.model_files import safetensors_file
        from jupyter_mlops.model_files.refused import Refused

        safetensors_file.check(folder / self.file)
        if torch_structure.needs_code(*_stored(folder)):
            raise Refused("Its class is kept as source")

    def load(self, folder: Path, *, allow_code: bool) -> Any:
        """Rebuild the module."""
        from safetensors.torch import load_file

        from jupyter_mlops.formats.libraries import torch_structure
        from jupyter_mlops.model_files import safetensors_file

        safetensors_file.check(folder / self.file)
        structure, source = _stored(folder)
        if torch_structure.needs_code(structure, source) and not allow_code:
            raise MlopsError(
                "This model's class is kept as source, and loading it runs that code",
                "If you trust where it comes from, add --allow-pickle; its weights alone: models.load_weights(RUN)",
            )
        return torch_structure.build(structure, load_file(folder / self.file), source).eval()

    def weights(self, folder: Path) -> dict[str, Any]:
        """Return the weights in the file."""
        from safetensors.torch import load_file

        from jupyter_mlops.model_files import safetensors_file

        safetensors_file.check(folder / self.file)
        found: dict[str, Any] = load_file(folder / self.file)
        return found

    def pack(
        self,
        folder: Path,
        model: Any,
        target: Path,
        *,
        example: Any,
        allow_code: bool,
    ) -> PackedModel:
        """Export the module, or pickle it if the export fails and the user allows it."""
        return torch_modules.pack(model, target, example=example, allow_code=allow_code)


FORMAT = Safetensors()


def _stored(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the structure and the source of the classes; the source may be empty."""
    source = folder / _SOURCE
    return (
        json.loads((folder / _STRUCTURE).read_text(encoding="utf-8")),
        source.read_text(encoding="utf-8") if source.exists() else "",
    )


def _same_answers(module: Any, again: Any, example: Any) -> Any:
    """Return the module's outputs; raise NotKept if the rebuilt module's outputs differ."""
    import torch

    try:
        with torch_modules.evaluating(module) as device:
            answers = module(torch.from_numpy(example).to(device))
            others = again.eval()(torch.from_numpy(example))
    except Exception as error:
        raise NotKept(f"it cannot be built again ({type(error).__name__}: {error})") from error
    if not (isinstance(answers, torch.Tensor) and isinstance(others, torch.Tensor)):
        raise NotKept("it returns more than one tensor")
    if not torch.allclose(answers.cpu(), others, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise NotKept("the rebuilt model gives other answers")
    return answers.cpu().numpy()
