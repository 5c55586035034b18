"""The figures of a cell: the images that it displayed, and those that it left open."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST = 20


def open_numbers() -> set[int]:
    """Return the numbers of the open matplotlib figures, if matplotlib is in use."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def images(shown: Iterable[bytes], before: set[int]) -> Iterator[tuple[str, bytes]]:
    """Yield file name and PNG of each image that was `shown`, then of each figure opened since `before`."""
    for index, png in enumerate([*shown][:_MOST], start=1):
        yield f"shown-{index}.png", png
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    new = [number for number in pyplot.get_fignums() if number not in before]
    for index, number in enumerate(new[:_MOST], start=1):
        figure = pyplot.figure(number)
        label = "".join(c if c.isalnum() else "-" for c in figure.get_label()) or f"figure-{index}"
        yield f"{label}.png", _drawn(figure)


def _drawn(figure: Any) -> bytes:
    buffer = io.BytesIO()
    # A higher compression level takes longer than drawing a small figure, and saves only 10 %.
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()
