"""Which project files a cell read and wrote: Python's audit events, and fanotify where allowed.

Audit events see everything that goes through this process's `open` (pandas, numpy, torch.load, …)
and sqlite3; readers that open files in C++ (pyarrow, polars, duckdb) and child processes (DataLoader
workers, loky, subprocess) are seen by fanotify only.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.runs.capture import fanotify, processes
from jupyter_mlops.runs.capture.early import Early
from jupyter_mlops.runs.capture.urls import Urls

if TYPE_CHECKING:
    from types import TracebackType

    from jupyter_mlops.project import Project

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_IGNORED = {
    ".git", ".dvc", ".mlops", ".venv", "venv", "node_modules", "__pycache__", "site-packages",
    ".ipynb_checkpoints", ".ipython", ".cache", ".config", ".dvcignore", ".gitignore",
}  # fmt: skip
_IGNORED_SUFFIXES = {".py", ".pyc", ".ipynb", ".so", ".dvc", ".lock", ".toml", ".pth"}

_EVENTS = processes.STARTS | {"open", "sqlite3.connect"}
_sink: Reads | None = None
_installed = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    # An exception in here would make the user's own open() fail, so nothing may escape.
    sink = _sink
    if sink is None or event not in _EVENTS:
        return
    try:
        if sink.early.working():
            return
        sink.saw(event, args)
        if event == "open" and isinstance(args[0], str):
            sink.early.saw(os.path.abspath(args[0]), args[2])  # noqa: PTH100
    except Exception:  # noqa: S110
        pass


@dataclass
class Reads:
    """Collects what this process opens while the block runs.

    `inputs` and `outputs` are absolute paths of existing project files; a file that was only
    written is an output, one that was read first is an input.
    """

    project: Project
    blind: str = ""
    urls: Urls = field(default_factory=Urls)
    _read: dict[str, None] = field(default_factory=dict)
    _written: dict[str, None] = field(default_factory=dict)
    _watch: fanotify.Watch | None = None
    _family: processes.Family = field(default_factory=processes.Family)

    def __post_init__(self) -> None:
        self.early = Early(self.project, lambda path: bool(self._existing([path])))

    def __enter__(self) -> Reads:
        """Begin to collect."""
        global _sink, _installed
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True
        try:
            self._watch = fanotify.Watch(self.project.root, skip=_IGNORED, ours=self._family.has)
        except OSError as error:
            self.blind = f"readers outside Python are not seen here ({error.strerror or error})"
        self.urls.__enter__()
        _sink = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop collecting, and take in what the kernel saw."""
        global _sink
        _sink = None
        self.early.stop()
        self.urls.__exit__(kind, error, traceback)
        if self._watch:
            read, written = self._watch.stop()
            for path in read:
                self._note(path, written=False)
            for path in written:
                self._note(path, written=True)

    def saw(self, event: str, args: tuple[Any, ...]) -> None:
        """Take one audit event."""
        if event in processes.STARTS:
            self._family.started = True
            return
        path = args[0]
        if isinstance(path, int) or path is None:
            return
        text = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - pathlib is too slow in a hook
        if event == "sqlite3.connect":
            self._note(text, written=False)
            return
        mode, flags = args[1], args[2]
        writes = (
            any(c in mode for c in "wax+") if isinstance(mode, str) else bool(flags & _WRITE_FLAGS)
        )
        self._note(text, written=writes)

    @property
    def inputs(self) -> list[Path]:
        """Project files that were read."""
        return self._existing(self._read)

    @property
    def outputs(self) -> list[Path]:
        """Project files that were written and not read before."""
        return self._existing(path for path in self._written if path not in self._read)

    def _note(self, path: str, *, written: bool) -> None:
        if not written and path not in self._written:
            self._read.setdefault(path)
        elif written:
            self._written.setdefault(path)

    def _existing(self, paths: Any) -> list[Path]:
        found = []
        for text in paths:
            path = Path(text)
            try:
                inner = path.relative_to(self.project.root)
            except ValueError:
                continue
            if path.suffix in _IGNORED_SUFFIXES or not _IGNORED.isdisjoint(inner.parts):
                continue
            if path.is_file():
                found.append(path)
        return found
