"""Search MLflow for exact texts, and read all pages of a result.

MLflow's filters cannot express a text with a quote or a backslash, and some databases ignore case. So a
filter from `clause` may match too much, and the caller compares the results again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jupyter_mlops.errors import BackendFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import mlflow.entities

    from jupyter_mlops.tracking.store import Store

#: Each has up to 1,000 entries.
_MOST_PAGES = 10_000
_ID = re.compile(r"[0-9a-f]{32}")

#: Characters that sqlparse, which parses MLflow's filters, may misread inside a text.
_AWKWARD = re.compile(r"[^\w .,:;/@#+=(){}\[\]<>|~^$*?!&%-]")


def is_id(text: object) -> bool:
    """Return whether `text` is an id of a run, or of an attempt to create one."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def clause(field: str, text: str) -> str:
    """Return a filter that matches every entry whose `field` is `text`, and perhaps others."""
    if text and not _AWKWARD.search(text):
        return f"{field} = '{text}'"
    # The wildcard `%` replaces the characters that cannot be expressed.
    return f"{field} LIKE '{_AWKWARD.sub('%', text) or '%'}'"


def tagged(store: Store, tag: str, text: str) -> Iterator[mlflow.entities.Run]:
    """Yield the runs whose `tag` is exactly `text`."""
    ids = [item.experiment_id for item in pages(store.client.search_experiments)]
    if ids:
        for run in pages(store.client.search_runs, ids, clause(f"tags.`{tag}`", text)):
            if run.data.tags.get(tag) == text:
                yield run


def pages(find: Callable[..., Any], *args: Any, **options: Any) -> Iterator[Any]:
    """Yield all results of one of MLflow's searches, page after page.

    Raises:
        BackendFailed: the pages do not end; the server may be anybody's.
    """
    token: str | None = None
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        page = find(*args, page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return
        if token in seen:
            break
        seen.add(token)
    raise BackendFailed("The tracking store's list does not end", "Ask who runs the server")
