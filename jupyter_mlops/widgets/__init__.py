"""Pictures to explore, on request: metric curves, and parallel coordinates of a list of runs.

Importing this loads nothing heavy; ipywidgets and anywidget are loaded by the first picture. What
a verb shows by itself is static; a picture stands on top of its static form, so that the notebook
still reads where there is no kernel.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
