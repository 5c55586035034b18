"""Find secrets in Python code by its syntax tree: `pd.Series(["…"], name="password")`.

`text.py` and `lists.py` find values directly after their names, in any text. This module finds values that are
separate from their names, or joined from parts.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from jupyter_mlops.cells import parser
from jupyter_mlops.secrets.lists import MAKERS, column, is_listed_secret, of_many
from jupyter_mlops.secrets.names import looks_random

if TYPE_CHECKING:
    from collections.abc import Iterator

Span = tuple[int, int]

_LONGEST = 100_000
_LONGEST_HEADER = 2_000
_FIELD = re.compile(r"[\w.-]+")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
#: Characters of the lines that a shell adds to Python: `%time f()`, `files = !ls`, `f?`.
_NOT_PYTHON = re.compile(r"[%!?]+[\w.]*[ \t]*")
_MAGIC = re.compile(r"[ \t]*[%!?]")
_MOST_SKIPPED = 50
_MOST_WORDS = 8
_PIECE = re.compile(
    r"""[rbuRBU]{0,2}(?P<quote>\"{3}|'{3}|["'])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)""",
    re.DOTALL,
)
#: Methods whose arguments are a name and its value.
_SETTERS = {
    "insert",
    "setattr",
    "setdefault",
    "get",
    "getenv",
    "setenv",
    "putenv",
    "set",
    "put",
    "__setitem__",
}
_ACCESSORS = {"iloc", "iat", "loc", "at", "values", "str"}
_COLLECTIONS = (ast.List, ast.Tuple, ast.Set)
#: Fields of a record that hold a name, and those that hold its value.
_TITLES, _CONTENTS = {"name", "key", "field", "id"}, {"value", "content", "default", "val"}
#: Methods that add their arguments to the object that they belong to.
_ADDERS = {"append", "extend", "add", "insert", "appendleft", "put"}


def find(text: str) -> list[Span]:
    """Return the positions of secrets in Python code; none if `text` is not Python.

    Lines that only a shell reads are left out, and what follows their magic or command is read on its own.
    """
    if len(text) > _LONGEST:
        return []
    found: list[Span] = []
    for begin, part, tree in _trees(text):
        found += [(begin + start, begin + end) for start, end in _in_tree(tree, part)]
    return found


def _trees(text: str) -> Iterator[tuple[int, str, ast.Module]]:
    """Yield (position, text, tree) of a text without the lines that are not Python, and of the rests of those."""
    lines = _LINE.findall(text)
    skipped: set[int] = set()
    for _ in range(_MOST_SKIPPED):
        tree = _parsed("".join(lines))
        if isinstance(tree, ast.Module):
            yield 0, text, tree
            break
        number = tree - 1
        if not 0 <= number < len(lines) or not _NOT_PYTHON.search(lines[number]):
            break
        # At the first one, all lines that begin as a magic: there may be more than the attempts.
        begun = () if skipped else (at for at, line in enumerate(lines) if _MAGIC.match(line))
        for place in {number, *begun}:
            skipped.add(place)
            lines[place] = _without_content(lines[place])
    given = _LINE.findall(text)
    begin = 0
    for number, line in enumerate(given):
        if number in skipped:
            yield from ((begin + at, rest, tree) for at, rest, tree in _rest(line))
        begin += len(line)


def _without_content(line: str) -> str:
    """Return a line of Python with a line's indent and end; the beginning of a block stays one."""
    content = line.rstrip("\r\n")
    indent = content[: len(content) - len(content.lstrip())]
    block = "if 1:" if content.rstrip().endswith(":") else "pass"
    return indent + block + line[len(content) :]


def _rest(line: str) -> Iterator[tuple[int, str, ast.Module]]:
    """Yield the longest end of a line, after its magic and the magic's options, that is Python."""
    mark = _NOT_PYTHON.search(line)
    starts = [mark.end(), *(word.end() for word in re.finditer(r"\s+", line))] if mark else []
    for start in [at for at in starts if mark and at >= mark.end()][:_MOST_WORDS]:
        tree = _parsed(line[start:].strip())
        if isinstance(tree, ast.Module):
            yield start, line[start:].strip(), tree
            return


