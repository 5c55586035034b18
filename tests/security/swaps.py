"""Exchange a folder for a link in the middle of an act: before each of its system calls that Python announces."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_EXCHANGE, _HERE = 2, -100
_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
_watcher: list[Callable[[], None]] = []
_installed: list[bool] = []


def exchange(one: Path, other: Path) -> None:
    """Exchange two names in one step, as an attacker would."""
    if _renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2", str(one))


def _hook(event: str, _: Any) -> None:
    if _watcher and event.partition(".")[0] in {"open", "os", "shutil"}:
        _watcher[0]()


@contextmanager
def before_call(number: int, act: Callable[[], object]) -> Iterator[list[int]]:
    """Call `act` before the announced system call with this number (from 1); yield how many there were."""
    if not _installed:
        sys.addaudithook(_hook)  # it cannot be removed, so it is added once
        _installed.append(True)
    count, thread = [0], threading.get_ident()

    def watch() -> None:
        if threading.get_ident() != thread:
            return
        count[0] += 1
        if count[0] == number:
            kept, _watcher[:] = _watcher[:], []
            act()
            _watcher[:] = kept

    _watcher[:] = [watch]
    try:
        yield count
    finally:
        _watcher.clear()


def at_each_call(
    prepare: Callable[[], object], act: Callable[[], object], swap: Callable[[], object]
) -> Iterator[int]:
    """Do `act` again and again, each time with a swap before its next system call; yield the call's number."""
    number = 0
    while True:
        number += 1
        prepare()
        with before_call(number, swap) as count:
            act()
        if count[0] < number:
            return
        yield number


def unharmed(
    prepare: Callable[[], object],
    act: Callable[[], object],
    names: tuple[Path, Path],
    seen: Callable[[], object],
) -> int:
    """Exchange two names before each call of `act`; fail if what is `seen` changes; return the number of swaps."""
    before, tried = seen(), 0
    for tried in at_each_call(prepare, act, lambda: exchange(*names)):
        assert seen() == before, f"changed by a swap before call {tried}"
    return tried
