"""Formats of models. One file here is one format: what it holds, how it is saved, judged, loaded and served.

A new format is `NAME.py` with `FORMAT = …` (see `common/format.py`), and beside it the module that loads its file
in a Bento, `model_files/NAME_file.py`. Nothing else names it. Formats from elsewhere: `register`.

Importing this loads no format.
"""

from jupyter_mlops import lazy

__getattr__, __dir__, __all__ = lazy.attributes(__name__, __file__)
