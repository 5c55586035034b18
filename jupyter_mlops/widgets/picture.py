"""What every widget is: an anywidget that leaves a static form beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jupyter_mlops.errors import MissingBackend

try:
    import anywidget
    import traitlets
except ImportError:
    raise MissingBackend("Pictures to explore need anywidget", "lab") from None

FOLDER = Path(__file__).parent
#: The most bytes of state that a picture sends to the browser, and a saved notebook would hold.
LARGEST_STATE = 100_000


class Picture(anywidget.AnyWidget):  # type: ignore[misc]
    """A view whose traits are its state, and whose static form is an output of its own.

    JupyterLab shows a widget without its kernel as one line of error, even where HTML is in the same
    output. So the static form comes first, and the live view hides it.
    """

    _css = FOLDER / "picture.css"
    #: What was left out to keep the state small, in words.
    note = traitlets.Unicode("").tag(sync=True)

    def static_text(self) -> str:
        """Return what a terminal shows."""
        raise NotImplementedError

    def static_html(self) -> str:
        """Return what is left when the kernel has gone."""
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        from IPython.display import display

        html = f'<div class="mlops-static">{self.static_html()}</div>'
        display({"text/html": html, "text/plain": self.static_text()}, raw=True)
        bundle = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        # The static form above says it in words already.
        display({**(data or {}), "text/plain": ""}, metadata=metadata, raw=True)


def script(name: str) -> str:
    """Return a view's JavaScript, after the functions that all views share: one file, no imports."""
    return "".join((FOLDER / file).read_text(encoding="utf-8") for file in ("drawing.js", name))


def size(*state: Any) -> int:
    """Return the bytes of a state as it travels."""
    return len(json.dumps(state, separators=(",", ":")))


def rounded(value: float | None) -> float | None:
    """Return a number with the 6 digits that a picture can show; None for what is not one."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return float(f"{value:.6g}")
