"""Formats of models. One file here is one format: what it holds, how it is saved, judged, loaded and served.

A new format is `NAME.py` with `FORMAT = …` (see `common/format.py`), and beside it the module that loads its file
in a Bento, `model_files/NAME_file.py`. Nothing else names it. Formats from elsewhere: `register`.

Importing this loads no format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.formats.common.format import Format, NotKept, Packed
    from jupyter_mlops.formats.common.registry import (
        AUTO,
        choices,
        get,
        help_text,
        register,
        require,
        with_weights,
    )
    from jupyter_mlops.formats.common.storage import (
        Verdict,
        declared,
        judge,
        load,
        refuse_pickle,
        save,
        weights,
    )

_HOME = {
    "AUTO": "common.registry",
    "Format": "common.format",
    "NotKept": "common.format",
    "Packed": "common.format",
    "Verdict": "common.storage",
    "choices": "common.registry",
    "declared": "common.storage",
    "get": "common.registry",
    "help_text": "common.registry",
    "judge": "common.storage",
    "load": "common.storage",
    "refuse_pickle": "common.storage",
    "register": "common.registry",
    "require": "common.registry",
    "save": "common.storage",
    "weights": "common.storage",
    "with_weights": "common.registry",
}
__all__ = [
    "AUTO",
    "Format",
    "NotKept",
    "Packed",
    "Verdict",
    "choices",
    "declared",
    "get",
    "help_text",
    "judge",
    "load",
    "refuse_pickle",
    "register",
    "require",
    "save",
    "weights",
    "with_weights",
]

__getattr__ = lazy.attributes(__name__, _HOME)
