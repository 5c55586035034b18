"""What a skops file is called before it is loaded, and what loading it does, are the same."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.sparse
import skops.io
from sklearn.preprocessing import FunctionTransformer

from jupyter_mlops import formats
from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.trials import Trials

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
_MODEL = (
    "flavors:\n  sklearn:\n    pickled_model: model.skops\n    serialization_format: skops\n"
    "    code:\n    sklearn_version: 1.9.1\n"
)


#: Usual as an object in a model; where a function should be, only loading sees that they are none.
_OBJECTS = (np.ndarray, np.ma.MaskedArray, np.random.RandomState, np.random.Generator, np.random.BitGenerator)  # fmt: skip
_MATRICES = (scipy.sparse.spmatrix, scipy.sparse.sparray)


def _functions() -> Iterator[Any]:
    """Yield every function and class of numpy's own modules that skops writes, and some of Python's and scipy's."""
    modules = [np, np.ctypeslib, np.random, np.lib.format, np.ma, np.testing, scipy.sparse]
    for module in modules:
        for name in sorted(dir(module)):
            found = getattr(module, name)
            if not name.startswith("_") and (callable(found) and not inspect.ismodule(found)):
                yield found
    yield from (
        eval,
        exec,
        open,
        getattr,
        vars,
        globals,
        breakpoint,
        memoryview,
        np.load,
        np.memmap,
    )


def test_a_function_that_loading_refuses_is_not_called_safe(tmp_path: Path, trials: Trials) -> None:
    (tmp_path / "MLmodel").write_text(_MODEL)
    tried = safe = 0
    wrong = []
    for function in _functions():
        try:
            skops.io.dump(FunctionTransformer(function), tmp_path / "model.skops")
        except Exception:  # skops cannot write it
            continue
        tried += 1
        judged = formats.judge(tmp_path)
        try:
            formats.load(tmp_path, "skops", allow_pickle=False)
            loads = True
        except MlopsError:
            loads = False
        safe += loads
        an_object = isinstance(function, type) and issubclass(function, (*_OBJECTS, *_MATRICES))
        if judged.safe != loads and not (an_object and not loads):
            wrong.append(f"{function!r}: {judged.why or 'safe'}, loads: {loads}")
    assert wrong == []
    assert tried > 300
    assert safe > 80
    trials("functions and types in a skops file", tried, f"{safe} load; judged as they are loaded")
