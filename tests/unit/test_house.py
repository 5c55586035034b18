"""The rules of the house that the import contracts cannot hold."""

import ast
from collections import defaultdict
from pathlib import Path

import jupyter_mlops

PACKAGE = Path(jupyter_mlops.__file__).parent


def test_no_two_classes_have_the_same_name():
    """A reader who greps for a class finds one. These stand alone: they are copied into each Bento."""
    copied_into_bentos = (PACKAGE / "services" / "runtime", PACKAGE / "model_files")
    places = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        if not any(folder in file.parents for folder in copied_into_bentos):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
