"""An ONNX file, looked through as the protobuf message that it is.

onnxruntime runs only its own operators, but a model may name other files: numbers kept outside of it, and
compiled parts. The message is walked without the `onnx` package, which a service does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .refused import Refused, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHAT = "The ONNX file"
_DEEPEST = 64
#: Fields that hold messages of interest, by message: field number to message.
_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function", 20: "training"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_OPERATOR, _DOMAIN, _FUNCTION_DOMAIN = 4, 7, 10
_DOMAINS = {
    b"",
    b"ai.onnx",
    b"ai.onnx.ml",
    b"ai.onnx.training",
    b"ai.onnx.preview.training",
    b"com.microsoft",
}
#: It stands for a compiled part in another file.
_DENIED = {b"EPContext"}


def check(content: bytes) -> None:
    """Raise unless a model stands alone: all numbers inside, and only operators of onnxruntime.

    Raises:
        Refused: it is no ONNX model, names another file, or needs a library of operators.
    """
    with one_line(_WHAT):
        view = memoryview(content)
        if not any(number == 7 for number, _ in _fields(view)):
            raise Refused(f"{_WHAT} holds no graph")
        _walk(view, "model", 0, _local_domains(view))


def _local_domains(view: memoryview) -> set[bytes]:
    """Return the domains of the functions that the model defines itself."""
    found = set()
    for number, function in _fields(view):
        if number == 25 and isinstance(function, memoryview):
            found |= {
                bytes(value)
                for inner, value in _fields(function)
                if inner == _FUNCTION_DOMAIN and isinstance(value, memoryview)
            }
    return found


def _walk(view: memoryview, message: str, depth: int, local: set[bytes]) -> None:
    if depth > _DEEPEST:
        raise Refused(f"{_WHAT} is nested too deeply")
    parts = _PARTS[message]
    for number, value in _fields(view):
        if message == "tensor" and (
            number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
        ):
            raise Refused(f"{_WHAT} keeps numbers in another file")
        if message == "node" and isinstance(value, memoryview):
            text = bytes(value)
            if number == _DOMAIN and text not in _DOMAINS | local:
                raise Refused(
                    f"{_WHAT} needs operators of '{ascii(text)[2:60]}, which onnxruntime has not"
                )
            if number == _OPERATOR and text in _DENIED:
                raise Refused(f"{_WHAT} keeps a compiled part in another file")
        if number in parts:
            if not isinstance(value, memoryview):
                raise Refused(f"{_WHAT} is damaged")
            _walk(value, parts[number], depth + 1, local)


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and value of each field of a message.

    Raises:
        Refused: it ends too early, or has a field of no known kind.
    """
    at, end = 0, len(view)
    while at < end:
        key, at = _varint(view, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(view, at)
            yield number, value
        elif kind == 2:
            length, at = _varint(view, at)
            if length > end - at:
                raise Refused(f"{_WHAT} ends too early")
            yield number, view[at : at + length]
            at += length
        elif kind in {1, 5}:
            at += 8 if kind == 1 else 4
            yield number, 0
        else:
            raise Refused(f"{_WHAT} is no protobuf message")
    if at > end:
        raise Refused(f"{_WHAT} ends too early")


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise Refused(f"{_WHAT} ends too early")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Refused(f"{_WHAT} is no protobuf message")
