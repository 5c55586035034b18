"""Pictures to explore, on request: metric curves, and parallel coordinates of a list of runs.

Importing this loads nothing heavy; ipywidgets and anywidget are loaded by the first picture. What
a verb shows by itself is static; a picture stands on top of its static form, so that the notebook
still reads where there is no kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.widgets.metric_curves import curves
    from jupyter_mlops.widgets.parallel_coordinates import parallel

_HOME = {"curves": "metric_curves", "parallel": "parallel_coordinates"}
__all__ = ["curves", "parallel"]

__getattr__ = lazy.attributes(__name__, _HOME)
