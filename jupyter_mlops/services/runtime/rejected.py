"""Why a request was not answered: a status and one line for the client."""

from __future__ import annotations


class Rejected(Exception):
    """The request cannot be answered; `reason` is what metrics count it under."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
