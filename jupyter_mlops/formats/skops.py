"""Scikit-learn models in MLflow, written as `mlflow.sklearn` does with skops, faster.

MLflow's own loads every model back once it is written, to see whether its types are trusted; that
doubles the time. Here the types are read off the file, and each new set of them is judged once. What
is written is the same: `mlflow.sklearn.load_model` and `mlflow.pyfunc.load_model` read it.
"""

from __future__ import annotations

import json
import platform
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.environment.packages import pinned
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats.common import mlflow_log

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param

MODEL_FILE = "model.skops"
_SCHEMA = "schema.json"
#: What brings the estimators that are not scikit-learn's own.
_PACKAGES = {"lightgbm": ("lightgbm",), "xgboost": ("xgboost", "xgboost-cpu")}
_TYPE = re.compile(rb'"__(class|module)__": "([^"]+)"')
_judged: dict[frozenset[bytes], frozenset[str]] = {}


class Untrusted(MlopsError):
    """The model holds types that skops would not load, or cannot be written by it at all."""


def log_model(
    model: Any,
    *,
    trusted: frozenset[str],
    signature: Any,
    pip_requirements: list[str],
    params: list[Param],
    metrics: list[Metric],
) -> None:
    """Log a model into MLflow's active run.

    Raises:
        Untrusted: it holds types outside `trusted`; nothing is logged.
    """
    try:
        content = dumps(model)
    except Exception as error:  # skops raises its own and others for types it does not know
        raise Untrusted(f"skops cannot write this model: {error}") from error
    unknown = untrusted_types(content)
    if unknown - trusted:
        raise Untrusted(f"The model holds {', '.join(sorted(unknown - trusted))}")
    packages = {name.partition(".")[0] for name in unknown}
    also = [package for name in sorted(packages) for package in _PACKAGES.get(name, ())]
    needs = [*pip_requirements, *pinned(*also)]

    def save(folder: Path, mlflow_model: Any) -> None:
        mlflow_model.signature = signature
        _save(folder, mlflow_model, content, sorted(unknown), needs, model)

    mlflow_log.log(save, params=params, metrics=metrics)


def dumps(model: Any) -> bytes:
    """Return a model as a skops file, as `skops.io.dumps` would, in less than half of its time.

    skops indents its JSON for the eye, which keeps Python's fast encoder from being used: of a forest
    of 100 trees that takes longer than all the rest.
    """
    import io

    import skops.io

    try:
        from skops.io._utils import SaveContext, get_state
    except ImportError:  # these two names are skops' own
        content: bytes = skops.io.dumps(model)
        return content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        context = SaveContext(zip_file=archive)
        state = get_state(model, context)
        context.clear_memo()
        state |= {"protocol": context.protocol, "_skops_version": skops.__version__}
        archive.writestr(_SCHEMA, json.dumps(state))
    return buffer.getvalue()


def untrusted_types(content: bytes) -> frozenset[str]:
    """Return the types in a skops file that skops does not trust by itself."""
    import io

    import skops.io

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = archive.read(_SCHEMA)
    # The names tell which types there are; only a set that is new has to be judged by skops.
    kinds = frozenset(name for _, name in set(_TYPE.findall(schema)))
    if kinds not in _judged:
        _judged[kinds] = frozenset(skops.io.get_untrusted_types(data=content))
    return _judged[kinds]


def _save(
    folder: Path,
    mlflow_model: Any,
    content: bytes,
    trusted: list[str],
    pip_requirements: list[str],
    model: Any,
) -> None:
    """Write a model's folder as `mlflow.sklearn.save_model` does."""
    import mlflow.pyfunc
    import sklearn
    import yaml

    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(content)
    python = platform.python_version()
    requirements = [f"mlflow=={mlflow.__version__}", *pip_requirements]
    (folder / "requirements.txt").write_text("\n".join(requirements))
    environment = {
        "python": python,
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment, sort_keys=False))
    conda = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
        "name": "mlflow-env",
    }
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False))
    if hasattr(model, "predict"):
        mlflow.pyfunc.add_to_model(
            mlflow_model,
            loader_module="mlflow.sklearn",
            model_path=MODEL_FILE,
            conda_env="conda.yaml",
            python_env="python_env.yaml",
            predict_fn="predict",
        )
    mlflow_model.add_flavor(
        "sklearn",
        pickled_model=MODEL_FILE,
        sklearn_version=sklearn.__version__,
        serialization_format="skops",
        code=None,
        skops_trusted_types=trusted,
    )
    mlflow_model.model_size_bytes = len(content)
    mlflow_model.save(str(folder / "MLmodel"))
