"""Detects with three layers which project files a cell reads and writes.

`README.md` in this folder has a table of readers, and the cost of each layer.

- Python's audit events see everything that goes through this process's `open` (pandas, numpy,
  torch.load, …) and sqlite3.
- fanotify, where the machine allows it, sees readers that open files in C++ (pyarrow, polars,
  duckdb) and child processes (DataLoader workers, loky, subprocess).
- Deep mode, in a kernel that was started for it, sees the same and needs no permission.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.runs.capture import deep, fanotify, own_processes
from jupyter_mlops.runs.capture.inputs_outputs import IGNORED, FileUses
from jupyter_mlops.runs.capture.read_versions import EarlyHasher
from jupyter_mlops.runs.capture.remote_files import RemoteFileWatch

if TYPE_CHECKING:
    from types import TracebackType

    from jupyter_mlops.project import Project

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_UNSEEN = "native readers (pyarrow, polars, duckdb, h5py, …) and child processes are not seen here"

_EVENTS = own_processes.STARTS | {"open", "sqlite3.connect", "os.rename"}
_sink: FileWatch | None = None
_installed = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    # An exception in here would make the user's open() fail, so all are suppressed.
    sink = _sink
    if sink is None or event not in _EVENTS:
        return
    try:  # noqa: SIM105 - a context manager costs more than the event
        sink.saw(event, args)
    except Exception:  # noqa: S110
        pass


@dataclass
class FileWatch:
    """Collects the files that this process and its children open in the block.

    Afterwards `inputs` and `outputs` are absolute paths of project files. A file that was read first
    is an input; a file that was only written is an output. `lost` files were read and then deleted.
    """

    project: Project
    #: What the layers cannot see, and why; empty if they see everything.
    blind: str = ""
    layers: list[str] = field(default_factory=list)
    urls: RemoteFileWatch = field(default_factory=RemoteFileWatch)
    uses: FileUses = field(init=False)
    _watch: fanotify.FanotifyWatch | None = None
    _deep: deep.ShimWatch | None = None
    _family: own_processes.ProcessFamily = field(default_factory=own_processes.ProcessFamily)

    def __post_init__(self) -> None:
        self.uses = FileUses(self.project.root)
        self.early = EarlyHasher(self.project, self.uses.is_data)
        self._below = (f"{self.project.root}/", f"{os.path.realpath(self.project.root)}/")

    def __enter__(self) -> FileWatch:
        """Begin to collect."""
        global _sink, _installed
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True
        self.uses.begin(self.project.state)
        self.layers = ["Python"]
        self._begin_fanotify()
        self._begin_deep()
        self.urls.__enter__()
        _sink = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop collecting, and add the events of the other layers."""
        global _sink
        _sink = None
        self.early.stop()
        self.urls.__exit__(kind, error, traceback)
        if self._deep:
            for note in self._deep.stop():
                self.uses.note(*note)
        if self._watch:
            for sort, path in self._watch.stop():
                self.uses.note(sort, path)
        missed = [watch.missed for watch in (self._deep, self._watch) if watch]
        if missed and all(missed):
            self.blind = f"some {_UNSEEN} ({missed[0]})"
        self.uses.settle()

    @property
    def layers_text(self) -> str:
        """One line: the active layers, and what they cannot see."""
        return "; ".join(filter(None, [", ".join(self.layers), self.blind]))

    @property
    def inputs(self) -> list[Path]:
        """Project files that were read, under the names at the time of reading."""
        return self.uses.inputs

    @property
    def outputs(self) -> list[Path]:
        """Project files that were written and not read before."""
        return self.uses.outputs

    @property
    def lost(self) -> list[Path]:
        """Project files that were read and no longer exist."""
        return self.uses.lost

    def saw(self, event: str, args: tuple[Any, ...]) -> None:
        """Handle one audit event; it comes before the operation, which may still fail."""
        if self.early.working():
            return
        if event in own_processes.STARTS:
            self._family.started = True
        elif event == "os.rename":
            source, target, *folders = args
            if folders == [-1, -1]:
                self.uses.note("moved", _absolute(source), _absolute(target))
        elif event == "sqlite3.connect":
            self._opened(_database(args[0]), "read", "created")
        elif not isinstance(args[0], int) and args[0] is not None:
            path = _absolute(args[0])
            self._opened(path, *_kinds(args[2]))
            self.early.saw(path, args[2])

    def _opened(self, path: str, there: str, absent: str) -> None:
        """Note a file as used: of kind `there` if it exists, of kind `absent` if it does not."""
        if not path.startswith(self._below):
            self.uses.note(there, path)  # may be the project by another path: checked at the end
            return
        try:
            facts = os.stat(path)  # noqa: PTH116 - pathlib is too slow in a hook
        except OSError:
            if absent:
                self.uses.note(absent, path)
            return
        if stat.S_ISREG(facts.st_mode):
            self.uses.note(there, path)

    def _begin_fanotify(self) -> None:
        root = self.project.root
        try:
            self._watch = fanotify.FanotifyWatch(root, skip=IGNORED, ours=self._family.has)
        except OSError as error:
            self.blind = f"{_UNSEEN} ({error.strerror or error}). Type: %mlops deep on"
        else:
            self.layers.append("fanotify")

    def _begin_deep(self) -> None:
        try:
            self._deep = deep.ShimWatch(self.project.root)
        except OSError as error:
            if self.project.settings.lineage.deep:
                self.layers.append(f"deep mode is off: {error.strerror}")
        else:
            self.layers.append("deep")
            self.blind = ""


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - pathlib is too slow in a hook


def _database(name: Any) -> str:
    """Return the path from the argument of `sqlite3.connect`: a path, or a `file:` URI."""
    text = os.fsdecode(name)
    if text.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        text = unquote(urlsplit(text).path)
    return _absolute(text)


def _kinds(flags: int) -> tuple[str, str]:
    """Return the kind of use by an open with these flags: of an existing file, and of a missing one."""
    if not flags & _WRITE_FLAGS:
        return "read", ""
    there = "both" if flags & os.O_RDWR and not flags & os.O_TRUNC else "written"
    return there, "created" if flags & os.O_CREAT else ""
