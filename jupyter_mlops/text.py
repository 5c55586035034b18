"""Format text for users: limited length, lists and errors in one line, counts with their noun."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Control characters but tab and newline, marks of direction, and separators that some programs take for a newline.
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

#: Maximum number of an error's characters in a message.
LONGEST_ERROR = 200
#: The beginning of a line that is to be typed in a notebook; `%%mlops` has no form for a terminal.
_MAGIC = re.compile(r"(?<!%)%mlops (?=[a-z-])")
_HINT = re.compile(r"(?<=\w: )%mlops (?=[a-z])")


def visible(text: str) -> str:
    """Return a text for a terminal: characters that act on it, or turn its order, are shown by their numbers.

    Names of runs, files and columns may be anybody's. The same text inside JSON stays valid.
    """
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cut(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters; a cut text ends with `…`."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def one_line(text: str, longest: int) -> str:
    """Return a text in one line, with single blanks for all white space, cut to `longest`."""
    return cut(" ".join(text.split()), longest)


def printable(value: object, longest: int = 80) -> str:
    """Return a value in quotes and in ASCII, cut to `longest`; for untrusted text."""
    return cut(ascii(value), longest)


def error_line(error: BaseException | str, longest: int = LONGEST_ERROR) -> str:
    """Return the first line of an error's message, cut to `longest`; without a message, its type's name."""
    message = str(error).strip()
    if message:
        return one_line(message.splitlines()[0], longest)
    return "" if isinstance(error, str) else type(error).__name__


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `no columns`, `1 column`, `1,200 columns`."""
    return f"{f'{number:,}' if number else 'no'} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int) -> str:
    """Return at most `most` names, and how many more there are: `a, b and 3 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def for_terminal(message: str, *, only_hints: bool = False) -> str:
    """Return a message of ours with `jupyter mlops …` in place of `%mlops …`, as a terminal needs it.

    Args:
        message: the message.
        only_hints: change only what follows a colon and a space, as in `Undo: %mlops …`.
    """
    return (_HINT if only_hints else _MAGIC).sub("jupyter mlops ", message)
