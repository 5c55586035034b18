"""Progress lines: what is happening, for anything that takes more than a second.

In a terminal they go to standard error, so that standard output holds only results. In a notebook
they are one grey line that is replaced as the work goes on, and stays as the last one.
"""

from __future__ import annotations

import html
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

#: The request that the notebook's line belongs to, and its display handle.
_line: tuple[str, Any] = ("", None)
_begun: str | None = None


def say(line: str) -> None:
    """Show one progress line."""
    shell = _notebook()
    if shell is None:
        print(line, file=sys.stderr, flush=True)
    else:
        _replace(shell, line)


def begin(line: str) -> None:
    """Show the start of a line that `finish` ends."""
    global _begun
    _begun = line
    shell = _notebook()
    if shell is None:
        print(line, end="", file=sys.stderr, flush=True)
    else:
        _replace(shell, line)


def finish(end: str = "") -> None:
    """End the line that was begun; nothing if there is none."""
    global _begun
    if _begun is None:
        return
    line, _begun = _begun, None
    shell = _notebook()
    if shell is None:
        print(end, file=sys.stderr, flush=True)
    else:
        _replace(shell, line + end)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say `title`, and how long it took if that was more than a second."""
    started = time.monotonic()
    say(f"{title} …")
    yield
    took = time.monotonic() - started
    if took > 1:
        say(f"{title} … {took:.1f} s")


def each(items: Sequence[T], title: str) -> Iterator[T]:
    """Yield the items; past the first second, say once a second how many are done."""
    told = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - told > 1:
            told = time.monotonic()
            say(f"{title}: {done} of {len(items)}")
        yield item


def in_kernel() -> bool:
    """Whether this is a Jupyter kernel, where standard input is the front end's."""
    return _notebook() is not None


def _notebook() -> Any:
    """Return the shell if this is a kernel executing a cell in the main thread, else None."""
    ipython = sys.modules.get("IPython.core.getipython")
    shell = ipython.get_ipython() if ipython else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _replace(shell: Any, line: str) -> None:
    global _line
    from IPython.display import display

    bundle = {
        "text/plain": line,
        "text/html": f'<div style="color: #808080; font-size: 90%">{html.escape(line)}</div>',
    }
    request = str(shell.get_parent().get("header", {}).get("msg_id", ""))
    asked, handle = _line
    if handle is not None and asked == request:
        handle.update(bundle, raw=True)
    else:
        _line = (request, display(bundle, raw=True, display_id=True))
