"""The noun `data`: content versions of files, in DVC's own cache and `.dvc` files.

Importing this loads nothing heavy; DVC is loaded by the first verb that needs it.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
