"""The noun `job`: a notebook made callable, run once, over a grid, or on a schedule.

Importing this loads nothing heavy; papermill and DBOS are loaded by the verbs that need them.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
