"""torch modules that `torch.export` cannot trace: weights as safetensors, the rest as plain JSON.

`structure.json` says what each submodule is: its class by name, its attributes, its parts. Modules of
torch's own classes are built again from it without running code. Other classes are imported, or come
from `model.py`; that runs code, so it asks for the same consent as a pickle, while the weights load
without any.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.environment.packages import pinned
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats.common import mlflow_log, torch_source

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param

FLAVOR = "safetensors"
WEIGHTS = "model.safetensors"
_STRUCTURE = "structure.json"
_SOURCE = "model.py"
_OURS = "torch.nn."


class NotKept(MlopsError):
    """The module has something that JSON cannot hold."""


def log_model(
    module: Any, example: Any, *, needs: list[str], params: list[Param], metrics: list[Metric]
) -> None:
    """Log a module into MLflow's active run, after it was built again and answered alike.

    Raises:
        NotKept: it cannot be; nothing is logged.
    """
    import mlflow.models

    tensors: dict[str, Any] = {}
    try:
        structure = _describe(module, "", tensors, {})
        classes = list({type(item): None for item in module.modules()})
        source = torch_source.of(classes)
        code = any(not kind.__module__.startswith(_OURS) for kind in classes)
        again = _built(structure, tensors, source)
        signature = None
        if example is not None:
            answers = _same_answers(module, again, example)
            signature = mlflow.models.infer_signature(example, answers)
    except NotKept:
        raise
    except Exception as error:  # whatever building it again stumbles over, a pickle may hold it
        raise NotKept(f"{type(error).__name__}: {error}") from error
    # What brings the classes that are neither torch's nor the notebook's.
    packages = {kind.__module__.partition(".")[0] for kind in classes} - {"torch", "__main__"}
    needs = [*needs, *pinned(*sorted(packages))]

    def save(folder: Path, mlflow_model: Any) -> None:
        from safetensors.torch import save_file

        folder.mkdir(parents=True)
        save_file(tensors, folder / WEIGHTS)
        (folder / _STRUCTURE).write_text(json.dumps(structure, indent=1))
        if source:
            (folder / _SOURCE).write_text(source)
        (folder / "requirements.txt").write_text("\n".join(needs))
        mlflow_model.signature = signature
        mlflow_model.add_flavor(FLAVOR, weights=WEIGHTS, structure=_STRUCTURE, code=code)
        mlflow_model.save(str(folder / "MLmodel"))

    mlflow_log.log(save, params=params, metrics=metrics)


def load(folder: Path, *, allow_code: bool) -> Any:
    """Build the module again.

    Raises:
        MlopsError: that runs the code of its classes, and `allow_code` is False.
    """
    from safetensors.torch import load_file

    structure, source = _stored(folder)
    if _needs(structure, source) and not allow_code:
        raise MlopsError(
            "This model's class is kept as source, and loading it runs that code",
            "If you trust where it comes from, add --allow-pickle; its weights alone: models.load_weights(RUN)",
        )
    return _built(structure, load_file(folder / WEIGHTS), source).eval()


def weights(folder: Path) -> dict[str, Any]:
    """Return the weights by their names; no code runs."""
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(folder / WEIGHTS)
    return found


def needs_code(folder: Path) -> bool:
    """Whether building the module runs code other than torch's, whatever the flavour says."""
    return _needs(*_stored(folder))


