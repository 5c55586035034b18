"""Decode a request's body to checked rows: JSON in four shapes, or an Arrow stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from . import arrow_stream
from .rejected import Rejected

if TYPE_CHECKING:
    from .schema import Row, Schema

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
_SHAPES = 'Send {"rows": [{"column": value, …}, …]} or {"columns": [names], "data": [[values], …]}'


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum bytes and rows of one request."""

    body_bytes: int = 16 * 1024 * 1024
    rows: int = 10_000


def decode(body: bytes, content_type: str, schema: Schema, limits: Limits) -> list[Row]:
    """Return the rows of `body`, checked and in the model's column order.

    Raises:
        Rejected: the body does not match the schema; the message never contains its values.
    """
    media = content_type.partition(";")[0].strip().lower()
    # A missing type is refused: a browser sends such a request from any page without a CORS preflight.
    if media == JSON:
        return _from_json(body, schema, limits)
    if media == ARROW:
        return _from_arrow(body, schema, limits)
    raise Rejected(415, "media", f"Content-Type must be {JSON} or {ARROW}")


def _from_json(body: bytes, schema: Schema, limits: Limits) -> list[Row]:
    if not body:
        raise Rejected(400, "empty", f"The body is empty. {_SHAPES}")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "depth limit" in error.msg or "recursion" in error.msg.lower():
            raise Rejected(400, "depth", "The JSON is nested too deeply") from None
        raise Rejected(
            400, "malformed", f"The body is not JSON: {error.msg} at byte {error.pos}"
        ) from None
    if type(content) is not dict:
        raise Rejected(422, "shape", f"The body must be a JSON object. {_SHAPES}")
    if "rows" in content:
        _refuse_other_keys(content, {"rows"})
        return schema.from_objects(_sized(content["rows"], "rows", limits))
    # pandas' orient="split" adds `index`; it is ignored.
    if "data" in content:
        _refuse_other_keys(content, {"columns", "data", "index"})
        names = content.get("columns")
        if names is not None and not (
            type(names) is list and all(type(name) is str for name in names)
        ):
            raise Rejected(422, "shape", "'columns' must be a list of names")
        return schema.from_values(_sized(content["data"], "data", limits), names)
    raise Rejected(422, "shape", f"The body has neither 'rows' nor 'data'. {_SHAPES}")


def _refuse_other_keys(content: dict[str, Any], known: set[str]) -> None:
    unknown = [key for key in content if key not in known]
    if unknown:
        raise Rejected(422, "shape", f"Unknown key '{unknown[0][:64]}' in the body. {_SHAPES}")


def _sized(rows: Any, key: str, limits: Limits) -> list[Any]:
    if type(rows) is not list:
        raise Rejected(422, "shape", f"'{key}' must be a list of rows")
    if not rows:
        raise Rejected(422, "empty", f"'{key}' has no rows")
    if len(rows) > limits.rows:
        raise Rejected(
            413, "rows", f"{len(rows)} rows in one request; at most {limits.rows} are allowed"
        )
    return rows


def _from_arrow(body: bytes, schema: Schema, limits: Limits) -> list[Row]:
    names, rows = arrow_stream.read(body, limits.rows)
    if not rows:
        raise Rejected(422, "empty", "The Arrow stream has no rows")
    return schema.from_values(rows, names, look=True)
