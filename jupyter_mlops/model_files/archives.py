"""Zip archives as model files: refuse archives in which readers may see different members."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO

from .refused import Refused, one_line

if TYPE_CHECKING:
    from pathlib import Path

_MOST_MEMBERS = 200_000
#: Maximum unpacked size of an archive: a fixed number of bytes plus a multiple of its own size.
_FREE_BYTES, _MOST_RATIO = 64 * 1024 * 1024, 20
_END = b"PK\x05\x06"
_END_SIZE = 22
_ENCRYPTED = 0x1


class Archive:
    """A checked zip archive: plain unique names, limited sizes, no bytes before or after it.

    Raises:
        Refused: it is damaged, or different readers may see different members.
    """

    def __init__(self, source: Path | bytes, what: str) -> None:
        self._what = what
        with one_line(what):
            self._file: BinaryIO = (
                io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
            )
            try:
                self._zip = zipfile.ZipFile(self._file)
                self._members = self._checked()
            except BaseException:
                self._file.close()
                raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The names of the members, in the archive's order."""
        return [*self._members]

    def size(self, name: str) -> int:
        """Return the size of a member in bytes; -1 if there is none."""
        return self._members[name].file_size if name in self._members else -1

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises:
            Refused: there is no such member, or it is damaged.
        """
        if name not in self._members:
            raise Refused(f"{self._what} lacks '{_shown(name)}'")
        with one_line(self._what):
            content = self._zip.read(self._members[name])
        if len(content) != self._members[name].file_size:
            raise Refused(f"{self._what} is damaged: '{_shown(name)}' is not as long as it says")
        return content

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        size = self._file.seek(0, io.SEEK_END)
        if len(infos) > _MOST_MEMBERS:
            raise Refused(f"{self._what} has more than {_MOST_MEMBERS:,} members")
        self._file.seek(max(0, size - _END_SIZE))
        # Bytes before or after the archive are for another reader: a second archive, a script.
        if not infos or min(info.header_offset for info in infos) != 0:
            raise Refused(f"{self._what} does not begin as an archive")
        if self._file.read(4) != _END or self._zip.comment:
            raise Refused(f"{self._what} goes on after its archive ends")
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._refuse_odd(info)
            if info.filename in members:
                raise Refused(f"{self._what} has two members '{_shown(info.filename)}'")
            members[info.filename] = info
        if len({name.casefold() for name in members}) < len(members):
            raise Refused(f"{self._what} has members whose names differ only in case")
        packed = sum(info.compress_size for info in infos)
        unpacked = sum(info.file_size for info in infos)
        if packed > size or unpacked > _FREE_BYTES + _MOST_RATIO * size:
            raise Refused(f"{self._what} would unpack to {unpacked:,} bytes")
        return members

    def _refuse_odd(self, info: zipfile.ZipInfo) -> None:
        name = info.filename
        parts = name.split("/")
        plain = name.isprintable() and "\\" not in name and ":" not in name
        if (
            not plain
            or any(part in {"", ".", ".."} for part in parts)
            or info.orig_filename != name
        ):
            raise Refused(f"{self._what} has a member '{_shown(name)}', which is no plain name")
        if info.flag_bits & _ENCRYPTED:
            raise Refused(f"{self._what} is encrypted")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise Refused(f"{self._what} has a link '{_shown(name)}'")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise Refused(f"{self._what} uses an unsupported compression")


def _shown(name: Any) -> str:
    text = ascii(name)[1:-1]
    return text if len(text) <= 60 else f"{text[:59]}…"
