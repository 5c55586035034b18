"""Progress lines: what is happening, for anything that takes more than a second.

They go to standard error, so that standard output holds only results (`--json` in particular).
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def say(line: str) -> None:
    """Print one progress line."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say `title`, and how long it took if that was more than a second."""
    started = time.monotonic()
    say(f"{title} …")
    yield
    took = time.monotonic() - started
    if took > 1:
        say(f"{title} … {took:.1f} s")
