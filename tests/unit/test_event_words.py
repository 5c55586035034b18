"""The panel knows, and can translate, each word of the events that the package announces."""

from __future__ import annotations

import ast
from pathlib import Path

import jupyter_mlops

WORDS = Path(__file__).parents[2] / "labextension" / "src" / "words.ts"


def _announced() -> set[str]:
    """Return the nouns and verbs of all calls of `announce` that are written as text."""
    found = set()
    for path in Path(jupyter_mlops.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".announce"):
                found |= {
                    arg.value
                    for arg in node.args[:2]
                    if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                }
    return found


def test_each_word_is_translated() -> None:
    announced = _announced()
    assert {"run", "started", "trusted"} <= announced
    translated = WORDS.read_text().partition("const WORDS")[2]
    assert [word for word in sorted(announced) if f"trans.__('{word}')" not in translated] == []
