"""TAB completion after `%mlops`: nouns, verbs, options, and names of the project's items."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jupyter_mlops.magics.table import Verb

_LINE = re.compile(r"(?:^|=\s*)\s*%{1,2}mlops\s+(?P<rest>.*)$")
_FRESH = 5.0
_remembered: dict[str, tuple[float, list[str]]] = {}


@context_matcher(identifier="mlops")  # type: ignore[untyped-decorator]
def complete(context: Any) -> Any:
    """Complete the last word of a `%mlops` line; return no completions for other lines."""
    match = _LINE.search(
        context.line_with_cursor.splitlines()[-1] if context.line_with_cursor else ""
    )
    if not match:
        return {"completions": [], "suppress": False}
    *before, word = match["rest"].split(" ")
    offered = [
        item
        for item in candidates([part for part in before if part], word)
        if item.startswith(word)
    ]
    # The token that IPython replaces begins after the last delimiter in the word.
    cut = len(word) - len(context.token) if word.endswith(context.token) else 0
    return {
        "completions": [SimpleCompletion(item[cut:], type="mlops") for item in offered],
        "suppress": bool(offered),
        "matched_fragment": context.token,
    }


def candidates(before: list[str], word: str) -> list[str]:
    """Return the words that may follow the words `before`."""
    from jupyter_mlops.magics import parser

    groups, roots = parser.nouns(), parser.root_verbs()
    if not before:
        return [*groups, *roots]
    if before[0] in roots:
        return _arguments(roots[before[0]], word)
    noun = groups.get(before[0])
    if noun is None:
        return []
    if len(before) == 1 and not word.startswith("-"):
        return [verb.name for verb in noun.verbs if verb.name]
    verb = next((item for item in noun.verbs if len(before) > 1 and item.name == before[1]), None)
    return _arguments(verb, word, before[-1]) if verb else []


def _arguments(verb: Verb, word: str, previous: str = "") -> list[str]:
    if word.startswith("-"):
        return [*(flag for arg in verb.args for flag in arg.flags), "--json", "--help"]
    arg = next((item for item in verb.args if previous in item.flags and not item.switch), None)
    arg = arg or next((item for item in verb.args if not item.flags), None)
    if arg is None:
        return []
    if arg.choices:
        return [*arg.choices]
    if arg.complete in {"path", "notebook"}:
        return list(_paths(word, ".ipynb" if arg.complete == "notebook" else ""))
    return _names(arg.complete)


def _paths(word: str, suffix: str) -> Iterable[str]:
    folder = Path(word).parent if "/" in word else Path()
    if not folder.is_dir():
        return
    for item in sorted(folder.iterdir()):
        if item.name.startswith(".") and not Path(word).name.startswith("."):
            continue
        if item.is_dir():
            yield f"{item.as_posix()}/"
        elif not suffix or item.suffix == suffix:
            yield item.as_posix()


def _names(what: str) -> list[str]:
    """Return the names of the project's runs, models, …, cached for five seconds."""
    if not what:
        return []
    moment, names = _remembered.get(what, (0.0, []))
    if time.monotonic() - moment > _FRESH:
        try:
            names = list(dict.fromkeys(_ask(what)))
        except MlopsError:
            names = []
        _remembered[what] = (time.monotonic(), names)
    return names


def _ask(what: str) -> Iterable[str]:
    from jupyter_mlops import data, jobs, models, runs, services

    if what == "run":
        return [run.name for run in runs.list()]
    if what == "metric":
        return [name for run in runs.list() for name in run.metrics]
    if what == "model":
        return [item.name for item in models.list()]
    if what == "data":
        return [item.path for item in data.list()]
    if what == "job":
        return [item.name for item in jobs.list()]
    if what == "service":
        return [item.name for item in services.list()]
    return []
