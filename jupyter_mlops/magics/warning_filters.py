"""Suppress warnings from our own and MLflow's code: a user may have turned warnings into errors."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class OwnWork:
    """Context without warnings; in the inner context `users` the user's own filters apply.

    Filters that the user's code sets stay set afterwards.
    """

    def __enter__(self) -> OwnWork:
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @contextmanager
    def users(self) -> Iterator[None]:
        """Apply the user's own filters in a block."""
        self._end()
        try:
            yield
        finally:
            self._begin()

    def _begin(self) -> None:
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("ignore")

    def _end(self) -> None:
        self._caught.__exit__(None, None, None)
