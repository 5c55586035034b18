"""Records and errors with text that UTF-8 cannot hold, as in the names of some files."""

from __future__ import annotations

import json

from jupyter_mlops import records
from jupyter_mlops.errors import MlopsError


class _Inner(records.Record):
    name: str


class _Outer(records.Record):
    name: str
    parts: list[_Inner]
    params: dict[str, str]


def test_a_record_with_such_text_is_json() -> None:
    record = _Outer(name="\udcff.csv", parts=[_Inner(name="\ud800")], params={"\udcfe": "é"})
    assert json.loads(record.to_json()) == {
        "name": "\\udcff.csv",
        "parts": [{"name": "\\ud800"}],
        "params": {"\\udcfe": "é"},
    }
    assert json.loads(records.to_json(records.Records([record])))[0]["name"] == "\\udcff.csv"


def test_an_error_with_such_text_can_be_written() -> None:
    error = MlopsError("No file \udcff", "Type: \ud800 é")
    assert str(error).encode().decode() == "No file \\udcff. Type: \\ud800 é"
