"""The noun `run`: one execution of a cell or a notebook, with what is needed to do it again.

Importing this loads nothing heavy; MLflow is loaded by the first verb that needs it.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
