"""Load untrusted YAML: it is checked before any object is built from it."""

from __future__ import annotations

from typing import Any

import yaml

from jupyter_mlops.text import error_line

_LONGEST_TEXT, _DEEPEST = 100_000, 30
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str, *, longest: int = _LONGEST_TEXT) -> Any:
    """Return parsed YAML; aliases and deep nesting, which can take hours to load, are refused.

    Args:
        text: the YAML.
        longest: maximum number of characters of one scalar.

    Raises:
        ValueError: it is not YAML, or it is refused.
    """
    try:
        _refuse_tricks(text, longest)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    # The constructors of numbers, dates and dicts raise Python's own errors.
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ArithmeticError,
            RecursionError) as error:  # fmt: skip
        raise ValueError(error_line(error)) from None


def _refuse_tricks(text: str, longest: int) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > longest:
            raise yaml.YAMLError(f"a text of more than {longest:,} characters")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise yaml.YAMLError("nested too deeply")
