"""Which files below a folder are opened, and by whom, as Linux's fanotify tells it.

An unprivileged listener (Linux 5.13 and later) may watch folders by file handle; the event gives
the folder's handle and the file's name. See fanotify_init(2) and fanotify(7) for the layout.
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
_DFID_NAME_RECORD = 2
_AT_FDCWD = -100
_HANDLE_BYTES = 128
_MOST_FOLDERS = 2000
_EVENT = struct.Struct("=IBBHQii")
_RECORD = struct.Struct("=BBH")
_HANDLE = struct.Struct("=Ii")
_FSID_BYTES = 8


class Watch:
    """Watches every folder below `root` (at most 2,000) until it is stopped.

    A thread takes the events as they come, so that a process can still be asked whose child it is
    and the kernel's queue (16,384 events) does not overflow.

    Args:
        root: the folder.
        skip: names of folders that are not entered.
        ours: whether a process belongs to us; 0 stands for one that the kernel does not tell us.

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
        self._folders: dict[bytes, Path] = {}
        self._ours = ours
        self._seen: list[tuple[str, int]] = []
        try:
            for folder in _folders(root, skip):
                self._mark(folder)
            self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        except OSError:
            os.close(self._descriptor)
            raise
        self._thread = threading.Thread(target=self._take, name="mlops-reads", daemon=True)
        self._thread.start()

    def stop(self) -> tuple[list[str], list[str]]:
        """End, and return the files that were read and those that were written, in order."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)
        self._drain()
        # The kernel takes up to 20 ms to let go of its marks, which nobody has to wait for.
        threading.Thread(target=os.close, args=(self._descriptor,), daemon=True).start()
        return _sorted_out(self._seen)

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
            self._seen += self._parse(events)

    def _mark(self, folder: Path) -> None:
        name = os.fsencode(folder)
        self._check(
            self._libc.fanotify_mark(
                self._descriptor,
                ctypes.c_uint(_MARK_ADD_ONLYDIR),
                ctypes.c_uint64(_OPEN | _CLOSE_WRITE | _CLOSE_NOWRITE | _ON_CHILD),
                _AT_FDCWD,
                name,
            )
        )
        handle = ctypes.create_string_buffer(_HANDLE.size + _HANDLE_BYTES)
        _HANDLE.pack_into(handle, 0, _HANDLE_BYTES, 0)
        mount = ctypes.c_int()
        self._check(self._libc.name_to_handle_at(_AT_FDCWD, name, handle, ctypes.byref(mount), 0))
        size, _ = _HANDLE.unpack_from(handle, 0)
        self._folders[handle.raw[: _HANDLE.size + size]] = folder

    def _parse(self, events: bytes) -> Iterator[tuple[str, int]]:
        at = 0
        while at + _EVENT.size <= len(events):
            length, _, _, head, mask, _, pid = _EVENT.unpack_from(events, at)
            if self._ours(pid):
                path = self._path(events[at + head : at + length])
                if path:
                    yield path, mask
            at += length

    def _path(self, records: bytes) -> str:
        kind, _, length = (
            _RECORD.unpack_from(records, 0) if len(records) >= _RECORD.size else (0, 0, 0)
        )
        if kind != _DFID_NAME_RECORD:
            return ""
        start = _RECORD.size + _FSID_BYTES
        size, _ = _HANDLE.unpack_from(records, start)
        end = start + _HANDLE.size + size
        folder = self._folders.get(records[start:end])
        name = records[end:length].split(b"\0", 1)[0]
        return str(folder / os.fsdecode(name)) if folder and name not in {b"", b"."} else ""

    def _check(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


def _sorted_out(events: list[tuple[str, int]]) -> tuple[list[str], list[str]]:
    """Tell reads from writes: an opened file is read unless its closing says that it was written.

    One that is still open (a memory map, say) counts as read. The kernel may merge events of a file
    into one with all their bits.
    """
    read: dict[str, None] = {}
    written: dict[str, None] = {}
    opened: dict[str, None] = {}
    for path, mask in events:
        if mask & _OPEN:
            opened.setdefault(path)
        if mask & _CLOSE_NOWRITE:
            opened.pop(path, None)
            read.setdefault(path)
        if mask & _CLOSE_WRITE:
            opened.pop(path, None)
            written.setdefault(path)
    return [*read, *(path for path in opened if path not in written)], [*written]


def _folders(root: Path, skip: Container[str]) -> Iterator[Path]:
    waiting, count = [root], 0
    while waiting:
        folder = waiting.pop()
        count += 1
        if count > _MOST_FOLDERS:
            raise OSError(errno.ENOSPC, f"more than {_MOST_FOLDERS} folders")
        yield folder
        with os.scandir(folder) as entries:
            waiting += [
                Path(entry.path)
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and entry.name not in skip
            ]
