"""Formats of models. Each file is one format: it saves, checks, loads and packs models of that format.

A new format is `NAME.py` with `FORMAT = …` (see `base/format.py`), and the module that loads its file in a Bento,
`model_files/NAME_file.py`. No other file names it. Another package adds a format by `register`.

This import loads no format.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
