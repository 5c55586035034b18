"""Searches in MLflow for exactly what is asked: every page of the answer, and texts of any kind.

MLflow's filters have no way to write a text with a quote or a backslash in it, and some databases compare
without regard to case. So a clause here finds at least what is asked, and who asks compares again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import mlflow.entities

    from jupyter_mlops.tracking.store import Store

_ID = re.compile(r"[0-9a-f]{32}")

#: What sqlparse, which reads MLflow's filters, may take for the end of a text.
_AWKWARD = re.compile(r"[^\w .,:;/@#+=(){}\[\]<>|~^$*?!&%-]")


def is_id(text: object) -> bool:
    """Return whether `text` is an id as runs have it, and attempts to make one."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def clause(field: str, text: str) -> str:
    """Return a filter that holds wherever `field` is `text`, and perhaps elsewhere too."""
    if text and not _AWKWARD.search(text):
        return f"{field} = '{text}'"
    # `%` stands for any text, so what cannot be written is left open.
    return f"{field} LIKE '{_AWKWARD.sub('%', text) or '%'}'"


def tagged(store: Store, tag: str, text: str) -> Iterator[mlflow.entities.Run]:
    """Give the runs whose `tag` is exactly `text`."""
    ids = [item.experiment_id for item in pages(store.client.search_experiments)]
    if ids:
        for run in pages(store.client.search_runs, ids, clause(f"tags.`{tag}`", text)):
            if run.data.tags.get(tag) == text:
                yield run


def pages(find: Callable[..., Any], *given: Any, **named: Any) -> Iterator[Any]:
    """Give everything that one of MLflow's searches finds, page after page."""
    token: str | None = None
    while True:
        page = find(*given, page_token=token, **named)
        yield from page
        token = page.token
        if not token:
            return
