"""Detects with Linux's fanotify which files below a folder are opened, and by which process.

An unprivileged listener (Linux 5.13 and later) may watch folders by file handle; an event has the
folder's handle and the file's name. See fanotify_init(2) and fanotify(7) for the layout.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

_CLOEXEC_NONBLOCK = 0x1 | 0x2
_REPORT_DFID_NAME = 0x400 | 0x800
_MARK_ADD_ONLYDIR = 0x1 | 0x8
_OPEN, _CLOSE_WRITE, _CLOSE_NOWRITE, _ON_CHILD = 0x20, 0x8, 0x10, 0x0800_0000
_CREATE, _MOVED_TO, _OVERFLOW, _ON_FOLDERS = 0x100, 0x80, 0x4000, 0x4000_0000
_WATCHED = _OPEN | _CLOSE_WRITE | _CLOSE_NOWRITE | _CREATE | _MOVED_TO | _ON_CHILD | _ON_FOLDERS
_DFID_NAME_RECORD = 2
_AT_FDCWD = -100
_HANDLE_BYTES = 128
_MOST_FOLDERS = 2000
_EVENT = struct.Struct("=IBBHQii")
_RECORD = struct.Struct("=BBH")
_HANDLE = struct.Struct("=Ii")
_FSID_BYTES = 8


class FanotifyWatch:
    """Watches every folder below `root` (at most 2,000), including new ones, until `stop`.

    A symbolic link that leads out of `root` is followed; files behind it have the link's name. A
    thread reads the events at once: the parents of a process can then still be read, and the Linux
    kernel's queue (16,384 events) does not overflow. `missed` says why events are missing, if any are.

    Args:
        root: the folder.
        skip: names of folders that are not entered.
        ours: whether a process belongs to us; 0 is a process whose id Linux hides from us.

    Raises:
        OSError: this machine has no fanotify, or refuses it.
    """

    def __init__(self, root: Path, *, skip: Container[str], ours: Callable[[int], bool]) -> None:
        if not hasattr(os, "eventfd"):
            raise OSError(errno.ENOSYS, "no fanotify on this system")
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "fanotify_init"):
            raise OSError(errno.ENOSYS, "no fanotify on this system")
        self._descriptor = self._check(
            self._libc.fanotify_init(_CLOEXEC_NONBLOCK | _REPORT_DFID_NAME, os.O_RDONLY)
        )
        self.missed = ""
        self._folders: dict[bytes, Path] = {}
        #: Folders outside `root`, with the single files in them that links lead to: name → link.
        self._links: dict[bytes, dict[bytes, Path]] = {}
        self._ours = ours
        self._skip = skip
        self._notes: dict[tuple[str, str], None] = {}
        self._opened: set[str] = set()
        self._open: dict[str, None] = {}
        try:
            self._watch(root)
            self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        except OSError:
            os.close(self._descriptor)
            raise
        self._thread = threading.Thread(target=self._take, name="mlops-reads", daemon=True)
        self._thread.start()

    def stop(self) -> list[tuple[str, str]]:
        """Stop, and return the events in order: (read, both, written or created; path).

        `both` is a file that was opened for writing or is still open: its time says whether it was
        written.
        """
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)
        self._drain()
        # Linux takes up to 20 ms to free the marks; a thread closes, so that nobody waits.
        threading.Thread(target=os.close, args=(self._descriptor,), daemon=True).start()
        return [*self._notes, *(("both", path) for path in self._open)]

    def _take(self) -> None:
        wait = select.poll()
        wait.register(self._descriptor, select.POLLIN)
        wait.register(self._stop, select.POLLIN)
        while all(descriptor != self._stop for descriptor, _ in wait.poll()):
            self._drain()

    def _drain(self) -> None:
        while True:
            try:
                events = os.read(self._descriptor, 1 << 18)
            except BlockingIOError:
                return
            for path, mask in self._parse(events):
                self._note(path, mask)

    def _note(self, path: Path, mask: int) -> None:
        text = str(path)
        if mask & _ON_FOLDERS:
            if mask & (_CREATE | _MOVED_TO):
                self._fresh(path, "created" if mask & _CREATE else "both")
            return
        if mask & _CREATE:
            self._notes.setdefault(("created", text))
        if mask & _MOVED_TO:
            self._notes.setdefault(("written", text))
        if mask & _OPEN:
            self._opened.add(text)
            self._open.setdefault(text)
        # A file that was opened before the watch does not count as read when it is closed.
        if mask & _CLOSE_NOWRITE and text in self._opened:
            self._notes.setdefault(("read", text))
        if mask & _CLOSE_WRITE:
            self._notes.setdefault(("both" if text in self._opened else "written", text))
        if mask & (_CLOSE_NOWRITE | _CLOSE_WRITE):
            self._open.pop(text, None)

    def _fresh(self, folder: Path, kind: str) -> None:
        """Watch a folder that was created or moved here; note its files, whose events were missed."""
        if folder.name in self._skip:
            return
        try:
            self._watch(folder)
        except OSError as error:
            if folder.exists():
                self.missed = f"{folder.name}: {error.strerror}"
            return
        for inside, _, files in os.walk(folder):
            self._notes.update(((kind, str(Path(inside, name))), None) for name in files)

    def _watch(self, root: Path) -> None:
        """Mark `root`, the folders below it, then the targets of links that lead out of it."""
        links: list[Path] = []
        for folder in self._below(root, links):
            self._folders[self._mark(folder)] = folder
        real = root.resolve()
        for link in links:
            target = link.resolve()
            if not target.is_relative_to(real):
                try:
                    self._follow(link, target)
                except OSError as error:  # not readable, no fanotify on its disk, too many
                    self.missed = f"behind the link {link.name}: {error.strerror}"

    def _follow(self, link: Path, target: Path) -> None:
        if target.is_file():
            handle = self._mark(target.parent)
            self._links.setdefault(handle, {})[os.fsencode(target.name)] = link
        elif target.is_dir():
            for folder in self._below(target, []):
                self._folders[self._mark(folder)] = link / folder.relative_to(target)

    def _below(self, root: Path, links: list[Path]) -> Iterator[Path]:
        """Yield `root` and the folders below it; add the symbolic links in them to `links`."""
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            if len(self._folders) + len(self._links) >= _MOST_FOLDERS:
                raise OSError(errno.ENOSPC, f"more than {_MOST_FOLDERS} folders")
            yield folder
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name in self._skip:
                        continue
                    if entry.is_symlink():
                        links.append(Path(entry.path))
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))

    def _mark(self, folder: Path) -> bytes:
        """Watch one folder, and return the handle that it has in events."""
        name = os.fsencode(folder)
        self._check(
            self._libc.fanotify_mark(
                self._descriptor,
                ctypes.c_uint(_MARK_ADD_ONLYDIR),
                ctypes.c_uint64(_WATCHED),
                _AT_FDCWD,
                name,
            )
        )
        handle = ctypes.create_string_buffer(_HANDLE.size + _HANDLE_BYTES)
        _HANDLE.pack_into(handle, 0, _HANDLE_BYTES, 0)
        mount = ctypes.c_int()
        self._check(self._libc.name_to_handle_at(_AT_FDCWD, name, handle, ctypes.byref(mount), 0))
        size, _ = _HANDLE.unpack_from(handle, 0)
        return handle.raw[: _HANDLE.size + size]

    def _parse(self, events: bytes) -> Iterator[tuple[Path, int]]:
        at = 0
        while at + _EVENT.size <= len(events):
            length, _, _, head, mask, _, pid = _EVENT.unpack_from(events, at)
            if mask & _OVERFLOW:
                self.missed = "Linux's event queue overflowed"
            elif self._ours(pid):
                path = self._path(events[at + head : at + length])
                if path:
                    yield path, mask
            at += length

    def _path(self, records: bytes) -> Path | None:
        kind, _, length = (
            _RECORD.unpack_from(records, 0) if len(records) >= _RECORD.size else (0, 0, 0)
        )
        if kind != _DFID_NAME_RECORD:
            return None
        start = _RECORD.size + _FSID_BYTES
        size, _ = _HANDLE.unpack_from(records, start)
        end = start + _HANDLE.size + size
        handle, name = records[start:end], records[end:length].split(b"\0", 1)[0]
        if name in {b"", b"."}:
            return None
        link = self._links.get(handle, {}).get(name)
        if link is None and handle in self._folders:
            return self._folders[handle] / os.fsdecode(name)
        return link

    def _check(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
