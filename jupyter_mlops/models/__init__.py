"""The noun `model`: register a run's model under a name, with versions, aliases and a gate.

This import is light: the first verb that needs MLflow loads it.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
