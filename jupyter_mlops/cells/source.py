"""The Python of a cell: magics and shell lines turned into calls, then parsed.

Raw `ast.parse` fails on most notebooks' cells; IPython's own transformer does not. A cell magic
hides its body in a string: the bodies that are Python (`%%time`, `%%mlops run`, …) are read as such.
"""

from __future__ import annotations

import ast
import shlex
import warnings
from dataclasses import dataclass, field

# Cell magics whose body is the notebook's own Python, run in its namespace.
_PYTHON_BODIES = {"time", "timeit", "prun", "capture", "mlops", "memit", "mprun", "lprun", "heat"}
# Cell magics whose body is something else and that leave no names behind.
_FOREIGN_BODIES = {
    "!", "bash", "sh", "script", "system", "sx", "cmd", "html", "HTML", "javascript", "js", "latex",
    "markdown", "svg", "SVG", "writefile", "file", "perl", "ruby", "pypy", "python2", "python",
    "python3",
}  # fmt: skip
# Line magics known to define nothing. Any other may, and then no name is called undefined.
_INERT_LINES = {
    "alias", "alias_magic", "autoawait", "autocall", "autoindent", "automagic", "autoreload",
    "aimport", "bookmark", "cat", "cd", "clear", "colors", "conda", "config", "cp", "debug", "dhist",
    "dirs", "doctest_mode", "env", "hist", "history", "killbgscripts", "ldir", "less", "lf", "lk",
    "ll", "load_ext", "logoff", "logon", "logstart", "logstate", "logstop", "ls", "lsmagic", "lx",
    "magic", "man", "mamba", "matplotlib", "micromamba", "mkdir", "mlops", "more", "mv",
    "notebook", "page", "pastebin", "pdb", "pdef", "pdoc", "pfile", "pinfo", "pinfo2", "pip",
    "popd", "pprint", "precision", "profile", "prun", "psearch", "psource", "pushd", "pwd",
    "pycat", "qtconsole", "quickref", "recall", "rehashx", "reload_ext", "rm", "rmdir", "save",
    "set_env", "sc", "sx", "system", "tb", "tensorboard", "time", "timeit", "unalias", "unload_ext",
    "uv", "watermark", "who", "who_ls", "whos", "xdel", "xmode",
}  # fmt: skip
_RUN_LINE = {"run_line_magic", "run_cell_magic"}


@dataclass(slots=True)
class Parsed:
    """A cell's code: its tree, the text that the tree's positions refer to, and what it may define.

    `text` is the cell as IPython would run it; `offset` is how many lines were taken off its top
    (a `%%magic` line). `may_define` is True where names can appear that no analysis sees.
    """

    tree: ast.Module
    text: str
    offset: int = 0
    may_define: bool = False
    defines: set[str] = field(default_factory=set)


class CellSyntaxError(Exception):
    """The cell is not Python; `line` counts from 1 in the cell."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def parse(source: str) -> Parsed:
    """Parse one cell.

    Raises:
        CellSyntaxError: the cell would fail to compile.
    """
    magic, line, body = _cell_magic(source)
    if magic and magic not in _PYTHON_BODIES:
        may = magic not in _FOREIGN_BODIES or "--out" in line or "--err" in line
        return Parsed(ast.Module(body=[], type_ignores=[]), "", may_define=may)
    if magic:
        inner = parse(body)
        inner.offset += 1
        if magic == "capture":
            inner.defines |= {word for word in _words(line) if word.isidentifier()}
        return inner
    text = transform(source)
    tree = _compile(text)
    return Parsed(tree, text, may_define=_may_define(tree))


def transform(source: str) -> str:
    """Return the cell as plain Python, as IPython would run it."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return str(TransformerManager().transform_cell(source))
    except SyntaxError as error:
        raise CellSyntaxError(error.msg, error.lineno or 1) from None


def foreign_text(source: str) -> str:
    """Return the lines of a cell that are not Python: shell lines, magics, foreign bodies."""
    magic, _, body = _cell_magic(source)
    if magic and magic not in _PYTHON_BODIES:
        return source
    lines = (body if magic else source).splitlines()
    marked = [line for line in lines if line.lstrip().startswith(("!", "%"))]
    return "\n".join([*([source.splitlines()[0]] if magic else []), *marked])


def _compile(text: str) -> ast.Module:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in the user's cell is not our warning
        try:
            tree = compile(text, "<cell>", "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
            # The tree alone misses what the compiler refuses: `return` outside a function, …
            compile(text, "<cell>", "exec", flags, dont_inherit=True)
        except SyntaxError as error:
            raise CellSyntaxError(error.msg, error.lineno or 1) from None
        except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, absurd nesting
            raise CellSyntaxError(str(error) or type(error).__name__, 1) from None
    assert isinstance(tree, ast.Module)
    return tree


def _cell_magic(source: str) -> tuple[str, str, str]:
    stripped = source.lstrip("\n \t")
    if not stripped.startswith("%%"):
        return "", "", source
    head, _, body = stripped.partition("\n")
    name, _, line = head[2:].partition(" ")
    return (name.strip() or "!"), line.strip(), body


def _may_define(tree: ast.Module) -> bool:
    """Whether names may appear that the tree does not show: star imports, exec, unknown magics."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return True
        if isinstance(node, ast.Name) and node.id in {"exec", "globals", "locals", "vars"}:
            return True
        if isinstance(node, ast.Attribute) and node.attr in {
            "user_ns",
            "push",
            "run_cell",
            "run_code",
        }:
            return True
        if isinstance(node, ast.Call) and _magic_may_define(node):
            return True
    return False


def _magic_may_define(call: ast.Call) -> bool:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in _RUN_LINE and call.args):
        return False
    name = call.args[0]
    return isinstance(name, ast.Constant) and name.value not in _INERT_LINES


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
