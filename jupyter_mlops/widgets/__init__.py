"""Interactive plots: metric curves, and parallel coordinates of a list of runs.

This import is light: the first plot loads ipywidgets and anywidget. Verbs show static output by
default; a plot is displayed together with its static form, so that the notebook is readable without
a kernel.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
