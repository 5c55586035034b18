"""Files that a notebook reads by a literal path, and modules that it imports.

A missing file refuses the job, so `reads` excludes a path that the notebook mentions anywhere else (it
may write, download or test for it), a path inside a `try`, a pattern and a URL. `possible_paths` is
for proposals and excludes nothing.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops.cells import magics, source

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_PATH = 300
_READERS = {
    "read_csv", "read_table", "read_fwf", "read_parquet", "read_json", "read_excel", "read_feather", "read_orc",
    "read_pickle", "read_hdf", "read_stata", "read_sas", "read_spss", "read_xml", "scan_csv", "scan_parquet",
    "scan_ipc", "scan_ndjson", "read_ipc", "read_ndjson", "read_avro", "loadtxt", "genfromtxt", "fromfile",
    "imread", "load_model", "loadmat", "open_dataset", "read_text", "read_bytes", "read_image", "read_file",
}  # fmt: skip
# Only their `load` and `open` take a path: `json.load` takes a file object.
_LOADERS = {
    "np",
    "numpy",
    "joblib",
    "torch",
    "Image",
    "gzip",
    "bz2",
    "lzma",
    "io",
    "codecs",
    "rasterio",
}
_PATH_ARGUMENTS = (
    "filepath_or_buffer",
    "path_or_buf",
    "path",
    "file",
    "fname",
    "filename",
    "io",
    "source",
)
_GUARDS = {
    "FileNotFoundError",
    "OSError",
    "IOError",
    "EnvironmentError",
    "Exception",
    "BaseException",
}
_FOLDER = {f"%{name}" for name in magics.FOLDER}
_IMPORT_GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True, slots=True)
class Read:
    """A literal path that a cell reads."""

    path: str
    cell: int


def reads(trees: list[tuple[int, ast.Module]], text: str) -> list[Read]:
    """Return the literal paths that are read and mentioned nowhere else; `text` is the non-Python source."""
    mentioned: Counter[str] = Counter()
    found: list[tuple[Read, int]] = []
    for number, tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                mentioned[node.value] += 1
        found += [(Read(path, number), 1) for path in _paths(tree)]
    uses = Counter(read.path for read, _ in found)
    result: dict[str, Read] = {}
    for read, _ in found:
        name = read.path.rpartition("/")[2]
        folder = read.path.partition("/")[0]
        made = folder != read.path and any(
            other != read.path and other.rstrip("/") == folder for other in mentioned
        )
        if uses[read.path] == mentioned[read.path] and name not in text and not made:
            result.setdefault(read.path, read)
    return list(result.values())


def changes_folder(trees: list[tuple[int, ast.Module]], text: str) -> bool:
    """Whether the notebook changes its working folder; then relative paths cannot be checked."""
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"chdir", "fchdir"}
        for _, tree in trees
        for node in ast.walk(tree)
    ) or any(line.partition(" ")[0] in _FOLDER for line in text.splitlines())


def possible_paths(text: str) -> Iterator[str]:
    """Yield all strings of a cell that may be paths."""
    for node in ast.walk(source.read(text).program):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and 0 < len(node.value) < _LONGEST_PATH
            and "\n" not in node.value
            and "\0" not in node.value
        ):
            yield node.value


def exists(path: str, folder: Path) -> bool:
    """Whether `path` exists for a kernel with the working folder `folder`."""
    try:
        return (folder / Path(path).expanduser()).exists()
    except (OSError, RuntimeError, ValueError):
        return True


def imports(trees: list[tuple[int, ast.Module]]) -> Iterator[tuple[str, int]]:
    """Yield the top-level modules that cells import outside of functions and `try`."""
    seen: set[str] = set()
    for number, tree in trees:
        for node in _unguarded(tree, _IMPORT_GUARDS):
            modules: list[str] = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            for module in modules:
                top = module.partition(".")[0]
                if top not in seen:
                    seen.add(top)
                    yield top, number


def _paths(tree: ast.Module) -> Iterator[str]:
    for node in _unguarded(tree, _GUARDS):
        if isinstance(node, ast.Call):
            path = _read_path(node)
            if path and "://" not in path and not set(path) & set("*?[{\n<"):
                yield path


def _unguarded(tree: ast.AST, guards: set[str]) -> Iterator[ast.AST]:
    """Walk a tree without functions and branches, which may not run, and guarded `try` bodies."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.If, ast.IfExp)):
            continue
        if isinstance(node, ast.Try):
            caught = {
                item.id
                for handler in node.handlers
                for item in ast.walk(handler.type or ast.Name("Exception"))
                if isinstance(item, ast.Name)
            }
            stack += [*node.orelse, *node.finalbody, *([] if caught & guards else node.body)]
            continue
        yield node
        stack += ast.iter_child_nodes(node)


def _read_path(call: ast.Call) -> str:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = function.value if isinstance(function, ast.Attribute) else None
    if name in {"read_text", "read_bytes"} or (name == "open" and isinstance(owner, ast.Call)):
        made = (
            isinstance(owner, ast.Call)
            and isinstance(owner.func, ast.Name)
            and owner.func.id == "Path"
        )
        if not made or (name == "open" and _writes(call, 0)):
            return ""
        assert isinstance(owner, ast.Call)
        return _literal(owner.args[0]) if len(owner.args) == 1 else ""
    if name in {"open", "load"}:
        known = (
            isinstance(owner, ast.Name) and owner.id in _LOADERS
            if owner is not None
            else name == "open"
        )
        if not known or (name == "open" and _writes(call, 1)):
            return ""
    elif name not in _READERS:
        return ""
    if call.args:
        return _literal(call.args[0])
    given = {item.arg: item.value for item in call.keywords}
    return next((_literal(given[key]) for key in _PATH_ARGUMENTS if key in given), "")


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Path"
        and len(node.args) == 1
    ):
        return _literal(node.args[0])
    return ""


def _writes(call: ast.Call, position: int) -> bool:
    mode = next((item.value for item in call.keywords if item.arg == "mode"), None)
    if mode is None and len(call.args) > position:
        mode = call.args[position]
    if mode is None:
        return False
    return not (
        isinstance(mode, ast.Constant)
        and isinstance(mode.value, str)
        and mode.value.startswith("r")
    )
