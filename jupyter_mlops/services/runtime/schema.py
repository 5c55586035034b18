"""Check rows against the schema of the training data, before they are batched.

A bad row makes its whole batch fail, with the rows of other clients. So only names, types, missing values and
categories that the training data had are accepted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .rejected import Rejected

if TYPE_CHECKING:
    from pathlib import Path

#: Type in the schema → Python types that JSON or Arrow may give for it, and its name in messages.
ACCEPTS: dict[str, tuple[frozenset[type], str]] = {
    "double": (frozenset({float, int}), "a number"),
    "float": (frozenset({float, int}), "a number"),
    "long": (frozenset({int}), "a whole number"),
    "integer": (frozenset({int}), "a whole number"),
    "boolean": (frozenset({bool}), "true or false"),
    "string": (frozenset({str}), "a string"),
    "datetime": (frozenset({datetime}), "a date such as 2026-01-31T12:00:00"),
}
_RANGES = {"long": (-(2**63), 2**63 - 1), "integer": (-(2**31), 2**31 - 1)}
_KNOWN_SHAPES = 1024
_NAMES_SHOWN = 5

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One input column as it was in training; `dtype` is pandas' name for it."""

    name: str
    type: str
    dtype: str = "float64"
    nullable: bool = False
    missing: str = "nan"
    categories: tuple[Any, ...] | None = None

    @property
    def expects(self) -> str:
        """The name of this column's type in messages."""
        return ACCEPTS[self.type][1]


@dataclass
class Schema:
    """The columns in the model's order, and the check of rows against them."""

    columns: tuple[Column, ...]
    names: tuple[str, ...] = field(init=False)
    _pick: Callable[[dict[str, Any]], Any] = field(init=False)
    _known: set[tuple[type, ...]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.names = tuple(column.name for column in self.columns)
        self._pick = itemgetter(*self.names) if len(self.names) > 1 else self._pick_one
        # Whether a row's types are enough to accept it, without examining its values.
        self._by_type = all(
            column.type in {"double", "float", "boolean", "string"} and column.categories is None
            for column in self.columns
        )

    def _pick_one(self, row: dict[str, Any]) -> tuple[Any]:
        return (row[self.names[0]],)

    @classmethod
    def read(cls, path: Path) -> Schema:
        """Read `schema.json`."""
        items = json.loads(path.read_text(encoding="utf-8"))["inputs"]
        return cls(
            tuple(
                Column(
                    **{
                        **item,
                        "categories": None
                        if item.get("categories") is None
                        else tuple(item["categories"]),
                    }
                )
                for item in items
            )
        )

    def from_objects(self, rows: list[Any]) -> list[Row]:
        """Return checked rows in the model's column order, from `{name: value}` objects."""
        width = len(self.names)
        checked: list[Row] = []
        for index, row in enumerate(rows):
            if type(row) is not dict:
                raise Rejected(
                    422, "shape", f"Row {index} must be an object of column names and values"
                )
            try:
                values = self._pick(row)
            except KeyError:
                raise self._wrong_names(row, f"Row {index}") from None
            if len(row) != width:
                raise self._wrong_names(row, f"Row {index}")
            checked.append(self._check(values, index))
        return checked

    def from_values(
        self, rows: list[Any], names: Sequence[str] | None, *, look: bool = False
    ) -> list[Row]:
        """Return checked rows from lists of values in the order of `names` (none: the model's).

        `look` examines every value: unlike JSON, Arrow has NaN and infinity.
        """
        pick: Callable[[Any], Any] | None = None
        if names is not None and tuple(names) != self.names:
            if len(set(names)) != len(names):
                raise Rejected(422, "columns", "A column name occurs twice")
            if set(names) != set(self.names):
                raise self._wrong_names(names, "The request")
            order = [list(names).index(name) for name in self.names]
            pick = itemgetter(*order) if len(order) > 1 else None
        width = len(self.names)
        checked: list[Row] = []
        for index, row in enumerate(rows):
            values = _flat(row) if type(row) is list and row and type(row[0]) is list else row
            if type(values) is not list or len(values) != width:
                count = len(values) if type(values) is list else 0
                raise Rejected(422, "shape", f"Row {index} must have {width} values, not {count}")
            checked.append(self._check(tuple(pick(values) if pick else values), index, look))
        return checked

    def _check(self, values: tuple[Any, ...], index: int, look: bool = False) -> Row:
        shape = tuple(map(type, values))
        if shape in self._known and not look:
            return values
        good = tuple(
            self._value(value, column, index)
            for value, column in zip(values, self.columns, strict=True)
        )
        if (
            self._by_type
            and type(None) not in shape
            and all(a is b for a, b in zip(good, values, strict=True))
        ) and len(self._known) < _KNOWN_SHAPES:
            self._known.add(shape)
        return good

    def _value(self, value: Any, column: Column, index: int) -> Any:
        kind = type(value)
        if value is None or (kind is float and math.isnan(value)):
            if column.nullable:
                return None
            raise Rejected(
                422,
                "missing",
                f"Row {index}: '{column.name}' is missing; the training data has no missing values in it",
            )
        if column.type == "datetime" and kind is str:
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                kind = type(None)
            else:
                kind = datetime
        elif kind is float and column.type in _RANGES and value.is_integer():
            value, kind = int(value), int
        if kind not in ACCEPTS[column.type][0]:
            raise Rejected(
                422,
                "type",
                f"Row {index}: '{column.name}' must be {column.expects}, not {_named(kind)}",
            )
        if kind is float and math.isinf(value):
            raise Rejected(422, "type", f"Row {index}: '{column.name}' must be a finite number")
        limits = _RANGES.get(column.type)
        if limits is not None and not limits[0] <= value <= limits[1]:
            raise Rejected(
                422, "type", f"Row {index}: '{column.name}' is outside the range of its type"
            )
        if column.categories is not None and value not in column.categories:
            raise Rejected(
                422,
                "category",
                f"Row {index}: '{column.name}' is a category that the training data did not have",
            )
        return value

    def _wrong_names(self, names: Any, where: str) -> Rejected:
        missing = [name for name in self.names if name not in names]
        unknown = [str(name) for name in names if name not in self.names]
        parts = []
        if missing:
            parts.append(f"lacks {_listed(missing)}")
        if unknown:
            parts.append(f"has unknown {_listed(unknown)}")
        return Rejected(422, "columns", f"{where} {' and '.join(parts)}")


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name[:64]}'" for name in names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"column{'s' if len(names) > 1 else ''} {shown}{more}"


def _named(kind: type) -> str:
    names = {
        str: "a string",
        bool: "a boolean",
        float: "a fraction",
        int: "a number",
        list: "a list",
    }
    return {**names, dict: "an object", type(None): "this value"}.get(kind, kind.__name__)


def _flat(row: list[Any]) -> list[Any]:
    """Return the values of a nested row (for example an image) as one list."""
    while row and type(row[0]) is list:
        if any(type(item) is not list for item in row):
            return row
        row = [value for item in row for value in item]
    return row
