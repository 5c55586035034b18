"""The outputs on the noun pages are what the examples print now."""

from __future__ import annotations

import re

import pytest

from docs import outputs

pytestmark = pytest.mark.slow

_TEXT = re.compile(r"^```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: What differs from run to run: progress, ids, numbers, times, and the widths of columns.
_PROGRESS = re.compile(r"^.*(?: …|\(once (?:for|per) ).*\n", re.MULTILINE)
_CHANGING = [
    (re.compile(r"\b[0-9a-f]{6,}\b"), "N"),
    (re.compile(r"[-+]?\d[\d.,:]*"), "N"),
    (re.compile(r"N min N s\b|N ms\b|N min\b"), "N s"),
    (re.compile(r"[─ -]+"), " "),
]


def words(page: str) -> list[str]:
    """Return the outputs of a page without what differs from run to run."""
    found = []
    for text in _TEXT.findall(page):
        kept = _PROGRESS.sub("", text)
        for pattern, instead in _CHANGING:
            kept = pattern.sub(instead, kept)
        found.append("\n".join(line.strip() for line in kept.splitlines()))
    return found


def test_the_pages_show_what_is_printed_now() -> None:
    compared = 0
    for page, text in outputs.refreshed():
        assert words(text) == words(page.read_text()), f"{page.name}: type make docs-outputs"
        compared += len(words(text))
    assert compared > 40


def test_a_changed_word_is_seen_and_a_changed_number_is_not() -> None:
    page = "```text\nrecorded · a 3f2a91c0 · accuracy=0.9 · 3.5 s\n```\n"
    assert words(page) == words(page.replace("3f2a91c0", "01234567").replace("3.5 s", "1 min 2 s"))
    assert words(page) != words(page.replace("accuracy", "precision"))
