"""The base class of all formats, which each file of `formats/` subclasses.

This import must stay cheap: the help of `--format` reads every format. A method imports its library itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jupyter_mlops.errors import MissingBackend, MlopsError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.base.fitted_model import FittedModel
    from jupyter_mlops.formats.mlflow_models.mlmodel import Flavors

#: How a service calls a loaded model: `predict` with features, a call with a tensor, or a call with the checked
#: rows, which returns the answer.
Asked = Literal["estimator", "network", "rows"]
#: The remedy for a model whose loading runs code.
ALLOW = "If you trust where it comes from, add --allow-pickle"


class NotKept(MlopsError):
    """The format cannot store this model; the text says why."""


@dataclass(frozen=True, slots=True)
class PackedModel:
    """The form of a model in a Bento.

    Args:
        format: the format's name in the Bento.
        file: the model's file in the Bento's folder `model`.
        loader: the full name of the module that loads it there. The module is self-contained and defines
            `RUNS_CODE` and `serve(file, about, device)`; a service refuses a module that runs code unless the
            Bento was built with --allow-pickle.
        asked: how the service calls the result of `serve`.
        packages: the required packages.
        about: further arguments of `serve`; JSON.
    """

    format: str
    file: str
    loader: str
    asked: Asked
    packages: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)


class Format:
    """A format of models. A subclass declares one format, and `FORMAT` in its file is an instance of it.

    Missing methods refuse: without `check` no file is safe, without `pack` the model is not served.
    """

    #: The name in `--format`, in a run's record and in the flavours of an `MLmodel`.
    name: ClassVar[str]
    #: The models that it can store, for the help of `--format`; empty if a user cannot choose the format.
    help: ClassVar[str] = ""
    #: The libraries of these models, by MLflow's flavour names.
    libraries: ClassVar[frozenset[str]] = frozenset()
    #: Its main file in a model's folder.
    file: ClassVar[str] = ""
    #: The lowest is tried first, to save a model and to identify a folder.
    order: ClassVar[int] = 50
    #: Whether it is tried if the user does not choose it.
    automatic: ClassVar[bool] = False
    #: Whether loading always runs code of the model.
    runs_code: ClassVar[bool] = False
    #: Whether its weights can be read without the model.
    has_weights: ClassVar[bool] = False
    #: The remedy for a refused file.
    remedy: ClassVar[str] = "Record the run again"
    #: The modules that `save` needs, and the extra that installs them.
    modules: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def require(self) -> None:
        """Raise unless the modules that `save` needs are installed.

        Raises:
            MissingBackend: they are not.
        """
        missing = [name for name in self.modules if find_spec(name) is None]
        if missing:
            raise MissingBackend(
                f"The format {self.name} needs {', '.join(missing)}, which is not installed",
                self.extra or self.name,
            )

    def save(self, found: FittedModel, *, params: list[Param], metrics: list[Metric]) -> None:
        """Log a model into MLflow's active run; `params` and `metrics` are the run's.

        Raises:
            NotKept: the format cannot store it; nothing is logged.
        """
        raise NotKept(f"{self.name} cannot hold this model")

    def matches(self, folder: Path, flavors: Flavors) -> bool:
        """Whether a model's folder has this format."""
        return self.name in flavors and (folder / self.file).is_file()

    def declared(self, flavors: Flavors) -> bool:
        """Whether an `MLmodel` declares this format; for models without local files."""
        return self.name in flavors

    def label(self, flavors: Flavors) -> str:
        """Return the name of the format in a run's record."""
        return self.name

    def library(self, flavors: Flavors) -> str:
        """Return the library of the model, by MLflow's flavour name."""
        return min(self.libraries, default=self.name)

    def check(self, folder: Path, flavors: Flavors) -> None:
        """Raise unless loading the files runs no code. The check itself runs no code of them.

        Raises:
            Refused: loading runs code, or the files are damaged.
            UnsafePath: `MLmodel` names a file outside of the folder.
        """
        from jupyter_mlops.model_files.refused import Refused

        raise Refused("It is unknown whether loading it runs code")

    def load(self, folder: Path, *, allow_code: bool) -> Any:
        """Return the model from its checked bytes; run no code of it unless that is allowed.

        Raises:
            MlopsError: loading it runs code and `allow_code` is False.
            Refused: its files are damaged or hostile.
        """
        raise NotImplementedError

    def weights(self, folder: Path) -> dict[str, Any]:
        """Return the weights by name; no code of the model runs."""
        raise NotImplementedError

    def pack(
        self,
        folder: Path,
        model: Any,
        target: Path,
        *,
        example: Any,
        allow_code: bool,
    ) -> PackedModel:
        """Write the model's file for a Bento, and return how to load it there.

        Args:
            folder: the model's MLflow folder.
            model: the result of `load`.
            target: the folder to write to.
            example: two input rows.
            allow_code: whether loading needed to run code, and the user allowed it.

        Raises:
            MlopsError: it cannot be served.
        """
        raise MlopsError(
            f"A model kept as {self.name} cannot be packaged", "Record it with another --format"
        )

    def is_network(self, model: Any) -> bool:
        """Whether a loaded model is callable, returns numbers for each row, and has no labels."""
        return False

    def outputs(self, model: Any, rows: Any) -> Any:
        """Return a network's outputs for an array of rows, as an array."""
        return model(rows)
