"""NumPy files: check their headers before NumPy allocates memory."""

from __future__ import annotations

import io
import math

from .archives import Archive
from .refused import Refused, one_line


def check_npy(content: bytes, what: str) -> None:
    """Raise unless a `.npy` file holds numbers and has the size that its header declares.

    Raises:
        Refused: it holds objects (a pickle), or its header and its size differ.
    """
    from numpy.lib import format as npy

    with one_line(what):
        file = io.BytesIO(content)
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:
            raise Refused(f"{what} has an unsupported array version")
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise Refused(f"{what} holds a pickle")
        if any(type(length) is not int or length < 0 for length in shape):
            raise Refused(f"{what} has an invalid shape")
        if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
            raise Refused(f"{what} is not as long as its header says")


def check_npz(content: bytes, what: str) -> None:
    """Raise unless an `.npz` file holds only arrays of numbers.

    Raises:
        Refused: it holds anything else.
    """
    with Archive(content, what) as archive:
        for name in archive.names:
            check_npy(archive.read(name), what)
