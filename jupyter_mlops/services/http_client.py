"""HTTP client of a running service: it sends rows and returns answers, over one connection."""

from __future__ import annotations

import http.client
import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jupyter_mlops.errors import BackendFailed, MlopsError

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd

_OK = 200
_ROWS_AT_ONCE = 5000


class Client:
    """A client of one service; `test` marks its requests, so that drift checks leave them out."""

    def __init__(
        self, url: str, *, name: str = "The service", test: bool = False, timeout: float = 60
    ) -> None:
        parts = urlsplit(url)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname or "")
        self._connection = http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
        self._headers = {
            "Content-Type": "application/json",
            **({"X-Mlops-Test": "1"} if test else {}),
        }
        self._name = name

    def __enter__(self) -> Client:
        """Return the client; the first request opens the connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._connection.close()

    def predict(self, frame: pd.DataFrame) -> dict[str, list[Any]]:
        """Return the service's answers to the rows of `frame`, in order.

        Raises:
            MlopsError: the service refuses them; the message is its own.
            BackendFailed: it does not answer.
        """
        answers: dict[str, list[Any]] = {}
        for start in range(0, len(frame), _ROWS_AT_ONCE):
            for key, values in self.post(encode(frame.iloc[start : start + _ROWS_AT_ONCE])).items():
                answers.setdefault(key, []).extend(values)
        return answers

    def post(self, content: bytes) -> dict[str, list[Any]]:
        """Send one body to /predict and return the answer."""
        try:
            self._connection.request("POST", "/predict", content, self._headers)
            response = self._connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise BackendFailed(
                f"{self._name} does not answer: {str(error) or type(error).__name__}",
                "Start it again",
            ) from None
        if response.status != _OK:
            error_kind = MlopsError if response.status < 500 else BackendFailed
            raise error_kind(
                f"{self._name} refused the request: {answer.get('error', response.status)}"
            )
        return dict(answer)


def encode(frame: pd.DataFrame) -> bytes:
    """Return rows as the body of a request: `{"columns": …, "data": …}`."""
    columns = [_plain(frame.iloc[:, position].tolist()) for position in range(frame.shape[1])]
    data = [list(row) for row in zip(*columns, strict=True)]
    return json.dumps({"columns": [str(name) for name in frame.columns], "data": data}).encode()


def _plain(values: list[Any]) -> list[Any]:
    return [_plain_value(value) for value in values]


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if value is None or isinstance(value, (str, int)):
        return value
    if hasattr(value, "isoformat"):
        # pandas' NaT has this method too, and returns "NaT".
        return None if value != value else value.isoformat()
    return None if type(value).__name__ == "NAType" else value
