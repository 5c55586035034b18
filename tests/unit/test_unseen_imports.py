"""Ways to reach another room that the import contracts of pyproject.toml do not see.

Each rule is asked of the package, and of a copy with a planted fault.
"""

from __future__ import annotations

import ast
import re
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import jupyter_mlops
from jupyter_mlops import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[2]
PACKAGE = Path(jupyter_mlops.__file__).parent

#: The modules of ours that a file names in strings, and why it does not import them.
NAMED = {
    "__init__.py": ({"jupyter_mlops.server"}, "Jupyter Server asks for the extension's name"),
    "data/records.py": ({"jupyter_mlops.data.view"}, "a record's view is loaded when it is shown"),
    "data/referrers.py": ({"jupyter_mlops.runs.retention"}, "gc asks who still needs a version"),
    "drift/records.py": ({"jupyter_mlops.drift.view"}, "a record's view"),
    "jobs/scheduler_launch.py": ({"jupyter_mlops.jobs.scheduler"}, "a process of its own"),
    "jobs/ticks.py": ({"jupyter_mlops.jobs.worker"}, "a process of its own"),
    "magics/parser.py": (
        {"jupyter_mlops.magics.verbs.", "jupyter_mlops.magics.verbs.root"},
        "the table is loaded at the first line of %mlops",
    ),
    "magics/table.py": ({"jupyter_mlops."}, "a verb loads its noun when it is called"),
    "replays/execution.py": ({"jupyter_mlops.replays"}, "code that another kernel runs"),
    "replays/why/records.py": ({"jupyter_mlops.replays.why.view"}, "a record's view"),
    "runs/comparison/records.py": ({"jupyter_mlops.runs.comparison.view"}, "a record's view"),
    "server/spool_sync.py": ({"jupyter_mlops.cli"}, "a process of its own"),
    "server/types.py": ({"jupyter_mlops.server.types"}, "the command that a reader types"),
    "services/bento_pack.py": ({"jupyter_mlops.services.bento_pack"}, "a process of its own"),
    "services/service_build.py": (
        {"jupyter_mlops.services", "jupyter_mlops.model_files"},
        "the files are copied into a Bento",
    ),
    "services/launcher.py": ({"jupyter_mlops.services.service_process"}, "a process of its own"),
}  # fmt: skip

#: The files that import a module whose name they compute, and what it names.
COMPUTED = {
    "data/referrers.py": "the functions that are registered, and those of NAMED",
    "formats/base/registry.py": "the formats, which are the modules of their package",
    "formats/libraries/torch_structure.py": "a class of torch",
    "lazy.py": "the modules of a stub",
    "magics/parser.py": "a file of the table",
    "magics/table.py": "a verb's noun",
    "records.py": "a record's view",
    "replays/kernel_setup.py": "NumPy's generators; and it watches what a cell imports",
    "secrets/text.py": "a plugin of detect-secrets",
    "services/runtime/model.py": "the module in a Bento that loads its model",
}

#: What `jupyter_mlops/__init__.py` imports: at the top, and when Jupyter asks.
ROOT = {"__future__.annotations", "typing.Any", "jupyter_mlops._version.__version__"}
ROOT_LATE = {
    "jupyter_mlops.magics.shell.register",
    "jupyter_mlops.magics.shell.unregister",
    "jupyter_mlops.server.app.MlopsServer",
}


def upward_names(package: Path) -> set[str]:
    """Return the uses of a noun's name whose module the user's room may not import."""
    layers = _layers()
    stubs = {stub.parent.name: lazy.listed(stub) for stub in package.glob("*/__init__.pyi")}
    found = set()
    for file, tree in _trees(package):
        room = file.relative_to(package).with_suffix("").parts[0]
        if room == "__init__":
            continue
        for noun, name in _uses(_module(package, file), tree, stubs):
            for each in stubs[noun] if name == "*" else {name} & stubs[noun].keys():
                target = stubs[noun][each].split(".")[1]
                if target != room and layers[target] <= layers[room]:
                    found.add(f"{file.relative_to(package).as_posix()}: {noun}.{each}")
    return found


def named_modules(package: Path) -> set[str]:
    """Return the names of our modules in strings, where NAMED does not list them."""
    return {
        f"{file}: {name}"
        for file, names in _names_in_strings(package).items()
        for name in names - NAMED.get(file, (set(), ""))[0]
    }


