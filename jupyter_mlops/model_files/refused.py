"""The error for a model file that is not loaded."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Refused(Exception):
    """The file does not match its format, or loading it could run code."""


@contextmanager
def one_line(what: str) -> Iterator[None]:
    """Convert any error of a reader on damaged or hostile bytes into `Refused`."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:  # each library raises other types for invalid bytes
        raise Refused(f"{what} {because(error)}") from None


def because(error: Exception) -> str:
    """Return a short reason why a file cannot be read, from its reader's error."""
    if isinstance(error, MemoryError):
        return "asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    message = (str(error).strip().splitlines() or [""])[0][:160]
    kind = type(error).__name__
    return f"cannot be read ({kind}: {message})" if message else f"cannot be read ({kind})"
