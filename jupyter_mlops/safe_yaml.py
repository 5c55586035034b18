"""YAML that somebody else may have written: looked through before anything is built from it."""

from __future__ import annotations

from typing import Any

import yaml

from jupyter_mlops.text import error_line

_LONGEST_TEXT, _DEEPEST = 100_000, 30
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str, *, longest: int = _LONGEST_TEXT) -> Any:
    """Return what YAML says: no aliases, no merge keys, nothing nested without end.

    Args:
        text: the YAML.
        longest: characters that one scalar may have.

    Raises:
        ValueError: it is not YAML, or holds what would cost hours.
    """
    try:
        _refuse_tricks(text, longest)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    # Its constructors raise what Python's do: of numbers, of dates, of dicts.
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ArithmeticError,
            RecursionError) as error:  # fmt: skip
        raise ValueError(error_line(error)) from None


def _refuse_tricks(text: str, longest: int) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > longest:
            raise yaml.YAMLError("a text without end")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise yaml.YAMLError("nested without end")
