"""Detects the remote files (`s3://`, `https://`, …) that a cell opens through fsspec, and their versions."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

_LOCAL = {"file", "local"}
#: MLflow keeps at most 36 characters of a version.
_LONGEST = 32


@dataclass
class RemoteFileWatch:
    """Notes the remote files that are opened through fsspec in the block."""

    _opened: dict[tuple[str, str], tuple[Any, bool]] = field(default_factory=dict)
    _original: Any = None

    def __enter__(self) -> RemoteFileWatch:
        """Wrap fsspec's `open` for the block, because fsspec has no hook."""
        try:
            from fsspec.spec import AbstractFileSystem
        except ImportError:
            return self
        original = self._original = AbstractFileSystem.open

        def open(filesystem: Any, path: Any, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
            opened = original(filesystem, path, mode, *args, **kwargs)
            with contextlib.suppress(Exception):
                self._note(filesystem, path, mode)
            return opened

        AbstractFileSystem.open = open
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore fsspec's `open`."""
        if self._original is not None:
            from fsspec.spec import AbstractFileSystem

            AbstractFileSystem.open = self._original

    def found(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Return the inputs and the outputs as (URL, version)."""
        read: list[tuple[str, str]] = []
        written: list[tuple[str, str]] = []
        for (_, path), (filesystem, writes) in self._opened.items():
            with contextlib.suppress(Exception):  # it may be gone, or have no version
                use = (filesystem.unstrip_protocol(path), _version(filesystem, path))
                (written if writes else read).append(use)
        return read, written

    def _note(self, filesystem: Any, path: Any, mode: str) -> None:
        protocols = filesystem.protocol
        protocols = {protocols} if isinstance(protocols, str) else set(protocols)
        if protocols & _LOCAL:
            return
        key = (min(protocols), str(filesystem._strip_protocol(path)))  # noqa: SLF001 - no public one
        self._opened.setdefault(key, (filesystem, "r" not in mode))


def _version(filesystem: Any, path: str) -> str:
    """Return the store's own version of a file: its version id, ETag or checksum, else a hash of its metadata."""
    facts = filesystem.info(path)
    for name in ("VersionId", "version_id", "ETag", "etag", "md5", "checksum"):
        version = re.sub(r'^W/|"', "", str(facts.get(name) or ""))
        if version and version != "null":
            return (
                version
                if len(version) <= _LONGEST
                else sha256(version.encode()).hexdigest()[:_LONGEST]
            )
    return str(filesystem.ukey(path))[:_LONGEST]