def _stored(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the structure, and the source where there is some."""
    source = folder / _SOURCE
    return (
        json.loads((folder / _STRUCTURE).read_text(encoding="utf-8")),
        source.read_text(encoding="utf-8") if source.exists() else "",
    )


def _needs(structure: dict[str, Any], source: str) -> bool:
    if source:
        return True
    waiting = [structure]
    while waiting:
        item = waiting.pop()
        if "same" not in item and not str(item.get("class")).startswith(_OURS):
            return True
        waiting += [part for part in item.get("modules", {}).values() if part]
    return False


def _describe(
    module: Any, path: str, tensors: dict[str, Any], seen: dict[int, str]
) -> dict[str, Any]:
    import torch

    if id(module) in seen:
        return {"same": seen[id(module)]}
    seen[id(module)] = path
    internal = vars(torch.nn.Module())
    if any(vars(module).get(name) for name in internal if name.endswith("_hooks")):
        raise NotKept("it has hooks")
    kind = type(module)
    if "<" in kind.__qualname__:
        raise NotKept(f"its class {kind.__qualname__} is defined inside a function")
    attributes = {
        name: _plain(value, f"{path}{name}")
        for name, value in vars(module).items()
        # A recurrent layer's list of its own weights is made again.
        if name not in internal and name not in {"_flat_weights", "_flat_weight_refs"}
    }
    held: dict[str, dict[str, Any]] = {"parameters": {}, "buffers": {}}
    for part, values in (("parameters", module._parameters), ("buffers", module._buffers)):  # noqa: SLF001
        for name, tensor in values.items():
            if tensor is None:
                held[part][name] = None
                continue
            key = seen.setdefault(id(tensor), f"{path}{name}")
            tensors[key] = tensor.detach().cpu().contiguous().clone()
            held[part][name] = [key, bool(tensor.requires_grad)]
    return {
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "attributes": attributes,
        **held,
        "passing": sorted(module._non_persistent_buffers_set),  # noqa: SLF001
        "modules": {
            name: _describe(part, f"{path}{name}.", tensors, seen) if part is not None else None
            for name, part in module._modules.items()  # noqa: SLF001
        },
    }


def _plain(value: Any, name: str) -> Any:
    """Return a value as JSON holds it, marked where it is not JSON's own kind."""
    import torch

    if value is None or type(value) in {bool, int, float, str}:
        return value
    if type(value) is list:
        return [_plain(item, name) for item in value]
    if type(value) in {tuple, set, torch.Size}:
        return {
            "kind": "set" if type(value) is set else "tuple",
            "items": [_plain(i, name) for i in value],
        }
    if type(value) is dict and all(type(key) is str for key in value):
        return {"kind": "dict", "items": {key: _plain(item, name) for key, item in value.items()}}
    if isinstance(value, torch.dtype):
        return {"kind": "dtype", "items": str(value).partition(".")[2]}
    name_of = str(getattr(value, "__name__", ""))
    if callable(value) and getattr(torch.nn.functional, name_of, None) is value:
        return {"kind": "function", "items": name_of}
    raise NotKept(f"its attribute '{name}' is a {type(value).__name__}")


def _value(plain: Any) -> Any:
    import torch

    if isinstance(plain, list):
        return [_value(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    kind, items = plain["kind"], plain["items"]
    if kind == "dict":
        return {key: _value(item) for key, item in items.items()}
    if kind == "dtype":
        found = getattr(torch, items, None)
        if not isinstance(found, torch.dtype):
            raise MlopsError(f"The model names a type '{items}' that torch has not")
        return found
    if kind == "function":
        found = None if items.startswith("_") else getattr(torch.nn.functional, items, None)
        if (
            not callable(found)
            or isinstance(found, type)
            or getattr(found, "__name__", "") != items
        ):
            raise MlopsError(f"The model names a function '{items}' that torch has not")
        return found
    return (set if kind == "set" else tuple)(_value(item) for item in items)


def _built(structure: dict[str, Any], tensors: dict[str, Any], source: str) -> Any:
    names: dict[str, Any] = {"__name__": "model"}
    if source:
        exec(compile(source, _SOURCE, "exec"), names)  # noqa: S102 - allowed by whoever loads it
    return _module(structure, "", tensors, names, {})


def _module(
    item: dict[str, Any],
    path: str,
    tensors: dict[str, Any],
    names: dict[str, Any],
    made: dict[str, Any],
) -> Any:
    import torch

    if "same" in item:
        return made[item["same"]]
    kind = _class(item["class"], names)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise MlopsError(
            f"'{item['class']}' is no torch module", "The model was made for other code"
        )
    if item["class"].startswith(_OURS) and not kind.__module__.startswith(_OURS):
        raise MlopsError(f"'{item['class']}' is not torch's own", "The model was made by hand")
    module: Any = object.__new__(kind)
    made[path] = module
    torch.nn.Module.__init__(module)
    internal = vars(torch.nn.Module())
    for key, value in item["attributes"].items():
        # torch calls what lies under its own names: hooks, and `forward` itself.
        calls = isinstance(value, dict) and hasattr(torch.nn.Module, key)
        if key.startswith("__") or key in internal or calls:
            raise MlopsError(f"The model sets '{key[:60]}', which is torch's own")
        object.__setattr__(module, key, _value(value))
    for key, held in item["parameters"].items():
        if held is not None and held[0] not in made:
            made[held[0]] = torch.nn.Parameter(tensors[held[0]], requires_grad=held[1])
        module.register_parameter(key, made[held[0]] if held else None)
    for key, held in item["buffers"].items():
        if held is not None:
            made.setdefault(held[0], tensors[held[0]])
        module.register_buffer(
            key, made[held[0]] if held else None, persistent=key not in item["passing"]
        )
    for key, part in item["modules"].items():
        built = _module(part, f"{path}{key}.", tensors, names, made) if part else None
        module.register_module(key, built)
    if hasattr(module, "_init_flat_weights"):
        module._init_flat_weights()  # noqa: SLF001 - a recurrent layer's own way to find its weights
    return module


def _class(reference: str, names: dict[str, Any]) -> Any:
    where, _, name = reference.partition(":")
    if where == "__main__":
        return names.get(name)
    try:
        return getattr(importlib.import_module(where), name, None)
    except ImportError:
        raise MlopsError(
            f"'{where}', which the model's class comes from, cannot be imported",
            "Put the code that it was made with on the path, or take models.load_weights(RUN)",
        ) from None


def _same_answers(module: Any, again: Any, example: Any) -> Any:
    """Return what the module answers, if the one that was built again answers alike."""
    import torch

    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            answers = module(torch.from_numpy(example).to(device))
            others = again.eval()(torch.from_numpy(example))
    except Exception as error:
        raise NotKept(f"it cannot be built again ({type(error).__name__}: {error})") from error
    finally:
        module.train(was_training)
    if not (isinstance(answers, torch.Tensor) and isinstance(others, torch.Tensor)):
        raise NotKept("it returns more than one tensor")
    if not torch.allclose(answers.cpu(), others, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise NotKept("built again it answers differently")
    return answers.cpu().numpy()
