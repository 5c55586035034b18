"""The rules of the house that the import contracts cannot hold."""

import ast
import pkgutil
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import jupyter_mlops
from jupyter_mlops.records import Record

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


def test_each_record_that_names_a_view_is_shown_by_it():
    """The name is a string, which no type checker sees; the contract says that no record imports a view."""
    for info in pkgutil.walk_packages(jupyter_mlops.__path__, "jupyter_mlops."):
        if info.name.endswith(".records"):
            import_module(info.name)
    viewed = [record for record in below(Record) if record.view]
    assert {record.__name__ for record in viewed} >= {"DataDiff", "DriftReport", "Comparison", "Explanation"}  # fmt: skip
    for record in viewed:
        view = import_module(record.view)
        assert callable(view.text), record
        assert callable(view.html), record
        overridden = {"__str__", "_repr_html_"} & vars(record).keys()
        assert not overridden, f"{record.__name__} has a view and shows itself, too"


def below(kind):
    return {kind, *(found for one in kind.__subclasses__() for found in below(one))}
