"""Save a model in the first format that can store it; identify, check and load a stored model.

Tags and `MLmodel` come with the model and are untrusted. They only select the file to read; its content decides.
`load` always checks the bytes that it loads: they may have changed since the last check.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.formats.base import registry
from jupyter_mlops.formats.base.format import ALLOW, NotKept
from jupyter_mlops.formats.mlflow_models import mlmodel
from jupyter_mlops.formats.mlflow_models.quiet import quiet
from jupyter_mlops.model_files.refused import Refused, because, one_line
from jupyter_mlops.paths import UnsafePath, is_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow.entities import Metric, Param

    from jupyter_mlops.formats.base.fitted_model import FittedModel


@dataclass(frozen=True, slots=True)
class Verdict:
    """The format of a model's files; `why` says why loading needs the user's permission."""

    format: str
    why: str = ""

    @property
    def safe(self) -> bool:
        """Whether loading it runs no code."""
        return not self.why


def save(
    found: FittedModel,
    format: str = registry.AUTO,
    *,
    params: list[Param] | None = None,
    metrics: list[Metric] | None = None,
) -> tuple[str, str]:
    """Log a model into MLflow's active run.

    Args:
        found: the model.
        format: the format to use if it can store the model.
        params: the run's parameters; MLflow shows them with the model.
        metrics: the run's metrics; MLflow shows them with the model.

    Returns:
        The name of the format used, and why it is not the requested one, if so.

    Raises:
        MlopsError: no format can store it.
    """
    asked = [] if format == registry.AUTO else [registry.get(format)]
    others = [item for item in registry.every() if item.automatic and item not in asked]
    reasons: list[str] = []
    with quiet():
        for item in [*asked, *others]:
            if found.flavor not in item.libraries:
                continue
            try:
                item.save(found, params=params or [], metrics=metrics or [])
            except NotKept as error:
                reasons.append(str(error))
                continue
            if not asked or item.name == format:
                return item.name, ""
            why = reasons[0] if reasons else f"{format} cannot hold this model"
            return item.name, f"not {format} but {item.name}: {why}"
    raise MlopsError(
        f"'{found.name}' cannot be stored: {reasons[-1] if reasons else 'no format holds it'}"
    )


def judge(folder: Path) -> Verdict:
    """Return the format of the files in an MLflow model's folder, and whether loading them runs code."""
    try:
        if link := next((path for path in folder.rglob("*") if is_link(path)), None):
            return Verdict("unknown", f"'{link.name}' of the model is a symbolic link")
        stamp = tuple(
            (str(path), path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
        return _judged(folder, stamp, registry.modules())
    except (OSError, Refused) as error:
        return Verdict("unknown", str(error))


@lru_cache(maxsize=256)
def _judged(folder: Path, _stamp: Any, _formats: Any) -> Verdict:
    """Check once for each state of the files: lists of runs call this often."""
    flavors = mlmodel.flavors(mlmodel.text(folder))
    found = next(item for item in registry.every() if item.matches(folder, flavors))
    try:
        with one_line("The model"):
            found.check(folder, flavors)
    except (Refused, UnsafePath) as refusal:
        return Verdict(found.label(flavors), str(refusal))
    return Verdict(found.label(flavors))


def declared(folder: Path) -> str:
    """Return the format that an `MLmodel` declares, for models without local files."""
    flavors = mlmodel.flavors(mlmodel.text(folder))
    return next(item for item in registry.every() if item.declared(flavors)).label(flavors)


def load(folder: Path, format: str, *, allow_pickle: bool) -> Any:
    """Load a model from its MLflow folder; run no code of it unless that is allowed.

    Args:
        folder: the folder.
        format: the format from `judge`.
        allow_pickle: whether loading may run code of the model.

    Raises:
        MlopsError: its files are damaged or hostile, or loading it runs code and that is not allowed.
    """
    found = registry.get(format)
    if found.runs_code:
        refuse_pickle(format, allowed=allow_pickle)
    with _one_line(found.remedy):
        return found.load(folder, allow_code=allow_pickle)


def weights(folder: Path, format: str) -> dict[str, Any]:
    """Return a model's weights by name; no code of the model runs.

    Raises:
        MlopsError: its files are damaged or hostile, or its format does not store the weights separately.
    """
    found = registry.get(format)
    if not found.has_weights:
        raise MlopsError(f"A model kept as {format} has no weights that can be read by themselves")
    with _one_line(found.remedy):
        return found.weights(folder)


def refuse_pickle(format: str, *, allowed: bool) -> None:
    """Raise if loading a model of this format always runs code, and that is not allowed.

    Raises:
        MlopsError: it does.
    """
    found = registry.get(format)
    if allowed or not found.runs_code:
        return
    if found.name == format:
        raise MlopsError(
            f"This model is stored as a {format}; loading it runs code that the file contains",
            ALLOW,
        )
    raise MlopsError(
        f"To load a model of the flavour '{format}', MLflow runs code that its MLmodel file names",
        ALLOW,
    )


@contextmanager
def _one_line(remedy: str) -> Iterator[None]:
    """Convert any error into one line that says why a model's file is not loaded, and the remedy."""
    try:
        yield
    except MlopsError:
        raise
    except Refused as refusal:
        raise MlopsError(f"The model is not loaded: {refusal}", remedy) from None
    except Exception as error:  # each library raises other types for invalid bytes
        raise MlopsError(f"The model is not loaded: its file {because(error)}", remedy) from None
