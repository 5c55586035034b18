"""Finds the models of a cell: fitted scikit-learn estimators and torch modules that were called."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from jupyter_mlops.cells.recorded_values import CellCode, is_simple
from jupyter_mlops.formats.base.fitted_model import FittedModel

if TYPE_CHECKING:
    from types import TracebackType

_SAMPLE_ROWS = 1000


class TorchInputs:
    """Stores the first input rows of each torch module, with torch's global forward hook."""

    def __init__(self, code: CellCode) -> None:
        # The cell imports it anyway; the hook must be there before the first call.
        self._torch = sys.modules.get("torch")
        if self._torch is None and "torch" in code.imports:
            import torch

            self._torch = torch
        self._handle: Any = None
        self.rows: dict[int, list[Any]] = {}
        self._counts: dict[int, int] = {}

    def __enter__(self) -> TorchInputs:
        """Register the hook, if torch is in use."""
        if self._torch is not None:
            hooks = self._torch.nn.modules.module
            self._handle = hooks.register_module_forward_pre_hook(self._before_forward)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the hook."""
        if self._handle is not None:
            self._handle.remove()

    def _before_forward(self, module: Any, args: tuple[Any, ...]) -> None:
        count = self._counts.get(id(module), 0)
        if count >= _SAMPLE_ROWS or len(args) != 1 or not hasattr(args[0], "detach"):
            return
        rows = args[0].detach()[: _SAMPLE_ROWS - count].cpu()
        if rows.ndim:
            self.rows.setdefault(id(module), []).append(rows.clone())
            self._counts[id(module)] = count + rows.shape[0]

    def sample(self, module: Any) -> Any:
        """Return the rows seen for `module` as a numpy array, or None."""
        kept = self.rows.get(id(module))
        if not kept or self._torch is None:
            return None
        same = [rows for rows in kept if rows.shape[1:] == kept[0].shape[1:]]
        return self._torch.cat(same).numpy()


def find(
    code: CellCode, namespace: dict[str, Any], torch_inputs: TorchInputs, wanted: str = ""
) -> list[FittedModel]:
    """Return the models that the cell made, the most likely one last.

    A model is a fitted estimator, or a torch module called in the cell, under a name that the cell
    assigns or fits. `wanted` picks one by its name.
    """
    names = [wanted] if wanted else dict.fromkeys([*code.assigned, *code.fitted, *code.used])
    found = []
    for name in names:
        value = namespace.get(name)
        if _is_estimator(value) and (wanted or name in code.assigned or name in code.fitted):
            found.append(_estimator(name, value, code, namespace))
        elif _is_module(value) and (id(value) in torch_inputs.rows or wanted):
            found.append(
                FittedModel(
                    name,
                    value,
                    "pytorch",
                    _torch_params(code, namespace),
                    torch_inputs.sample(value),
                )
            )
    return sorted(
        found, key=lambda item: hasattr(item.model, "predict") or item.flavor == "pytorch"
    )


def _is_estimator(value: Any) -> bool:
    base = sys.modules.get("sklearn.base")
    if base is None or not isinstance(value, base.BaseEstimator):
        return False
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(value)
    except (NotFittedError, TypeError):
        return False
    # A stateless transformer passes that check without ever being fitted.
    return hasattr(value, "predict") or hasattr(value, "n_features_in_")


def _is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _estimator(name: str, model: Any, code: CellCode, namespace: dict[str, Any]) -> FittedModel:
    params = _set_params(model, code)
    return FittedModel(name, model, "sklearn", params, _training_rows(name, model, code, namespace))


def _set_params(model: Any, code: CellCode) -> dict[str, Any]:
    """Return the hyper-parameters that the cell names or that differ from their defaults.

    Those of a pipeline are named by step, as in scikit-learn.
    """
    steps = getattr(model, "steps", None)
    if isinstance(steps, list):
        return {
            f"{step}__{k}": v for step, inner in steps for k, v in _set_params(inner, code).items()
        }
    if not hasattr(model, "get_params"):
        return {}
    import inspect

    defaults = {k: p.default for k, p in inspect.signature(type(model).__init__).parameters.items()}
    found: dict[str, Any] = {"estimator": type(model).__name__}
    for key, value in model.get_params(deep=False).items():
        default = type(value) is type(defaults.get(key)) and value == defaults.get(key)
        if is_simple(value) and (not default or key in code.keywords.get(type(model).__name__, ())):
            found[key] = value
    return found


def _training_rows(name: str, model: Any, code: CellCode, namespace: dict[str, Any]) -> Any:
    """Return training rows of the estimator: from the argument of its `fit`, else from matching data."""
    count = getattr(model, "n_features_in_", None)
    named = getattr(model, "feature_names_in_", None)
    argument = code.fitted.get(name) or code.fitted.get("")
    candidates: list[Any] = [namespace.get(argument)] if argument else []
    candidates += [namespace.get(item) for item in [*code.assigned, *code.used]]
    for value in candidates:
        columns = getattr(value, "columns", None)
        if named is not None:
            if columns is not None and set(named) <= set(columns) and len(value):
                return value[list(named)].iloc[_spread(len(value))]
        elif getattr(value, "ndim", 0) == 2 and getattr(value, "shape", (0, 0))[1] == count:
            rows = value.to_numpy() if columns is not None else value
            if type(rows).__module__.partition(".")[0] == "numpy" and len(rows):
                return rows[_spread(len(rows))]
    return None


def _spread(length: int) -> Any:
    """Return at most 1,000 positions spread evenly over `length` rows, so that order does not bias."""
    import numpy as np

    return np.unique(np.linspace(0, length - 1, min(length, _SAMPLE_ROWS)).astype(int))


def _torch_params(code: CellCode, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the optimiser's kind and settings, if the cell uses one."""
    torch = sys.modules["torch"]
    for name in [*code.assigned, *code.used]:
        value = namespace.get(name)
        if isinstance(value, torch.optim.Optimizer):
            simple = {k: v for k, v in value.defaults.items() if is_simple(v) and v is not None}
            kept = {
                k: v
                for k, v in simple.items()
                if k in {"lr", "momentum", "weight_decay", "betas", "eps"}
            }
            return {"optimizer": type(value).__name__} | kept
    return {}
