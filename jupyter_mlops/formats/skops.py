"""skops: scikit-learn, LightGBM and XGBoost estimators, loaded without running code.

The files are the same as from `mlflow.sklearn` with skops, but are written faster: MLflow loads each written model to
check its types, which doubles the time. Here the types are read from the file, and each new set of types is checked
once. `mlflow.sklearn.load_model` and `mlflow.pyfunc.load_model` can load the model.
"""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

from jupyter_mlops.formats.base.format import Format, NotKept, PackedModel

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.base.fitted_model import FittedModel
    from jupyter_mlops.formats.mlflow_models.mlmodel import Flavors

_SCHEMA = "schema.json"
#: The packages of estimators that are not scikit-learn's own.
_PACKAGES = {"lightgbm": ("lightgbm",), "xgboost": ("xgboost", "xgboost-cpu")}
_TYPE = re.compile(rb'"__(class|module)__": "([^"]+)"')
_judged: dict[frozenset[bytes], frozenset[str]] = {}
#: The types that skops trusts by default, except that every class of scikit-learn counts here. The exact list needs the
#: import of every estimator; it is used when the model is loaded.
_USUAL = re.compile(
    r"builtins\.(bool|bytearray|bytes|dict|float|int|list|map|set|slice|str|tuple)|collections\.(OrderedDict|defaultdict)"
    r"|numpy\.(ndarray|ma\.MaskedArray|ma\.core\.MaskedArray|random\.mtrand\.RandomState|random\._generator\.Generator)"
    r"|scipy\.special\.(_special_ufuncs|_ufuncs)\.\w+"
    r"|scipy\.sparse\._(bsr|coo|csc|csr|dia|dok|lil)\.(bsr|coo|csc|csr|dia|dok|lil)_(matrix|array)"
    r"|sklearn(\.\w+)*\.[A-Z]\w*|sklearn\._loss\.\w+\.Cy\w+|sklearn\.ensemble\._hist_gradient_boosting\.binning\._BinMapper",
    re.ASCII,
)
_OF_NUMPY = re.compile(r"numpy(?:\.random(?:\._\w+)?)?\.(\w+)", re.ASCII)


def _is_usual(name: str) -> bool:
    """Return whether skops trusts a type or function by default; of numpy, only numbers, ufuncs and bit generators."""
    if _USUAL.fullmatch(name):
        return True
    if not (of_numpy := _OF_NUMPY.fullmatch(name)):
        return False
    import numpy as np

    if name.startswith("numpy.random."):
        found = getattr(np.random, of_numpy[1], None)
        return isinstance(found, type) and issubclass(found, np.random.BitGenerator)
    found = getattr(np, of_numpy[1], None)
    return isinstance(found, np.ufunc) or any(found is kind for kind in np.sctypeDict.values())


class Skops(Format):
    """An archive of JSON and arrays; skops or our reviewed list trusts each of its types."""

    name = "skops"
    help = "scikit-learn, LightGBM, XGBoost"
    libraries = frozenset({"sklearn"})
    file = "model.skops"
    order = 10
    automatic = True
    remedy = "Load it by skops.io.load yourself, if you trust where it comes from"

    def save(self, found: FittedModel, *, params: list[Param], metrics: list[Metric]) -> None:
        """Log an estimator, if all its types are trusted."""
        from jupyter_mlops.environment.packages import pinned
        from jupyter_mlops.formats.libraries import estimators
        from jupyter_mlops.formats.mlflow_models import model_log
        from jupyter_mlops.model_files.skops_trusted import TRUSTED

        try:
            content = dumps(found.model)
        except Exception as error:  # skops raises its own and others for types it does not know
            raise NotKept(f"skops cannot write this model: {error}") from error
        unknown = untrusted_types(content)
        if unknown - TRUSTED:
            raise NotKept(f"The model holds {', '.join(sorted(unknown - TRUSTED))}")
        packages = {name.partition(".")[0] for name in unknown}
        also = [package for name in sorted(packages) for package in _PACKAGES.get(name, ())]
        needs = [*estimators.requirements(), *pinned(*also)]
        signature = estimators.signature(found)

        def write(folder: Path, mlflow_model: Any) -> None:
            mlflow_model.signature = signature
            _write(folder, mlflow_model, content, sorted(unknown), needs, found.model)

        model_log.log(write, params=params, metrics=metrics)

    def matches(self, folder: Path, flavors: Flavors) -> bool:
        """Whether it is a scikit-learn model with a skops file."""
        return "sklearn" in flavors and (folder / self.file).is_file()

    def declared(self, flavors: Flavors) -> bool:
        """Whether MLflow's flavour has this serialization format."""
        return flavors.get("sklearn", {}).get("serialization_format") == self.name

    def check(self, folder: Path, flavors: Flavors) -> None:
        """Raise unless the file names only trusted types."""
        from jupyter_mlops.model_files import skops_file
        from jupyter_mlops.model_files.refused import Refused
        from jupyter_mlops.model_files.skops_trusted import TRUSTED

        strange = sorted(
            name
            for name in skops_file.types((folder / self.file).read_bytes()) - TRUSTED
            if not _is_usual(name)
        )
        if strange:
            raise Refused(
                f"It holds types that are not on the trusted list: {', '.join(strange[:5])}"
            )

    def load(self, folder: Path, *, allow_code: bool) -> Any:
        """Return the estimator."""
        from jupyter_mlops.model_files import skops_file

        return skops_file.load((folder / self.file).read_bytes())

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
        from jupyter_mlops.model_files import skops_file

        shutil.copyfile(folder / self.file, target / self.file)
        return PackedModel(
            self.name,
            self.file,
            loader=skops_file.__name__,
            asked="estimator",
            packages=("scikit-learn", "scipy", "skops"),
        )


FORMAT = Skops()


def dumps(model: Any) -> bytes:
    """Return a model as a skops file, like `skops.io.dumps`, in less than half of its time.

    skops indents its JSON, which excludes Python's fast encoder. For a forest of 100 trees the slow
    encoder takes more than half of the time.
    """
    import io
    import zipfile

    import skops.io

    try:
        from skops.io._utils import SaveContext, get_state
    except ImportError:  # these two names are private to skops
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
    """Return the types in a skops file that skops does not trust by default."""
    import io
    import zipfile

    import skops.io

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = archive.read(_SCHEMA)
    # skops checks each new set of type names once.
    kinds = frozenset(name for _, name in set(_TYPE.findall(schema)))
    if kinds not in _judged:
        _judged[kinds] = frozenset(skops.io.get_untrusted_types(data=content))
    return _judged[kinds]


def _write(
    folder: Path,
    mlflow_model: Any,
    content: bytes,
    trusted: list[str],
    pip_requirements: list[str],
    model: Any,
) -> None:
    """Write a model's folder in the layout of `mlflow.sklearn.save_model`."""
    import platform

    import mlflow.pyfunc
    import sklearn
    import yaml

    folder.mkdir(parents=True)
    (folder / FORMAT.file).write_bytes(content)
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
            model_path=FORMAT.file,
            conda_env="conda.yaml",
            python_env="python_env.yaml",
            predict_fn="predict",
        )
    mlflow_model.add_flavor(
        "sklearn",
        pickled_model=FORMAT.file,
        sklearn_version=sklearn.__version__,
        serialization_format="skops",
        code=None,
        skops_trusted_types=trusted,
    )
    mlflow_model.model_size_bytes = len(content)
    mlflow_model.save(str(folder / "MLmodel"))