def computed_imports(package: Path) -> set[str]:
    """Return the files that import a computed name and are not in COMPUTED."""
    return _files_that_compute(package) - COMPUTED.keys()


def imports_of_the_root(package: Path) -> set[str]:
    """Return what `jupyter_mlops/__init__.py` imports beside the listed modules."""
    tree = ast.parse((package / "__init__.py").read_text("utf-8"))
    found = set()
    for node in tree.body:
        allowed = ROOT_LATE if isinstance(node, ast.FunctionDef) else ROOT
        found |= set(_imported("jupyter_mlops", node)) - allowed
    return found


def folders_without_init(package: Path) -> set[str]:
    """Return the folders with Python files that the contracts take for none of the package."""
    folders = {file.parent for file in package.rglob("*.py")}
    between = {parent for folder in folders for parent in (folder, *folder.parents)}
    return {
        folder.relative_to(package).as_posix()
        for folder in between
        if package in folder.parents and not (folder / "__init__.py").exists()
    }


def packages_with_code(package: Path) -> set[str]:
    """Return the imports of our modules in `__init__.py` files, beside that of lazy.

    A package and a module of it could import one another, which is no circle of siblings.
    """
    return {
        f"{file.parent.relative_to(package).as_posix()}: {name}"
        for file, tree in _trees(package)
        if file.name == "__init__.py" and file.parent != package
        for name in _imported(_module(package, file), tree)
        if name.startswith("jupyter_mlops.") and name != "jupyter_mlops.lazy"
    }


RULES: dict[str, Callable[[Path], set[str]]] = {
    "no room reaches a higher one through a noun": upward_names,
    "only listed files name our modules in strings": named_modules,
    "only listed files import a computed name": computed_imports,
    "the root package imports what it did": imports_of_the_root,
    "each folder is a package": folders_without_init,
    "a package imports none of its modules": packages_with_code,
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_package_keeps_the_rule(rule: Callable[[Path], set[str]]) -> None:
    assert rule(PACKAGE) == set()


def test_the_lists_have_no_more_than_the_package() -> None:
    named = {file: names for file, (names, _) in NAMED.items()}
    assert _names_in_strings(PACKAGE) == named
    assert _files_that_compute(PACKAGE) == COMPUTED.keys()


LATE = "def late():\n    "
PLANTED = [
    (upward_names, "models/registry.py", "from jupyter_mlops.runs import reproduce",
     "models/registry.py: runs.reproduce"),
    (upward_names, "runs/trash.py", f"{LATE}from jupyter_mlops import runs\n    runs.reproduce",
     "runs/trash.py: runs.reproduce"),
    (upward_names, "runs/capsules/capsule.py", f"{LATE}from .. import why", "runs/capsules/capsule.py: runs.why"),
    (upward_names, "jobs/state.py", f"{LATE}import jupyter_mlops.runs\n    jupyter_mlops.runs.curves",
     "jobs/state.py: runs.curves"),
    (upward_names, "jobs/state.py", f"{LATE}import jupyter_mlops.runs as r\n    getattr(r, 'why')",
     "jobs/state.py: runs.why"),
    (upward_names, "data/garbage.py", "from jupyter_mlops.models import *", "data/garbage.py: models.gate"),
    (upward_names, "server/app.py", "from jupyter_mlops import workspace as w\nw.auto",
     "server/app.py: workspace.auto"),
    (named_modules, "runs/trash.py", f"{LATE}import_module('jupyter_mlops.drift.histograms')",
     "runs/trash.py: jupyter_mlops.drift.histograms"),
    (named_modules, "runs/trash.py", f"{LATE}import_module(f'jupyter_mlops.{{name}}')",
     "runs/trash.py: jupyter_mlops."),
    (named_modules, "data/records.py", "VIEW = 'jupyter_mlops.drift.view'",
     "data/records.py: jupyter_mlops.drift.view"),
    (computed_imports, "runs/trash.py", f"{LATE}import_module('jupyter_mlops' + '.drift')", "runs/trash.py"),
    (computed_imports, "runs/trash.py", f"{LATE}import_module('.drift', 'jupyter_mlops')", "runs/trash.py"),
    (computed_imports, "runs/trash.py", "from importlib import import_module as load", "runs/trash.py"),
    (computed_imports, "runs/trash.py", f"{LATE}__import__(NAME)", "runs/trash.py"),
    (imports_of_the_root, "__init__.py", "from jupyter_mlops import drift", "jupyter_mlops.drift"),
    (imports_of_the_root, "__init__.py", f"{LATE}import mlflow", "mlflow"),
    (imports_of_the_root, "__init__.py", "from jupyter_mlops.server.app import MlopsServer",
     "jupyter_mlops.server.app.MlopsServer"),
    (folders_without_init, "data/extra/mod.py", "from jupyter_mlops import drift", "data/extra"),
    (packages_with_code, "runs/capsules/__init__.py", "from jupyter_mlops.runs.capsules.capsule import keep",
     "runs/capsules: jupyter_mlops.runs.capsules.capsule.keep"),
    (packages_with_code, "runs/capsules/__init__.py", "from .capsule import keep",
     "runs/capsules: jupyter_mlops.runs.capsules.capsule.keep"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "file", "code", "fault"), PLANTED)
def test_a_planted_fault_is_found(
    tmp_path: Path, rule: Callable[[Path], set[str]], file: str, code: str, fault: str
) -> None:
    copy = tmp_path / "jupyter_mlops"
    shutil.copytree(
        PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "labextension", "static")
    )
    path = copy / file
    path.parent.mkdir(exist_ok=True)
    before = path.read_text("utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{code}\n", encoding="utf-8")
    assert fault in rule(copy)


