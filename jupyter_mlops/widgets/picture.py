"""Base class of the widgets: an anywidget with a static form."""

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
#: Maximum bytes of state that a widget sends to the browser and stores in a saved notebook.
LARGEST_STATE = 100_000


class Picture(anywidget.AnyWidget):  # type: ignore[misc]
    """A widget whose traits are its state and whose static form is a separate output.

    Without a kernel, JupyterLab shows a widget as one line of error, even if the same output has
    HTML. So the static form is displayed first, and the live view hides it.
    """

    _css = FOLDER / "picture.css"
    #: Text that says which data is left out to keep the state small.
    note = traitlets.Unicode("").tag(sync=True)

    def static_text(self) -> str:
        """Return the text for a terminal."""
        raise NotImplementedError

    def static_html(self) -> str:
        """Return the HTML that is shown without a kernel."""
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        from IPython.display import display

        html = f'<div class="mlops-static">{self.static_html()}</div>'
        display({"text/html": html, "text/plain": self.static_text()}, raw=True)
        bundle = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        # The static form above has the text already.
        display({**(data or {}), "text/plain": ""}, metadata=metadata, raw=True)


def script(name: str) -> str:
    """Return a widget's JavaScript with the shared functions before it, as one text without imports."""
    return "".join((FOLDER / file).read_text(encoding="utf-8") for file in ("drawing.js", name))


def size(*state: Any) -> int:
    """Return the size of a state in bytes, as JSON."""
    return len(json.dumps(state, separators=(",", ":")))


def rounded(value: float | None) -> float | None:
    """Return a number with 6 significant digits; None for None, NaN and infinity."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return float(f"{value:.6g}")
