"""Only one module parses notebook source."""

from __future__ import annotations

import ast
from pathlib import Path

import jupyter_mlops

READER = "cells/source.py"
#: The reader's own module for it; outside of cells/ only the search for secrets asks it, and who names its error.
PARSER = "cells/parser.py"
# What else parses Python or asks IPython for it, and why that is no second reader of notebooks.
ALLOWED = {
    "formats/libraries/torch_structure.py": {"compile": "runs the source of a model's class"},
    "formats/libraries/torch_source.py": {"ast.parse": "the source files of a model's class"},
    "lazy.py": {"ast.parse": "the stubs of our own packages"},
    "jobs/values.py": {"ast.parse": "a type, and a value typed on the command line"},
    "magics/await_cells.py": {"transform_cell": "the user's shell, before it runs the cell"},
    "magics/auto.py": {"transform_cell": "the user's shell, before it runs the cell"},
    "magics/cell.py": {
        "transform_cell": "the user's shell, before it runs the cell",
        "ast_parse": "IPython's compiler, to run the cell",
        "compile": "IPython's compiler, to run the cell",
    },
    "model_files/pt2_program.py": {"ast.parse": "an expression in a model file"},
}
PARSERS = {
    "ast.parse", "transform_cell", "ast_parse", "TransformerManager", "IPythonInputSplitter", "symtable",
    "tokenize", "generate_tokens", "compile_command", "compile",
}  # fmt: skip


def _parsers(path: Path) -> set[str]:
    """Return the parsers that a module calls; `re.compile` is none."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        if name not in {"re.compile", "torch.compile"}:
            found |= {name, last} & PARSERS
    return found


def _sources() -> dict[str, set[str]]:
    root = Path(jupyter_mlops.__file__).parent
    return {
        str(path.relative_to(root)): found
        for path in root.rglob("*.py")
        if (found := _parsers(path))
    }


def test_one_module_parses_notebook_source() -> None:
    found = _sources()
    assert {"TransformerManager", "compile"} <= found.pop(PARSER)
    assert found == {path: set(calls) for path, calls in ALLOWED.items()}


def test_only_the_rooms_own_modules_ask_the_parser() -> None:
    root = Path(jupyter_mlops.__file__).parent
    asked = {
        (str(path.relative_to(root)), node.attr)
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "parser"
        and "jupyter_mlops.cells" in path.read_text()
    }
    assert {file for file, name in asked if name in {"transformed", "compiled"}} == {READER}
    # secrets/code.py searches any text, and needs the positions in it: a cell's source has other lines.
    trees = {file for file, name in asked if name == "tree"}
    assert trees == {READER, "cells/magic_calls.py", "secrets/code.py"}
    outside = {(file, name) for file, name in asked if not file.startswith("cells/")}
    assert {name for _, name in outside} == {"CellSyntaxError", "tree"}


def test_one_module_looks_at_the_marks_of_magics() -> None:
    """A `%%` or `%name` that is searched for in a text is a second reader too."""
    root = Path(jupyter_mlops.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"startswith", "removeprefix"}
        and any(
            isinstance(item, ast.Constant) and str(item.value).startswith(("%", "!"))
            for argument in node.args
            for item in ast.walk(argument)
        )
    }
    assert found == {
        READER,
        "jobs/notebook.py",  # the title of a cell
        "magics/auto.py",  # cells that another magic runs
        "replays/kernel_setup.py",  # a magic's line, in the kernel that runs it
    }
