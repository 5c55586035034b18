"""The noun `job`: run a notebook once, over a grid, or on a schedule.

This import is light: the verbs load papermill and DBOS when they need them.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
