"""Text for people."""

from __future__ import annotations

import pytest

from jupyter_mlops import text


def test_a_text_is_cut_to_its_length_with_the_mark_of_the_cut() -> None:
    assert text.cut("abcdef", 6) == "abcdef"
    assert text.cut("abcdefg", 6) == "abcde…"
    assert text.one_line(" a\n  b\tc ", 10) == "a b c"
    assert text.printable("a\x1b[2J" * 40, 20) == r"'a\x1b[2Ja\x1b[2Ja\…"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("no  such\tcolumn\nStack trace:\n  0x1"), "no such column"),
        (ValueError("\n\nlate"), "late"),
        (ValueError(), "ValueError"),
        (KeyError("x"), "'x'"),
        (TimeoutError("  "), "TimeoutError"),
        (ValueError("x" * 300), "x" * 199 + "…"),
        ("a line\nanother", "a line"),
        ("", ""),
    ],
)
def test_an_error_is_one_line(error: BaseException | str, shown: str) -> None:
    assert text.error_line(error) == shown


def test_numbers_and_lists_read_as_a_person_would_write_them() -> None:
    assert [text.counted(n, "column") for n in (0, 1, 1200)] == [
        "no columns", "1 column", "1,200 columns",
    ]  # fmt: skip
    assert text.listed(["a", "b", "c"], 3) == "a, b, c"
    assert text.listed([*"abcde"], 2) == "a, b and 3 more"
    assert text.listed([], 2) == ""
