"""Why a model file is not loaded."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Refused(Exception):
    """The file is not what its format says, or loading it could run code."""


@contextmanager
def one_line(what: str) -> Iterator[None]:
    """Turn whatever a reader raises on damaged or hostile bytes into one `Refused`."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:  # each library fails in its own way on bytes that do not fit
        raise Refused(f"{what} {because(error)}") from None


def because(error: Exception) -> str:
    """Return in a few words why a file cannot be read, from what its reader raised."""
    if isinstance(error, MemoryError):
        return "asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    said = (str(error).strip().splitlines() or [""])[0][:160]
    kind = type(error).__name__
    return f"cannot be read ({kind}: {said})" if said else f"cannot be read ({kind})"
