"""Read both sides of a drift check: a service's log, a run's training data, files or tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jupyter_mlops import data, models
from jupyter_mlops.errors import MlopsError, NotFound, UsageError
from jupyter_mlops.text import listed

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

Source = str | Path | pd.DataFrame

_WHAT_TO_TYPE = (
    "Type: %mlops drift check SERVICE, or %mlops drift check --reference FILE --current FILE"
)


@dataclass
class Sides:
    """Both tables, their labels, and the columns to compare (None for all)."""

    reference: pd.DataFrame
    current: pd.DataFrame
    labels: tuple[str, str]
    columns: list[str] | None = None
    warnings: list[str] = field(default_factory=list)


def gather(
    service: str,
    reference: Source,
    current: Source,
    run: str,
    last: int,
    project: Project | None,
) -> Sides:
    """Read both sides; with a run, compare only the inputs of its model.

    Raises:
        MlopsError: a side cannot be read or is empty, or the two have no column in common.
    """
    inputs: list[str] = []
    trained_on = run
    if service:
        from jupyter_mlops import services

        known = services.get(service, project=project)
        inputs = _names(known.inputs)
        trained_on = trained_on or known.run_id
    if _is_set(current):
        new, new_label = _table(current, "current")
        new = new.tail(last) if last else new
    else:
        new, new_label = _logged(service, last, project), f"predictions of {service}"
    if _is_set(reference):
        old, old_label = _table(reference, "reference")
    else:
        model = models.Model.find(trained_on, project=project)
        detail, old = model.run, model.training_data
        old_label = f"training data of {detail.name} ({detail.run_id[:8]})"
        inputs = inputs or (_names(detail.model.inputs) if detail.model else [])
        new = _typed_like(new, old)
    for frame, label in ((old, old_label), (new, new_label)):
        if frame.empty:
            raise MlopsError(f"{label} has no rows", "Use a table with at least one row")
    sides = Sides(old, new, (old_label, new_label))
    _choose_columns(sides, inputs)
    return sides


def refuse_unclear(service: str, reference: Source, current: Source, run: str, last: int) -> None:
    """Refuse arguments that do not name exactly one reference and one current side.

    Raises:
        UsageError: a side is missing or named twice.
    """
    if last < 0:
        raise UsageError(f"--last must be a number of rows, not {last}", "For example: --last 1000")
    if _is_set(reference) and run:
        raise UsageError("--reference and --run both name a reference", "Leave one of them out")
    if not (service or _is_set(reference) or run):
        what = "There is no reference to compare with" if _is_set(current) else "Nothing to compare"
        raise UsageError(what, _WHAT_TO_TYPE)
    if not (service or _is_set(current)):
        raise UsageError("There is no current data to compare", "Add: --current FILE")


def _is_set(source: Source) -> bool:
    return isinstance(source, pd.DataFrame) or bool(str(source) if source else "")


def _table(source: Source, side: str) -> tuple[pd.DataFrame, str]:
    if isinstance(source, pd.DataFrame):
        return source, f"{side} table"
    path = Path(source).expanduser()
    if path.is_dir():
        raise MlopsError(
            f"{path} is a folder", f"Name a file, for example: --{side} {path}/data.parquet"
        )
    if not path.is_file():
        raise NotFound(f"No file {path}", f"Check the path after --{side}")
    return data.read_table(path), str(source)


def _logged(service: str, last: int, project: Project | None) -> pd.DataFrame:
    from jupyter_mlops import services

    frame = services.predictions(service, last=last, project=project)
    if frame.empty:
        raise MlopsError(
            f"Service '{service}' has logged no predictions yet",
            f"Send it rows first, in Python: services.predict('{service}', rows)",
        )
    return frame


def _names(inputs: list[dict[str, str]]) -> list[str]:
    """Return the column names in a signature; a tensor's signature has none."""
    return [item["name"] for item in inputs if item.get("name")]


def _typed_like(current: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return `current` with its whole numbers converted to the reference's types.

    JSON and CSV do not store the type. If a float column is read as integers, because all its values are
    whole numbers, Evidently may treat it as categories.
    """
    if not (current.columns.is_unique and reference.columns.is_unique):
        return current
    changes: dict[Any, Any] = {}
    for name in current.columns.intersection(reference.columns):
        now, then = current[name], reference[name].dtype
        if (now.dtype.kind in "iu" and then.kind == "f") or (
            now.dtype.kind == "f" and then.kind == "i" and bool((now % 1 == 0).all())
        ):
            changes[name] = then
    return current.astype(changes) if changes else current


def _choose_columns(sides: Sides, inputs: list[str]) -> None:
    """Select the model's inputs; warn about other columns, and refuse if no column is common."""
    old, new = set(map(str, sides.reference.columns)), [*map(str, sides.current.columns)]
    wanted = [name for name in inputs if name in old or name in new]
    if inputs and wanted:
        sides.columns = inputs
        extra = [name for name in new if name not in inputs]
        if extra:
            sides.warnings.append(
                f"Not compared, because the model does not use them: {listed(extra, 5)}"
            )
    common = old.intersection(new)
    if not (common.intersection(inputs) if wanted else common):
        raise MlopsError(
            f"{sides.labels[0]} and {sides.labels[1]} have no column in common",
            f"The reference has {_few(sorted(old))}; the current data has {_few(new)}",
        )


def _few(names: list[str]) -> str:
    return listed(names, 4) or "none"
