"""Every Python process that we start leaves the working folder out of its modules."""

from __future__ import annotations

import ast
from pathlib import Path

import jupyter_mlops

PACKAGE = Path(jupyter_mlops.__file__).parent


def commands() -> list[tuple[str, list[str]]]:
    """Return where a list literal begins with the interpreter, and the strings that follow it."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.List | ast.Tuple) or not node.elts:
                continue
            words = [item.value for item in node.elts if isinstance(item, ast.Constant)]
            first = ast.unparse(node.elts[0])
            runs_python = first in {"sys.executable", "base"} or first.startswith("str(interpreter")
            if runs_python and {"-m", "-c"} & set(words):
                found.append((f"{file.name}:{node.lineno}", [str(word) for word in words]))
        for node in ast.walk(ast.parse(file.read_text())):
            # create_subprocess_exec takes its words one by one.
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("subprocess_exec"):
                words = [item.value for item in node.args if isinstance(item, ast.Constant)]
                found.append((f"{file.name}:{node.lineno}", [str(word) for word in words]))
    return found


def test_no_child_of_ours_looks_for_modules_in_the_working_folder() -> None:
    found = commands()
    assert len(found) >= 5, "the commands are written in another way now: look for them again"
    open_ones = [where for where, words in found if not {"-P", "-I"} & set(words)]
    assert open_ones == []
