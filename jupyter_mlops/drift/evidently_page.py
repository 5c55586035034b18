"""Make Evidently's HTML report safe to open from Jupyter's server.

Evidently writes names and values of the data into a script of its page, without escaping `</script>`. So `<` and `>`
in the data are replaced before Evidently reads it. And its page is put into a sandboxed frame: scripts in it can
draw, but they cannot read Jupyter's cookies or send a request.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MARKS = "<>"
#: Replacements for the marks; the first pair that the data does not contain is used.
_REPLACEMENTS = ("‹›", "〈〉", "⟨⟩", "＜＞", "\ue000\ue001", "\ue002\ue003", "\uf8fe\uf8ff")
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'"
)


def without_markup(
    reference: pd.DataFrame, current: pd.DataFrame
) -> tuple[tuple[pd.DataFrame, pd.DataFrame], dict[str, str]]:
    """Return both tables with `<` and `>` replaced in names and values, and {old name: new name}.

    Different names and values stay different, so that counts, scores and verdicts do not change.
    """
    frames = reference, current
    marks = _unused(text for frame in frames for text in _texts(frame))
    table = str.maketrans(_MARKS, marks)
    names = {str(name): str(name).translate(table) for name in reference.columns}

    def replace(value: Any) -> Any:
        if isinstance(value, str):
            return value.translate(table)
        return value if _is_plain(value) else str(value).translate(table)

    old, new = (_with_replacements(frame, replace, names) for frame in frames)
    return (old, new), names


def sandboxed(page: str) -> str:
    """Return a page that shows `page` in a frame without its origin's rights and without network access."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>Data drift</title>\n"
        "<style>html,body{margin:0;height:100%}iframe{border:0;width:100%;height:100%;display:block}</style>\n"
        '</head><body><iframe title="Evidently\'s report" sandbox="allow-scripts" '
        f'srcdoc="{html.escape(page)}"></iframe></body></html>\n'
    )


def _with_replacements(
    frame: pd.DataFrame, replace: Callable[[Any], Any], names: dict[str, str]
) -> pd.DataFrame:
    columns = {names[str(name)]: _column(frame[name], replace) for name in frame.columns}
    # Without the index: Evidently may print it beside a chart, and no score uses it.
    return pd.DataFrame({name: column.array for name, column in columns.items()})


def _column(column: pd.Series[Any], replace: Callable[[Any], Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.rename_categories([replace(item) for item in column.cat.categories])
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        return column.map(replace).astype(column.dtype)
    return column


def _texts(frame: pd.DataFrame) -> Iterator[str]:
    """Yield the column names, and the values that are not numbers, as texts."""
    for name in frame.columns:
        yield str(name)
        column: Any = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.cat.categories
        elif column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
            continue
        for value in column:
            if not _is_plain(value):
                yield str(value)


def _unused(texts: Iterator[str]) -> str:
    """Return the first pair of replacements that none of the texts contains."""
    left = [*_REPLACEMENTS]
    for text in texts:
        if not text.isascii():
            left = [pair for pair in left if pair[0] not in text and pair[1] not in text]
    return left[0] if left else "\x02\x03"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))
