"""Where a user turns warnings into errors, MLflow's are still not theirs: our work goes on."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class OwnWork:
    """A block in which nothing warns; `users` is a part of it that runs as if it were not there.

    Filters that the user's part sets stay set afterwards.
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
        """Let the user's own filters hold in a block."""
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
