"""The noun `model`: a run's model, registered under a name, with versions, aliases and a gate.

Importing this loads nothing heavy; MLflow is loaded by the first verb that needs it.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
