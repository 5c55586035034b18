"""Read rows from an Arrow IPC stream with plain column types.

With a dictionary, a string view or a compressed buffer, a small body can expand to gigabytes. So these are refused
before they are decoded.
"""

from __future__ import annotations

import struct
from typing import Any

from .rejected import Rejected

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2


def read(body: bytes, most_rows: int) -> tuple[list[str], list[list[Any]]]:
    """Return (column names, rows) of an Arrow stream.

    Raises:
        Rejected: it is not an Arrow stream, has too many rows, or a type that can expand without limit.
    """
    import pyarrow as pa

    try:
        for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(body)):
            if _is_packed(message.metadata.to_pybytes()):
                raise Rejected(
                    415,
                    "media",
                    "Compressed or dictionary-encoded Arrow is not supported; send plain values",
                )
        with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
            _plain_types(reader.schema)
            batches, count = [], 0
            for batch in reader:
                batch.validate(full=True)
                count += batch.num_rows
                if count > most_rows:
                    raise Rejected(413, "rows", f"More than {most_rows} rows in one request")
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
            every = table.column_names
    except (pa.ArrowException, OSError, EOFError, struct.error, ValueError, LookupError):
        raise Rejected(400, "malformed", "The body is not an Arrow stream") from None
    names = [name for name in every if not name.startswith("__index_level_")]
    if len(set(every)) != len(every):
        raise Rejected(422, "columns", "A column name occurs twice")
    columns = [_values(table, name) for name in names]
    return names, [list(row) for row in zip(*columns, strict=True)]


def _values(table: Any, name: str) -> list[Any]:
    """Return a column's values.

    Raises:
        Rejected: a value does not exist in Python: text that is not UTF-8, the year 10000, an unknown time zone.
    """
    import pyarrow as pa

    try:
        values: list[Any] = table.column(name).to_pylist()
    except (pa.ArrowException, ValueError, OverflowError, LookupError, OSError) as error:
        raise Rejected(
            422,
            "value",
            f"Column '{name[:64]}' has a value that cannot be read: {type(error).__name__}",
        ) from None
    return values


def _plain_types(schema: Any) -> None:
    from pyarrow import types

    plain = (
        types.is_integer, types.is_floating, types.is_boolean, types.is_string,
        types.is_large_string, types.is_timestamp, types.is_null,
    )  # fmt: skip
    for field in schema:
        if not any(check(field.type) for check in plain):
            raise Rejected(
                422,
                "type",
                f"Column '{field.name[:64]}' has an Arrow type that is not supported; send plain values",
            )


def _is_packed(metadata: bytes) -> bool:
    """Return whether a message is a dictionary or compressed, according to its flatbuffer."""
    message = struct.unpack_from("<I", metadata, 0)[0]
    kind_at = _field(metadata, message, 1)
    kind = metadata[kind_at] if kind_at else 0
    if kind == _DICTIONARY_BATCH:
        return True
    if kind != _RECORD_BATCH:
        return False
    header_at = _field(metadata, message, 2)
    header = header_at + struct.unpack_from("<I", metadata, header_at)[0]
    return _field(metadata, header, 3) != 0


def _field(buffer: bytes, table: int, index: int) -> int:
    """Return the offset of a field in a flatbuffer table, or 0 if it has its default."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    if 4 + 2 * index >= struct.unpack_from("<H", buffer, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", buffer, vtable + 4 + 2 * index)[0]
    return table + offset if offset else 0
