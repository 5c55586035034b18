"""Names for parameters in a run that has parameters already."""

from __future__ import annotations


def free_names(new: dict[str, str], stored: dict[str, str]) -> dict[str, str]:
    """Return our parameters under free names: MLflow accepts only one value for a name."""
    found = {}
    for key, value in new.items():
        if key not in stored:
            found[key] = value
        elif not _same(value, stored[key]):
            found[f"cell.{key}"] = value
    return found


def _same(one: str, other: str) -> bool:
    """Whether two texts are the same value: `1` and `1.0` are."""
    try:
        return one == other or float(one) == float(other)
    except ValueError:
        return False
