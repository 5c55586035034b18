"""Describe a torch module as JSON and tensors, and rebuild it from both.

The JSON describes each submodule: its class by name, its attributes, its parts. Modules of torch's own classes are
rebuilt without running code; other classes are imported or defined by source, which runs code.
"""

from __future__ import annotations

import importlib
from typing import Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats.base.format import NotKept

_OURS = "torch.nn."
_SOURCE = "model.py"


def describe(module: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a module's structure, and its tensors by their names in the structure.

    Raises:
        NotKept: it has a value that JSON cannot store.
    """
    tensors: dict[str, Any] = {}
    return _describe(module, "", tensors, {}), tensors


def build(structure: dict[str, Any], tensors: dict[str, Any], source: str) -> Any:
    """Return the module; this executes `source` and imports other packages' classes.

    Raises:
        MlopsError: the structure has a name that is not in torch, or would replace torch's own code.
    """
    names: dict[str, Any] = {"__name__": "model"}
    if source:
        exec(compile(source, _SOURCE, "exec"), names)  # noqa: S102 - allowed by whoever loads it
    return _module(structure, "", tensors, names, {})


def is_torchs(kind: type[Any]) -> bool:
    """Whether a class is torch's own."""
    return kind.__module__.startswith(_OURS)


def needs_code(structure: dict[str, Any], source: str) -> bool:
    """Whether the rebuild of the module runs code other than torch's."""
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
        # A recurrent layer rebuilds the list of its weights.
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
    """Return a value as JSON, with a `kind` if it is not a JSON type."""
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
            raise MlopsError(f"The model names a type '{items}' that torch does not have")
        return found
    if kind == "function":
        found = None if items.startswith("_") else getattr(torch.nn.functional, items, None)
        if (
            not callable(found)
            or isinstance(found, type)
            or getattr(found, "__name__", "") != items
        ):
            raise MlopsError(f"The model names a function '{items}' that torch does not have")
        return found
    return (set if kind == "set" else tuple)(_value(item) for item in items)


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
            f"'{item['class']}' is no torch module",
            "The model belongs to another version of the code",
        )
    if item["class"].startswith(_OURS) and not kind.__module__.startswith(_OURS):
        raise MlopsError(
            f"'{item['class']}' is not torch's own", "jupyter-mlops did not write this file"
        )
    module: Any = object.__new__(kind)
    made[path] = module
    torch.nn.Module.__init__(module)
    internal = vars(torch.nn.Module())
    for key, value in item["attributes"].items():
        # torch calls attributes with its own names: hooks and `forward`.
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
        module._init_flat_weights()  # noqa: SLF001 - a recurrent layer collects its weights
    return module


def _class(reference: str, names: dict[str, Any]) -> Any:
    where, _, name = reference.partition(":")
    if where == "__main__":
        return names.get(name)
    try:
        return getattr(importlib.import_module(where), name, None)
    except ImportError:
        raise MlopsError(
            f"Module '{where}', which defines the model's class, cannot be imported",
            "Add its folder to sys.path, or use models.load_weights(RUN)",
        ) from None
