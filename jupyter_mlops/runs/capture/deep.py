"""The deep layer of lineage: reads what `deep.c` notes in this process and its descendants.

It works only in a process that was started with the shim in LD_PRELOAD; `deep_setup.py` compiles the
shim and starts kernels with it.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def library() -> Any:
    """Return the shim that this process has loaded, or None."""
    if not hasattr(os, "eventfd"):  # Linux only
        return None
    here = ctypes.CDLL(None)
    if not hasattr(here, "mlops_lineage_begin"):
        return None
    here.mlops_lineage_end.restype = ctypes.c_void_p
    return here


class ShimWatch:
    """Uses the shim to note which files below `root` are opened, until `stop`.

    `missed` then says why some opens are missing; empty if none are.

    Raises:
        OSError: the shim is not in this process, or a parent or child process records already.
    """

    def __init__(self, root: Path) -> None:
        self._shim = library()
        if self._shim is None:
            raise OSError(errno.ENOSYS, "this kernel was started without it")
        number = self._shim.mlops_lineage_begin(os.fsencode(root), os.fsencode(root.resolve()))
        if number == errno.EBUSY:
            raise OSError(number, "a process of this kernel is recording already")
        if number:
            raise OSError(number, os.strerror(number))
        self.missed = ""

    def stop(self) -> Iterator[tuple[str, str, str]]:
        """Stop, and return the events in order: (kind, path, new path if it was moved)."""
        used, lost = ctypes.c_uint64(), ctypes.c_uint32()
        start = self._shim.mlops_lineage_end(ctypes.byref(used), ctypes.byref(lost))
        notes = ctypes.string_at(start, used.value).split(b"\0") if start else []
        self._shim.mlops_lineage_release()
        if lost.value:
            self.missed = "too many files; the list is not complete"
        return _read(iter(notes))


def _read(notes: Iterator[bytes]) -> Iterator[tuple[str, str, str]]:
    # A process that is killed while it writes a note leaves a partial or an empty note.
    kinds = {"r": "read", "w": "written", "c": "created", "b": "both"}
    for note in notes:
        text = os.fsdecode(note)
        if text[:1] == "m":
            yield "moved", text[1:], os.fsdecode(next(notes, b""))[1:]
        elif text[:1] in kinds:
            yield kinds[text[0]], text[1:], ""
