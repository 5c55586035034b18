"""Progress lines for work that takes more than a second.

In a terminal they go to standard error, so that standard output holds only results. In a notebook
each line replaces the one before, in grey; the last one stays.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_mlops.text import for_terminal, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

#: The id of the execute request that the notebook's line belongs to, and its display handle.
_line: tuple[str, Any] = ("", None)
#: The start of a line that `begin` showed and `finish` has not ended yet.
_unfinished: str | None = None


def say(line: str) -> None:
    """Show one progress line."""
    line = visible(line)
    shell = _notebook()
    if shell is None:
        print(for_terminal(line), file=sys.stderr, flush=True)
    else:
        _replace(shell, line)


def begin(line: str) -> None:
    """Show the start of a line that `finish` ends."""
    global _unfinished
    _unfinished = line
    shell = _notebook()
    if shell is None:
        print(for_terminal(line), end="", file=sys.stderr, flush=True)
    else:
        _replace(shell, line)


def finish(end: str = "") -> None:
    """End the line that `begin` started, if there is one."""
    global _unfinished
    if _unfinished is None:
        return
    line, _unfinished = _unfinished, None
    shell = _notebook()
    if shell is None:
        print(for_terminal(end), file=sys.stderr, flush=True)
    else:
        _replace(shell, line + end)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show `title`, and at the end the duration if it is more than a second."""
    started = time.monotonic()
    say(f"{title} …")
    yield
    took = time.monotonic() - started
    if took > 1:
        say(f"{title} … {took:.1f} s")


def each(items: Sequence[T], title: str) -> Iterator[T]:
    """Yield the items; after the first second, show once a second how many are done."""
    last_line = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last_line > 1:
            last_line = time.monotonic()
            say(f"{title}: {done} of {len(items)}")
        yield item


def in_kernel() -> bool:
    """Whether this is a Jupyter kernel, where standard input belongs to the front end."""
    return _notebook() is not None


def _notebook() -> Any:
    """Return the shell if this is a kernel executing a cell in the main thread, else None."""
    ipython = sys.modules.get("IPython.core.getipython")
    shell = ipython.get_ipython() if ipython else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _replace(shell: Any, line: str) -> None:
    global _line
    import html

    from IPython.display import display

    bundle = {
        "text/plain": line,
        "text/html": f'<div style="color: #808080; font-size: 90%">{html.escape(line)}</div>',
    }
    request = str(shell.get_parent().get("header", {}).get("msg_id", ""))
    line_request, handle = _line
    if handle is not None and line_request == request:
        handle.update(bundle, raw=True)
    else:
        _line = (request, display(bundle, raw=True, display_id=True))
