"""Fills in what the pages name in a comment, so that nothing is written twice.

<!-- nouns -->                         the table of nouns
<!-- verbs: run -->                    the verbs of a noun and their options; `root`: the verbs without a noun
<!-- layers --> <!-- rooms --> <!-- rules -->   the import contract
<!-- file: SECURITY.md -->             a file of the repository, without its title
<!-- section: README.md, Measured -->  one section of it
"""

from __future__ import annotations

import re
from pathlib import Path

from docs import rooms, verbs

ROOT = Path(__file__).parent.parent

#: The files of the repository that are pages here.
PAGES = {"SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}

_FILLED = re.compile(
    r"^<!-- (nouns|layers|rooms|rules|verbs|file|section)(?:: (.+?))? -->$", re.MULTILINE
)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)]+)\)")


def filled(page: str) -> str:
    """Return the text of a page with its comments filled in."""
    return _FILLED.sub(lambda match: _fill(match[1], match[2] or ""), page)


def _fill(kind: str, what: str) -> str:
    match kind:
        case "nouns":
            return verbs.nouns()
        case "verbs":
            return verbs.reference(what)
        case "layers":
            return rooms.picture()
        case "rooms":
            return rooms.table()
        case "rules":
            return rooms.rules()
        case "file":
            return _without_title(_read(what))
        case _:
            name, _, heading = what.partition(", ")
            return _section(_read(name), heading)


def _read(name: str) -> str:
    """Return a file of the repository; links to files that are no page here become their text."""

    def link(match: re.Match[str]) -> str:
        page = PAGES.get(match[2])
        return f"[{match[1]}]({page})" if page else match[1]

    return _LINK.sub(link, (ROOT / name).read_text(encoding="utf-8"))


def _without_title(text: str) -> str:
    return re.sub(r"\A# .*\n", "", text)


def _section(text: str, heading: str) -> str:
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise ValueError(f"No section '{heading}'")
    return found[1].strip()
