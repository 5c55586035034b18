"""Return types of the verbs: pydantic models, which are also the wire format, and lists of them.

A record has a text form and an HTML form that needs no kernel; `Records.df` is the same list as a
DataFrame.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticSerializationError

from jupyter_mlops import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


class Record(BaseModel):
    """Base class of the records. Unknown fields are errors."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_serialization_defaults_required=True,
        ser_json_inf_nan="null",
        protected_namespaces=(),
    )
    #: The fields that a list shows; empty: all.
    shown: ClassVar[tuple[str, ...]] = ()
    #: The full name of the module whose functions `text` and `html` show this record; empty: a table of its
    #: fields. It is imported when the record is shown: a view imports its records, no record imports a view.
    view: ClassVar[str] = ""

    def row(self) -> dict[str, Any]:
        """Return this record's table row, by column title."""
        return {name: getattr(self, name) for name in self.shown or type(self).model_fields}

    def details(self) -> list[tuple[str, Any]]:
        """Return the (title, value) pairs of a single record's display, without empty values."""
        pairs = [(name, getattr(self, name)) for name in type(self).model_fields]
        return [(name, value) for name, value in pairs if value not in (None, "", [], {})]

    def to_json(self) -> str:
        """Return this record as one JSON object; characters that are no text, as in some file names, are escaped."""
        try:
            return self.model_dump_json()
        except PydanticSerializationError:
            return type(self).model_validate(_escaped(self.model_dump())).model_dump_json()

    def __str__(self) -> str:
        return str(self._viewed("text")) if self.view else tables.pairs_text(self.details())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("…" if cycle else str(self))

    def _repr_html_(self) -> str:
        return str(self._viewed("html")) if self.view else tables.pairs_html(self.details())

    def _viewed(self, form: str) -> Any:
        return getattr(import_module(self.view), form)(self)


def _escaped(value: Any) -> Any:
    """Return a value in which the characters that UTF-8 cannot hold are escaped."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escaped(item) for item in value]
    return value


class TextRecord(Record):
    """A record that is displayed as text, without HTML."""

    def _repr_html_(self) -> None:  # type: ignore[override]
        """Return None, so that the notebook shows the text."""


R = TypeVar("R", bound=Record)


class Records(Sequence[R], Generic[R]):
    """A list of records, displayed as a table; `empty` is the text of an empty list."""

    def __init__(self, items: Iterable[R], *, empty: str = "Nothing yet.") -> None:
        self.items = list(items)
        self.empty = empty

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Records[R]: ...
    def __getitem__(self, index: int | slice) -> R | Records[R]:
        if isinstance(index, slice):
            return Records(self.items[index], empty=self.empty)
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def df(self) -> pd.DataFrame:
        """The same list as a DataFrame, one row for each record, nested fields flattened."""
        import pandas as pd

        return pd.json_normalize([item.model_dump() for item in self.items])

    def to_json(self) -> str:
        """Return the list as one JSON array."""
        return "[" + ",".join(item.to_json() for item in self.items) + "]"

    def rows(self) -> list[dict[str, Any]]:
        """Return the table's rows, a dict for each record."""
        return [item.row() for item in self.items]

    def __str__(self) -> str:
        return tables.table_text(self.rows()) if self.items else self.empty

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("…" if cycle else str(self))

    def _repr_html_(self) -> str:
        if not self.items:
            return f"<p>{tables.escape(self.empty)}</p>"
        return tables.table_html(self.rows())


def to_json(value: Any) -> str:
    """Return any verb's result as one JSON document: a list for a list, else an object."""
    if isinstance(value, (Record, Records)):
        return value.to_json()
    return json.dumps({"text": "" if value is None else str(value)})