def _layers() -> dict[str, int]:
    """Return the layer of each room; the highest is 0."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["type"] == "layers")
    return {room.strip(): at for at, rooms in enumerate(layers) for room in rooms.split("|")}


def _trees(package: Path) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(package.rglob("*.py")):
        yield file, ast.parse(file.read_text("utf-8"))


def _module(package: Path, file: Path) -> str:
    """Return the name of the package that a file's relative imports start from."""
    return ".".join(("jupyter_mlops", *file.parent.relative_to(package).parts))


def _source(here: str, node: ast.ImportFrom) -> str:
    """Return the module that `from MODULE import` names, from a file in the package `here`."""
    if not node.level:
        return node.module or ""
    parts = here.split(".")
    return ".".join((*parts[: len(parts) - node.level + 1], *filter(None, [node.module])))


def _imported(here: str, tree: ast.AST) -> Iterator[str]:
    """Yield what a tree imports, each name with its module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{_source(here, node)}.{alias.name}" for alias in node.names)


def _uses(
    here: str, tree: ast.Module, nouns: dict[str, dict[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield each noun and name that a file imports from it or asks of it."""
    known = {f"jupyter_mlops.{noun}": noun for noun in nouns}
    bound = dict(known)  # `import jupyter_mlops.NOUN`
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname and alias.name in known:
                    bound[alias.asname] = known[alias.name]
                elif alias.asname and alias.name == "jupyter_mlops":
                    bound |= {f"{alias.asname}.{noun}": noun for noun in nouns}
        elif isinstance(node, ast.ImportFrom):
            source = _source(here, node)
            for alias in node.names:
                if source in known:
                    yield known[source], alias.name
                elif f"{source}.{alias.name}" in known:
                    bound[alias.asname or alias.name] = alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in bound:
            yield bound[ast.unparse(node.value)], node.attr
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "getattr"
            and ast.unparse(node.args[0]) in bound
            and isinstance(node.args[1], ast.Constant)
        ):
            yield bound[ast.unparse(node.args[0])], str(node.args[1].value)


def _names_in_strings(package: Path) -> dict[str, set[str]]:
    """Return the names of our modules in each file's strings, those of its docstrings left out."""
    found = {}
    for file, tree in _trees(package):
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        names = {
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in said
            for name in re.findall(r"\bjupyter_mlops\.[\w.]*", node.value)
        }
        if names:
            found[file.relative_to(package).as_posix()] = names
    return found


def _files_that_compute(package: Path) -> set[str]:
    return {
        file.relative_to(package).as_posix()
        for file, tree in _trees(package)
        if any(_is_computed(node) for node in ast.walk(tree))
    }


def _is_computed(node: ast.AST) -> bool:
    """Whether a node imports a module whose name is no plain string, or hides that it does."""
    importers = {"import_module", "__import__", "resolve_name", "run_module"}
    if isinstance(node, ast.ImportFrom):
        return any(alias.name in importers and alias.asname for alias in node.names)
    if not isinstance(node, ast.Call):
        return False
    if ast.unparse(node.func).rpartition(".")[2] not in importers:
        return False
    first = node.args[0] if node.args else None
    plain = isinstance(first, ast.Constant) and not str(first.value).startswith(".")
    return not plain
