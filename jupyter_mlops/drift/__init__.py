"""The noun `drift`: what a model sees now against what it was trained on, column by column.

Importing this loads nothing heavy; the first check loads pandas, and Evidently only where a text
column or its own HTML report asks for it.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
