"""Find secrets in a list, a dict, a YAML list or a CSV column with a secret's name.

`{"password": ["…", "…"]}` reveals as much as `password = "…"`. But the values in a list are more often harmless
than a single value: words of a text under `token`, names of columns. So under the plain name `token` only a
random-looking value is a secret, and in a dict the inner key can show that its value is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jupyter_mlops.secrets.names import is_secret, looks_random, names_secret, tells_about

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

Span = tuple[int, int]

_LONGEST = 20_000
_MOST_LINES = 1_000
_LONGEST_HEADER = 4_000
#: Functions that return their arguments as a collection or text: `np.array(["…"])`.
MAKERS = {
    "array", "asarray", "Series", "Index", "Column", "tensor", "list", "tuple", "set", "frozenset",
    "sorted", "cycle", "str", "bytes", "dict", "SecretStr", "repeat", "b64decode", "fromhex",
}  # fmt: skip
_OPENED = re.compile(
    r"""(?x)
    (?: \\*["'] )? (?: \s*\] )?                        # the end of a quoted name: d["password"]
    (?: [ \t]*:[ \t]*[\w.]+(?:\[[\w., |\[\]]*\])? (?=[ \t]*=) )?  # its type
    [ \t]* (?: :=|=>|\+=|[=!]?==?|: ) (?:\s|\\+n)*
    (?: (?P<call>\w[\w.]{0,60}) (?=\() )? [\[({]
    """
)
_TOKEN = re.compile(
    r"""(?P<quote>(?:\\*\"){3}|(?:\\*'){3}|\\*["'])(?P<text>.{0,4000}?)(?<!\\)(?P=quote)|[\[\](){}]|\#(?:(?!\\+n)[^\n])*""",
    re.DOTALL,
)
_IS_KEY = re.compile(r"(?:\s|\\+n)*:(?!:)")
_KEYWORD = re.compile(r"(\w+)\s*=\s*[rbuRBU]{0,2}$")
_YAML = re.compile(
    r"""\\*["']?:[ \t]*(?P<items>(?:(?:\\+n|\n\+?)[ \t]*-[ \t]+(?:(?!\\+n)[^\n])+){1,1000})"""
)
_YAML_ITEM = re.compile(r"""-[ \t]+\\*["']?(?P<text>[^\s"'#\\][^\n"'#\\]*)""")
_SEPARATORS = ",;\t|"
_HEADER = re.compile(
    r"""["']?[\w.-]+["']?(?:([,;\t|])["']?[\w.-]+["']?)(?:\1["']?[\w.-]+["']?)*\r?"""
)


def of_many(name: str) -> str:
    """Return the singular of `name` if it names a secret (`api_keys`: `api_key`), else an empty text."""
    if names_secret(name):
        return name
    singular = name.removesuffix("s").removesuffix("S")
    return singular if singular != name and names_secret(singular) else ""


def mixed(value: str) -> bool:
    """Whether an unquoted value is probably not a word: long, with letters and digits."""
    return len(value) >= 12 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def is_listed_secret(name: str, value: str, key: str = "") -> bool:
    """Whether `value` is a secret in a list under `name`, or in a dict there under `key`."""
    if key and names_secret(key):
        return is_secret(key, value)
    if key and tells_about(key):
        return False
    plain = name.lower().strip("_-")
    if plain == "token" or (key and plain.startswith(("credential", "auth"))):
        return looks_random(value) and is_secret("password", value)
    return is_secret(name, value)


def find(text: str, name: str, start: int, end: int) -> Generator[Span, None, int]:
    """Yield the secrets in the list, dict or column whose name is at `start` to `end`.

    Returns:
        the end of the list or dict; `end` if there is none.
    """
    opened = _OPENED.match(text, end)
    if opened:
        call = (opened["call"] or "").rpartition(".")[2]
        if not call or call in MAKERS:
            return (yield from _inside(text, name, opened.end() - 1))
    elif listed := _YAML.match(text, end):
        for item in _YAML_ITEM.finditer(text, listed.start("items"), listed.end("items")):
            value = item["text"].rstrip()
            if mixed(value) and is_listed_secret(name, value):
                yield item.start("text"), item.start("text") + len(value)
        return listed.end()
    elif text[end : end + 1] in {*_SEPARATORS, "\n", "\r", '"', "'"} or not text[end:]:
        yield from column(text, name, start)
    return end


def _inside(text: str, name: str, start: int) -> Generator[Span, None, int]:
    """Yield the secrets between the bracket at `start` and its closing bracket; return its end."""
    keys: list[str] = []
    for token in _TOKEN.finditer(text, start, start + _LONGEST):
        if token["quote"] is None:
            if token[0] in "([{":
                keys.append(keys[-1] if keys else "")
            elif token[0] in ")]}":
                keys.pop()
                if not keys:
                    return token.end()
            continue
        if _IS_KEY.match(text, token.end()):
            keys[-1] = token["text"]
            continue
        keyword = _KEYWORD.search(text, max(start, token.start() - 80), token.start())
        key = keyword[1] if keyword else keys[-1]
        if is_listed_secret(name, token["text"], key):
            yield token.span("text")
    return min(len(text), start + _LONGEST)


def column(text: str, name: str, start: int) -> Iterator[Span]:
    """Yield the secrets in the column whose header field is at `start`: `user,password`."""
    line = text.rfind("\n", max(0, start - _LONGEST_HEADER), start) + 1
    if line == 0 and start > _LONGEST_HEADER:
        return
    quote = max(text.rfind('"""', line, start), text.rfind("'''", line, start))
    line = quote + 3 if quote >= 0 else line
    end = text.find("\n", start, start + _LONGEST_HEADER)
    if end < 0 or not (header := _HEADER.fullmatch(text, line, end)):
        return
    separator = header[1]
    index, count = text.count(separator, line, start), text.count(separator, line, end)
    row_start = end + 1
    for row in text[row_start : row_start + _LONGEST].split("\n")[:_MOST_LINES]:
        fields = row.split(separator)
        if len(fields) != count + 1:
            return
        value = fields[index].strip().strip("\"'")
        if mixed(value) and is_listed_secret(name, value):
            begins = row_start + len(separator.join(fields[:index])) + (index > 0)
            begins = text.index(value, begins)
            yield begins, begins + len(value)
        row_start += len(row) + 1
