"""What the formats of torch modules share: calling a module with rows, its signature, its files in a Bento."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats.base.format import Format, PackedModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_mlops.formats.base.fitted_model import FittedModel


class TorchFormat(Format):
    """A format whose models are torch modules."""

    def is_network(self, model: Any) -> bool:
        """Return True: each model of this format is a torch module."""
        return True

    def outputs(self, model: Any, rows: Any) -> Any:
        """Return a loaded module's outputs for an array of rows, as an array."""
        import torch

        # A module from torch.export has no eval(): it was exported in that mode.
        if not isinstance(model, torch.fx.GraphModule):
            model.eval()
        with torch.no_grad():
            output = model(torch.from_numpy(rows))
        output = output[0] if isinstance(output, (tuple, list)) else output
        return output.numpy()


@contextmanager
def evaluating(module: Any) -> Iterator[Any]:
    """Set a module to evaluation mode and yield its device; restore its mode and device afterwards."""
    import torch

    was_training = module.training
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    module.eval()
    try:
        with torch.no_grad():
            yield device
    finally:
        module.to(device).train(was_training)


def signature(found: FittedModel) -> Any:
    """Return MLflow's signature of a module; None if its rows are not known or its output is not one tensor."""
    import mlflow.models
    import torch

    if found.sample is None:
        return None
    example = found.sample[:8]
    try:
        with evaluating(found.model) as device:
            output = found.model(torch.from_numpy(example).to(device))
    except Exception:  # this call may fail; the module is stored anyway
        return None
    if not isinstance(output, torch.Tensor):
        return None
    return mlflow.models.infer_signature(example, output.cpu().numpy())


def pack(module: Any, target: Path, *, example: Any, allow_code: bool) -> PackedModel:
    """Write a module for a Bento: exported, which needs no code, or as a pickle if the user allowed it.

    Raises:
        MlopsError: neither is possible.
    """
    import torch

    module = module.eval()
    try:
        exported = torch.export.export(
            module, (torch.from_numpy(example),), dynamic_shapes=({0: torch.export.Dim.AUTO},)
        )
        torch.export.save(exported, target / "model.pt2")
    except Exception as error:  # a failed trace raises many types
        if not allow_code:
            # The user did not allow a pickle.
            raise MlopsError(
                f"The model cannot be exported: {error}", "Record it with --format onnx"
            ) from None
        import cloudpickle

        try:
            torch.save(module, target / "model.pth", pickle_module=cloudpickle)
        except Exception as error:
            raise MlopsError(f"The model cannot be stored: {error}") from None
        return pickled("model.pth")
    return exported_as_pt2()


def exported_as_pt2() -> PackedModel:
    """Return how a service loads `model.pt2` with a check of the file."""
    from jupyter_mlops.model_files import pt2_file

    return PackedModel(
        "torch-pt2",
        "model.pt2",
        loader=pt2_file.__name__,
        asked="network",
        packages=("torch",),
    )


def pickled(file: str) -> PackedModel:
    """Return how a service loads a torch file that may run code."""
    from jupyter_mlops.model_files import pickle_file

    return PackedModel(
        "torch-pickle",
        file,
        loader=pickle_file.__name__,
        asked="network",
        packages=("torch", "cloudpickle"),
    )
