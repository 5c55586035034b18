"""Calls a function right after an import, so that a random generator is read before its first draw.

`import numpy` and the first draw are often in one cell, so a check between two cells is too late.
An import finder is Python's hook for this; it is removed when the last module is imported.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class ImportWatch:
    """Calls `tell(name)` once for each of `names`, right after its module was imported.

    It finds no module itself: it returns the spec from another finder, with one more step at its end.
    It has the method of a `MetaPathFinder`, whose module takes longer to import than all of ours.
    """

    def __init__(self, names: Sequence[str], tell: Callable[[str], object]) -> None:
        self._waiting = {name for name in names if name not in sys.modules}
        self._tell = tell
        if self._waiting:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module in `names`; None for every other module."""
        if fullname not in self._waiting:
            return None
        self._waiting.discard(fullname)
        if not self._waiting:
            self.stop()
        for finder in [*sys.meta_path]:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find else None
            if spec is not None:
                self._follow(spec)
                return spec
        return None

    def stop(self) -> None:
        """Remove this finder."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def _follow(self, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module: ModuleType) -> None:
            execute(module)
            with contextlib.suppress(Exception):  # an error here must not stop the user's import
                self._tell(spec.name)

        # On the instance: a loader is made for each module.
        loader.exec_module = exec_module
