"""Services: a run's model packaged as a Bento, answering on a port, with a prediction log."""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
