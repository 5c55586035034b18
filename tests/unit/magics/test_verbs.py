"""The table of verbs: a row's function is what `from jupyter_mlops import NOUN; NOUN.verb` gives."""

from __future__ import annotations

import ast
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import jupyter_mlops
from jupyter_mlops import lazy
from jupyter_mlops.magics import parser
from jupyter_mlops.magics.verbs import root

if TYPE_CHECKING:
    from jupyter_mlops.magics.table import Verb

#: Rows whose function has another name than the verb, and why.
OTHER_NAMES = {
    "run": ("record_cell", "the verb of %%mlops run NAME has no word of its own"),
}
#: What the REST routes may ask of a noun's package beside verbs, and why.
NOT_VERBS = {
    ("workspace", "trust_of"): "the project's status, sent with every page of the panel",
    ("workspace", "Trust"): "the type of that",
}

PACKAGE = Path(jupyter_mlops.__file__).parent
NOUNS = [*parser.nouns().values(), root.NOUN]
VERBS = [verb for noun in NOUNS for verb in noun.verbs]
PACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.pyi"))


def _name(verb: Verb) -> str:
    return OTHER_NAMES[verb.words][0] if verb.words in OTHER_NAMES else verb.name


@pytest.fixture(scope="module", autouse=True)
def _every_module_imported() -> None:
    """Import all modules: one with a verb's name would take the verb's place in its package."""
    for noun in NOUNS:
        package = import_module(f"jupyter_mlops.{noun.package}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)
def test_a_row_names_the_function_of_its_noun(verb: Verb) -> None:
    function = verb.load()
    assert function is getattr(import_module(f"jupyter_mlops.{verb.package}"), _name(verb))
    assert function.__name__ == _name(verb)  # it is no other function under the verb's name


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)
def test_a_verb_has_one_function(verb: Verb) -> None:
    home = verb.load().__module__
    others = [
        module
        for module, names in _functions(verb.package).items()
        if _name(verb) in names and module != home
    ]
    assert others == []


def test_only_the_listed_rows_have_another_name() -> None:
    assert {verb.words for verb in VERBS if verb.function} == OTHER_NAMES.keys()


def test_the_routes_call_verbs_and_nothing_else() -> None:
    tree = ast.parse((PACKAGE / "server" / "handlers.py").read_text("utf-8"))
    asked = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in PACKAGES
    }
    assert asked - {(verb.package, _name(verb)) for verb in VERBS} <= NOT_VERBS.keys()


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_the_names_of_its_stub(name: str) -> None:
    package: Any = import_module(f"jupyter_mlops.{name}")
    listed = lazy.listed(PACKAGE / name / "__init__.pyi")
    assert dir(package) == package.__all__ == sorted(listed)
    for attribute, module in listed.items():
        assert getattr(package, attribute) is getattr(import_module(module), attribute)


def _functions(package: str) -> dict[str, set[str]]:
    """Return the names of the functions at the top of each module of a package."""
    return {
        ".".join(("jupyter_mlops", *path.relative_to(PACKAGE).with_suffix("").parts)): {
            node.name
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        for path in (PACKAGE / package).rglob("*.py")
    }