def _parsed(text: str) -> ast.Module | int:
    """Return the tree of a text, or the number of the line that is not Python."""
    try:
        return parser.tree(text)
    except parser.CellSyntaxError as error:
        return error.line


def _in_tree(tree: ast.Module, text: str) -> list[Span]:
    lines = _Lines(text)
    tables = [span for node in ast.walk(tree) for span in lines.columns(node)]
    return tables + [
        span
        for node in ast.walk(tree)
        for title, value in _named_values(node)
        if (name := of_many(title))
        for constant, key in _texts(value, "")
        for span in lines.secrets(constant, name, key)
    ]


def _named_values(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield (name, value) for each assignment, argument or comparison in a node."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _assigned(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _assigned(target, value)
        case ast.AugAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            yield from _assigned(target, value)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                yield from ((name, value) for name in _quoted(key))
            fields = {
                key.value: value
                for key, value in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
            yield from _described(fields)
        case ast.For(target=target, iter=values) | ast.AsyncFor(target=target, iter=values):
            yield from _each(target, values)
        case ast.comprehension(target=target, iter=values):
            yield from _each(target, values)
        case ast.Compare(left=left, comparators=values):
            yield from ((name, value) for name in _names(left) for value in values)
        case ast.arguments(args=args, posonlyargs=first, defaults=defaults):
            every = [*first, *args]
            for arg, value in zip(every[len(every) - len(defaults) :], defaults, strict=True):
                yield arg.arg, value
            for arg, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
                if default is not None:
                    yield arg.arg, default
        case ast.Call():
            yield from _called(node)
        case ast.Tuple(elts=[ast.Constant(value=str() as name), value]):
            # A (name, value) pair in a list.
            if not isinstance(value, ast.Constant) or looks_random(str(value.value)):
                yield name, value


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            for left, right in zip(target.elts, value.elts, strict=True):
                yield from _assigned(left, right)
        return
    yield from ((name, value) for name in _names(target))


def _each(target: ast.expr, values: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield (name, value) for each element that a loop assigns: `for user, password in [("ann", "…")]`."""
    if isinstance(target, (ast.Tuple, ast.List)):
        for element in values.elts if isinstance(values, _COLLECTIONS) else ():
            yield from _assigned(target, element)
    else:
        yield from _assigned(target, values)


def _described(fields: dict[str, ast.expr]) -> Iterator[tuple[str, ast.expr]]:
    """Yield (name, value) of a record with a name and a value: `{"name": "password", "value": "…"}`."""
    for title in _TITLES & fields.keys():
        for name in _quoted(fields[title]):
            yield from ((name, fields[key]) for key in _CONTENTS & fields.keys())


def _called(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    keywords = {item.arg: item.value for item in call.keywords if item.arg}
    yield from keywords.items()
    values = [*call.args[:1], *(keywords[key] for key in ("data", "values") if key in keywords)]
    for name in _quoted(keywords.get("name")):
        yield from ((name, value) for value in values)
    yield from _described(keywords)
    titles = [*_quoted(keywords.get("columns"))]
    for rows in map(_unwrapped, values):
        for row in rows.elts if titles and isinstance(rows, (ast.List, ast.Tuple)) else ():
            if isinstance(row, (ast.List, ast.Tuple)) and len(row.elts) == len(titles):
                yield from zip(titles, row.elts, strict=True)
            elif len(titles) == 1:
                yield titles[0], row
    function = _called_name(call.func)
    for value in (*call.args, *values):
        if isinstance(value, ast.Constant) and looks_random(str(value.value)):
            yield function, value  # `check_password("…")`, `SecretStr("…")`
    if function in _SETTERS:
        for before, value in zip(call.args, call.args[1:], strict=False):
            yield from ((name, value) for name in _quoted(before))
    if function in _ADDERS and isinstance(call.func, ast.Attribute):
        yield from ((name, value) for name in _names(call.func.value) for value in call.args)


def _unwrapped(value: ast.expr) -> ast.expr:
    """Return the collection in `np.array([…])`."""
    while isinstance(value, ast.Call) and value.args and _called_name(value.func) in MAKERS:
        value = value.args[0]
    return value


def _names(node: ast.expr) -> Iterator[str]:
    """Yield a target's names: `password`, `x.password`, `x["password"]`, `x.loc[0, "password"]`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Subscript(value=value, slice=inside):
            found = [*_quoted(inside)]
            if isinstance(value, ast.Attribute) and value.attr in _ACCESSORS:
                found += _names(value.value)
            yield from found or _names(value)
        case ast.Call(func=ast.Attribute(attr="setdefault"), args=[first, *_]):
            yield from _quoted(first)


def _quoted(node: ast.expr | None) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as name):
            yield name
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield (
                    part.value
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    else ""
                )


def _texts(node: ast.expr, key: str) -> Iterator[tuple[ast.Constant, str]]:
    """Yield the texts in a value, each with its key if it is in a dict."""
    match node:
        case ast.Constant(value=str() | bytes()):
            yield node, key
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            for part in parts:
                yield from _texts(part, key)
        case ast.Dict(keys=keys, values=values):
            for title, value in zip(keys, values, strict=True):
                named = title.value if isinstance(title, ast.Constant) else key
                if isinstance(title, ast.Constant) and looks_random(str(named)):
                    yield title, key  # the secret is the key: `{"…": "ann"}`
                yield from _texts(value, named if isinstance(named, str) else key)
        case ast.BinOp(left=left, op=ast.Add() | ast.Mult() | ast.BitOr(), right=right):
            yield from _texts(left, key)
            yield from _texts(right, key)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _texts(value, key)
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body, key)
            yield from _texts(other, key)
        case ast.Starred(value=value) | ast.Subscript(value=value) | ast.Await(value=value):
            yield from _texts(value, key)
        case ast.Call(func=ast.Attribute(value=value, attr="encode" | "strip" | "split" | "copy")):
            yield from _texts(value, key)
        case ast.Call(func=function, args=args):
            makes = _called_name(function) in MAKERS
            for part in args:
                # Whatever the function is, a collection in its arguments is probably in its result: `deque([…])`.
                if makes or isinstance(part, (*_COLLECTIONS, ast.Dict)):
                    yield from _texts(part, key)


def _called_name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


class _Lines:
    """Convert the positions of syntax tree nodes, whose columns are in bytes, to positions in the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        # As Python counts lines; `splitlines` also ends them at other characters.
        self._lines = _LINE.findall(text)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def secrets(self, node: ast.Constant, name: str, key: str) -> Iterator[Span]:
        """Yield the positions of the parts of a secret literal, without quotes."""
        value = node.value
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        if not is_listed_secret(name, text, key):
            return
        start = self._at(node.lineno, node.col_offset)
        end = self._at(node.end_lineno or node.lineno, node.end_col_offset or 0)
        for piece in _PIECE.finditer(self._text, start, end):
            if piece["text"]:
                yield piece.span("text")

    def columns(self, node: ast.AST) -> Iterator[Span]:
        """Yield the secrets in a CSV table that is one string literal."""
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            return
        header, line_end, _ = node.value.partition("\n")
        if not line_end or len(header) > _LONGEST_HEADER:
            return
        start = self._at(node.lineno, node.col_offset)
        end = self._at(node.end_lineno or node.lineno, node.end_col_offset or 0)
        for named in _FIELD.finditer(header):
            if name := of_many(named[0]):
                for begins, ends in column(node.value, name, named.start()):
                    found = self._text.find(node.value[begins:ends], start, end)
                    if found >= 0:
                        yield found, found + ends - begins

    def _at(self, line: int, column: int) -> int:
        text = self._lines[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode("utf-8", "replace"))
        return self._starts[line - 1] + column
