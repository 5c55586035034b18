"""Wait until something is true. The limit only ends what hangs.

It counts the looks, not the time: on a machine that stands still for minutes, what is awaited stands still too.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOKS, _PAUSE = 6000, 0.1


def eventually(happens: Callable[[], Any], what: str = "it did not happen") -> Any:
    """Return the first true result of `happens`; fail after about 600 seconds."""
    for _ in range(_LOOKS):
        if found := happens():
            return found
        time.sleep(_PAUSE)
    raise AssertionError(what)


async def eventually_async(happens: Callable[[], object]) -> None:
    """Do the same, and let the event loop of the test run meanwhile."""
    for _ in range(_LOOKS):
        if happens():
            return
        await asyncio.sleep(_PAUSE)
    raise AssertionError("it did not happen")
