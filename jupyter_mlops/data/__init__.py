"""The noun `data`: content versions of files, in DVC's own cache and `.dvc` files.

Importing this loads nothing heavy; DVC is loaded by the first verb that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.data.cache import cached, frame, listing, read_table, version
    from jupyter_mlops.data.difference import diff
    from jupyter_mlops.data.folder_list import places
    from jupyter_mlops.data.garbage import gc, held
    from jupyter_mlops.data.records import DataDiff, DataVersion
    from jupyter_mlops.data.transfers import pull, push
    from jupyter_mlops.data.verbs import add, checkout, list, status
    from jupyter_mlops.data.versions import checked

_HOME = {
    "DataDiff": "records",
    "DataVersion": "records",
    "add": "verbs",
    "cached": "cache",
    "checked": "versions",
    "checkout": "verbs",
    "diff": "difference",
    "frame": "cache",
    "gc": "garbage",
    "held": "garbage",
    "list": "verbs",
    "listing": "cache",
    "places": "folder_list",
    "pull": "transfers",
    "push": "transfers",
    "read_table": "cache",
    "status": "verbs",
    "version": "cache",
}
__all__ = [
    "DataDiff",
    "DataVersion",
    "add",
    "cached",
    "checked",
    "checkout",
    "diff",
    "frame",
    "gc",
    "held",
    "list",
    "listing",
    "places",
    "pull",
    "push",
    "read_table",
    "status",
    "version",
]

__getattr__ = lazy.attributes(__name__, _HOME)
