"""A safetensors file: the header's length, the header in JSON, and the numbers."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

from .refused import Refused, one_line

if TYPE_CHECKING:
    from pathlib import Path

_WHAT = "The safetensors file"
#: safetensors' own limit is 100 MB; a header of 16 MB names about 100,000 tensors.
_LONGEST_HEADER = 16 * 1024 * 1024


def check(path: Path) -> None:
    """Raise unless the parts that the header names fill the file without gaps or overlaps.

    Raises:
        Refused: they do not.
    """
    with one_line(_WHAT), path.open("rb") as file:
        size = path.stat().st_size
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_LONGEST_HEADER, size - 8):
            raise Refused(f"{_WHAT} has a header of {length:,} bytes")
        header = json.loads(file.read(length), object_pairs_hook=_unique)
        header.pop("__metadata__", None)
        spans = sorted(tuple(item["data_offsets"]) for item in header.values())
        end = 0
        for first, last in spans:
            if type(first) is not int or type(last) is not int or first != end or last < first:
                raise Refused(f"{_WHAT} names parts of itself that overlap or are not there")
            end = last
        if end != size - 8 - length:
            raise Refused(f"{_WHAT} is not as long as its header says")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused(f"{_WHAT} names one tensor twice")
    return found
