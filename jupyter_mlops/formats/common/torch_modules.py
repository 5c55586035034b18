"""torch modules: called with rows, and packed for a Bento."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats.common.format import Packed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_mlops.formats.common.fitted import Fitted


@contextmanager
def evaluating(module: Any) -> Iterator[Any]:
    """Put a module into its mode for answers and give its device; afterwards it is as it was."""
    import torch

    was_training = module.training
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    module.eval()
    try:
        with torch.no_grad():
            yield device
    finally:
        module.to(device).train(was_training)


def signature(found: Fitted) -> Any:
    """Return MLflow's signature of a module, or None where its rows are not known or give no single tensor."""
    import mlflow.models
    import torch

    if found.sample is None:
        return None
    example = found.sample[:8]
    try:
        with evaluating(found.model) as device:
            output = found.model(torch.from_numpy(example).to(device))
    except Exception:  # a module may refuse to be called so; it is stored all the same
        return None
    if not isinstance(output, torch.Tensor):
        return None
    return mlflow.models.infer_signature(example, output.cpu().numpy())


def outputs(module: Any, rows: Any) -> Any:
    """Return a loaded module's answers to an array of rows, as an array."""
    import torch

    # A module that torch.export made has no eval(): it was exported in that mode.
    if not isinstance(module, torch.fx.GraphModule):
        module.eval()
    with torch.no_grad():
        output = module(torch.from_numpy(rows))
    output = output[0] if isinstance(output, (tuple, list)) else output
    return output.numpy()


def pack(module: Any, target: Path, *, example: Any, allow_code: bool) -> Packed:
    """Write a module for a Bento: exported, which needs no code, or as a pickle where the user allowed one.

    Raises:
        MlopsError: it is neither.
    """
    import torch

    module = module.eval()
    try:
        exported = torch.export.export(
            module, (torch.from_numpy(example),), dynamic_shapes=({0: torch.export.Dim.AUTO},)
        )
        torch.export.save(exported, target / "model.pt2")
    except Exception as error:  # what torch.export cannot trace is many kinds
        if not allow_code:
            # It was loaded without anybody's consent, so none was given to a pickle.
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


def exported_as_pt2() -> Packed:
    """Return how `model.pt2` is loaded when its file is checked."""
    return Packed(
        "torch-pt2",
        "model.pt2",
        loader="jupyter_mlops.model_files.pt2_file",
        asked="network",
        packages=("torch",),
    )


def pickled(file: str) -> Packed:
    """Return how a file of torch is loaded that may run code."""
    return Packed(
        "torch-pickle",
        file,
        loader="jupyter_mlops.model_files.pickle_file",
        asked="network",
        packages=("torch", "cloudpickle"),
    )
