"""What a file of `formats/` declares: the base class of all formats.

Importing this must stay cheap: `--format`'s help reads every format. A method imports its library itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jupyter_mlops.errors import MissingBackend, MlopsError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.common.fitted import Fitted

#: An `MLmodel`'s flavours: their settings by their names.
Flavors = dict[str, dict[str, Any]]
#: How a service asks a loaded model: `predict` with features, a call with a tensor, or a call with the rows as
#: they were checked, which returns the answer.
Asked = Literal["estimator", "network", "rows"]
#: What to do about a model whose loading runs code.
ALLOW = "If you trust where it comes from, add --allow-pickle"


class NotKept(MlopsError):
    """The format cannot hold this model; the text says why."""


@dataclass(frozen=True, slots=True)
class Packed:
    """How a model lies in a Bento.

    Args:
        format: its format there.
        file: its file in the Bento's folder `model`.
        loader: the module that loads it there, by its full name. The module stands alone and defines
            `RUNS_CODE` and `serve(file, about, device)`; a service refuses one that runs code unless the Bento
            was built with --allow-pickle.
        asked: how the service asks what `serve` returns.
        packages: the packages that it needs.
        about: what else `serve` needs to know; JSON.
    """

    format: str
    file: str
    loader: str
    asked: Asked
    packages: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)


class Format:
    """A format of models. A subclass is its whole declaration, and `FORMAT` in its file an instance of it.

    What a subclass leaves out is refused: without `check` no file is called safe, without `pack` it is not served.
    """

    #: What `--format` takes and a run's record says. An `MLmodel` names it among its flavours.
    name: ClassVar[str]
    #: Which models it holds, for the help of `--format`; empty where nobody can ask for it.
    help: ClassVar[str] = ""
    #: The libraries of the models that it holds, by MLflow's names of flavours.
    libraries: ClassVar[frozenset[str]] = frozenset()
    #: Its main file in a model's folder.
    file: ClassVar[str] = ""
    #: The lowest is tried first, when a model is saved and when a folder is identified.
    order: ClassVar[int] = 50
    #: Whether it is tried without being asked for.
    automatic: ClassVar[bool] = False
    #: Whether loading always runs code of the model.
    runs_code: ClassVar[bool] = False
    #: Whether its weights can be read without the model.
    has_weights: ClassVar[bool] = False
    #: What to do about a file that is refused.
    remedy: ClassVar[str] = "Record the run again"
    #: Modules that saving needs, and the extra that installs them.
    modules: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def require(self) -> None:
        """Raise unless what saving needs is installed.

        Raises:
            MissingBackend: it is not.
        """
        missing = [name for name in self.modules if find_spec(name) is None]
        if missing:
            raise MissingBackend(
                f"The format {self.name} needs {', '.join(missing)}, which is not installed",
                self.extra or self.name,
            )

    def save(self, found: Fitted, *, params: list[Param], metrics: list[Metric]) -> None:
        """Log a model into MLflow's active run; `params` and `metrics` are the run's.

        Raises:
            NotKept: the format cannot hold it; nothing is logged.
        """
        raise NotKept(f"{self.name} cannot hold this model")

    def matches(self, folder: Path, flavors: Flavors) -> bool:
        """Whether a model's folder is of this format."""
        return self.name in flavors and (folder / self.file).is_file()

    def declared(self, flavors: Flavors) -> bool:
        """Whether an `MLmodel` says so; for models whose files are not here."""
        return self.name in flavors

    def label(self, flavors: Flavors) -> str:
        """Return the name of the format in a run's record."""
        return self.name

    def library(self, flavors: Flavors) -> str:
        """Return the library of the model, by MLflow's name of its flavour."""
        return min(self.libraries, default=self.name)

    def check(self, folder: Path, flavors: Flavors) -> None:
        """Raise unless loading the files runs no code. It reads them and runs nothing of them.

        Raises:
            Refused: it does, or the files are damaged.
            UnsafePath: `MLmodel` names a file outside of the folder.
        """
        from jupyter_mlops.model_files.refused import Refused

        raise Refused("Nothing tells whether loading it runs code")

    def load(self, folder: Path, *, allow_code: bool) -> Any:
        """Return the model, from the bytes that were checked; without running code unless it is allowed.

        Raises:
            MlopsError: loading it runs code and `allow_code` is False.
            Refused: its files are damaged or hostile.
        """
        raise NotImplementedError

    def weights(self, folder: Path) -> dict[str, Any]:
        """Return the weights by their names; no code runs."""
        raise NotImplementedError

    def pack(
        self,
        folder: Path,
        model: Any,
        target: Path,
        *,
        example: Any,
        allow_code: bool,
    ) -> Packed:
        """Write the model's file for a Bento, and say how it is loaded there.

        Args:
            folder: the model's MLflow folder.
            model: what `load` returned.
            target: the folder to write to.
            example: two rows as the model takes them.
            allow_code: whether the user allowed that loading runs code, and that was needed.

        Raises:
            MlopsError: it cannot be served.
        """
        raise MlopsError(
            f"A model kept as {self.name} cannot be packaged", "Record it with another --format"
        )

    def is_network(self, model: Any) -> bool:
        """Whether a loaded model answers with numbers for each row when it is called, and has no labels."""
        return False

    def outputs(self, model: Any, rows: Any) -> Any:
        """Return a network's answers to an array of rows, as an array."""
        return model(rows)
