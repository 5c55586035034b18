"""The table of verbs: a row's function is what `from jupyter_mlops import NOUN; NOUN.verb` gives."""

from __future__ import annotations

import ast
import pkgutil
from collections import Counter, defaultdict
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import jupyter_mlops
from jupyter_mlops import lazy
from jupyter_mlops.magics import parser
from jupyter_mlops.magics.verbs import root
from jupyter_mlops.server.handlers import LISTS

if TYPE_CHECKING:
    from collections.abc import Iterator

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
#: Where a module has a verb's name for another thing, and what it is.
SAME_WORD = {
    ("data.referrers", "register"): "adds one that refers to versions of data",
    ("drift.comparison", "compare"): "two tables, column by column",
    ("environment.git", "run"): "a git command",
    ("files", "log"): "opens a log file",
    ("formats.base.registry", "register"): "adds a format from outside of the package",
    ("formats.libraries.torch_structure", "build"): "a torch module from its structure",
    ("formats.mlflow_models.model_log", "log"): "adds a model to a run of MLflow",
    ("jobs.output_redaction", "log"): "redacts a kernel's log file",
    ("magics.await_cells", "register"): "adds the input transformer to a shell",
    ("magics.parser", "build"): "the argparse parser of a verb",
    ("magics.shell", "register"): "adds the magic to a shell",
    ("model_files.boosters", "check"): "a model's file before it is loaded",
    ("model_files.compiled", "check"): "a model's file before it is loaded",
    ("model_files.onnx_file", "check"): "a model's file before it is loaded",
    ("model_files.pt2_file", "check"): "a model's file before it is loaded",
    ("model_files.safetensors_file", "check"): "a model's file before it is loaded",
    ("processes.keeper", "status"): "of a process",
    ("replays.scratch_kernel", "start"): "a kernel",
    ("replays.scratch_project", "checkout"): "the scratch project of a run",
    ("replays.scratch_project", "sweep"): "removes the scratch projects of killed processes",
    ("replays.verdict", "compare"): "the outcomes of a run and of its replay",
    ("runs.active_run", "start"): "a run, from code",
    ("services.answers", "compare"): "the answers of a service and of its model",
    ("services.runtime.app", "log"): "the logger of a Bento",
    ("temporary", "sweep"): "removes the folders of dead processes",
    ("tracking.places", "check"): "where a run's files are stored",
}

PACKAGE = Path(jupyter_mlops.__file__).parent
NOUNS = [*parser.nouns().values(), root.NOUN]
VERBS = [verb for noun in NOUNS for verb in noun.verbs]
NOUN_PACKAGES = {noun.package for noun in NOUNS}
PACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.pyi"))


def _name(verb: Verb) -> str:
    return OTHER_NAMES[verb.words][0] if verb.words in OTHER_NAMES else verb.name


def _homes() -> dict[str, set[str]]:
    """Return the modules that the stubs name for each verb; nouns may share a verb's name."""
    homes: defaultdict[str, set[str]] = defaultdict(set)
    for verb in VERBS:
        module = lazy.listed(PACKAGE / verb.package / "__init__.pyi")[_name(verb)]
        homes[_name(verb)].add(module.removeprefix("jupyter_mlops."))
    return homes


HOMES = _homes()


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
    """In all rooms: also where another noun has the verb, or a room has no verbs."""
    assert _seconds(_name(verb)) - SAME_WORD.keys() == set()


def test_only_the_listed_modules_use_a_verb_as_a_word() -> None:
    seconds: set[tuple[str, str]] = set()
    assert seconds.union(*(_seconds(name) for name in HOMES)) == SAME_WORD.keys()


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
    verbs = {(verb.package, _name(verb)) for verb in VERBS}
    assert asked - verbs <= NOT_VERBS.keys()
    listed = {(package.__name__.rpartition(".")[2], verb) for package, verb, _ in LISTS.values()}
    assert listed <= verbs


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_the_names_of_its_stub(name: str) -> None:
    package: Any = import_module(f"jupyter_mlops.{name}")
    listed = lazy.listed(PACKAGE / name / "__init__.pyi")
    assert dir(package) == package.__all__ == sorted(listed)
    for attribute, module in listed.items():
        assert getattr(package, attribute) is getattr(import_module(module), attribute)


def _seconds(name: str) -> set[tuple[str, str]]:
    """Return the modules that define a verb's name and are not its home, or do it twice there."""
    return {
        (module, name)
        for module, defined in _definitions().items()
        if defined[name] > (module in HOMES[name])
    }


@cache
def _definitions() -> dict[str, Counter[str]]:
    """Return what each module defines, and how often."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): Counter(
            _defined(ast.parse(path.read_text("utf-8")).body)
        )
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the functions and variables of a module, those inside `if`, `try` and the like too."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            yield from (
                each.id
                for each in ast.walk(node)
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            )
        elif not isinstance(node, ast.ClassDef):
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _defined(getattr(node, field, []))
