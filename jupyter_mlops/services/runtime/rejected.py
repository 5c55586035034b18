"""The error for a refused request: a status, and one line for the client."""

from __future__ import annotations


class Rejected(Exception):
    """The request is refused; `reason` is its label in the metrics."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
