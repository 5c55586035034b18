"""The prediction log: one JSON line per row, written before the answer is sent.

A batch is one write in append mode. So every answered row is in the file, even if the process is killed directly
after the write.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC
_NEW_FILE_BYTES = 256 * 1024 * 1024


class PredictionLog:
    """Append records to this process's files in `folder`; without a folder, nothing is written."""

    def __init__(self, folder: str, version: str, *, suffix: str = ".jsonl") -> None:
        self._folder = Path(folder) if folder else None
        self._version = version
        self._suffix = suffix
        self._descriptor = -1
        self._written = 0
        self._incomplete = False

    def write(self, records: Iterable[dict[str, Any]]) -> int:
        """Write records in one append; return their number.

        Raises:
            OSError: they could not be written, so they must not be answered.
        """
        if self._folder is None:
            return 0
        now = time.time()
        lines = [
            orjson.dumps({"time": now, "version": self._version, **record}, option=_OPTIONS)
            for record in records
        ]
        if not lines:
            return 0
        content = b"\n".join(lines) + b"\n"
        if self._incomplete:
            content = b"\n" + content
        if self._descriptor < 0 or self._written > _NEW_FILE_BYTES:
            self._open()
        done = os.write(self._descriptor, content)
        self._written += done
        self._incomplete = done != len(content)
        if self._incomplete:
            raise OSError("the prediction log could not be written in full")
        return len(lines)

    def _open(self) -> None:
        assert self._folder is not None
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{time.time_ns()}-{os.getpid()}{self._suffix}"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._written = 0
        self._incomplete = False
