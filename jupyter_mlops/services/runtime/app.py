"""The routes /predict, /schema and /metrics of a service, as an app that the Bento mounts."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import logging
import os
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from . import body, measures
from .batcher import Batcher, WaitingRequest
from .prediction_log import PredictionLog
from .rejected import Rejected
from .schema import Schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from .model import Model

log = logging.getLogger("mlops.service")

_DRAIN_BYTES = 256 * 1024 * 1024
_ID_LENGTH = 128


def create_app(folder: Path) -> Starlette:
    """Return the routes for the files in `folder`; the Bento's class sets `app.state.model`."""
    schema_bytes = (folder / "schema.json").read_bytes()

    async def schema(_: Request) -> Response:
        return Response(schema_bytes, media_type="application/json")

    async def metrics(_: Request) -> Response:
        return Response(measures.exposition(), media_type=measures.CONTENT_TYPE)

    predict = Predict(folder)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        predict.start(app.state.model)
        yield
        await predict.stop()

    return Starlette(
        routes=[
            Route("/predict", predict),
            Route("/schema", schema),
            Route("/metrics", metrics),
        ],
        lifespan=lifespan,
    )


class Predict:
    """POST /predict as a plain ASGI endpoint: read, check, batch, answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._schema = Schema.read(folder / "schema.json")
        self._limits = body.Limits(
            body_bytes=int(float(os.environ.get("MLOPS_SERVICE_MAX_BODY_MB", "16")) * 1024 * 1024),
            rows=int(os.environ.get("MLOPS_SERVICE_MAX_ROWS", "10000")),
        )
        self._version = json.loads((folder / "origin.json").read_text(encoding="utf-8"))["version"]
        self._ids = map(f"{os.getpid():x}-{time.time_ns():x}-{{:x}}".format, itertools.count())

    def start(self, model: Model) -> None:
        """Warm up the model with a reference row, then start to answer."""
        warnings.simplefilter("ignore")
        self._model = model
        self._measures = measures.ServiceMetrics()
        if model.device != "cpu":
            measures.watch_gpu()
        folder = os.environ.get("MLOPS_PREDICTIONS", "")
        self._log = PredictionLog(folder, self._version)
        self._test_log = PredictionLog(folder, self._version, suffix=".test.jsonl")
        self._batcher = Batcher(self._answer)
        self._batcher.start(self._warm_up())
        # Objects that are loaded now are never freed: exclude them from garbage collection.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Answer the waiting requests, then stop."""
        await self._batcher.stop()

    def _warm_up(self) -> float:
        rows = json.loads((self._folder / "warmup.json").read_text(encoding="utf-8"))
        checked = self._schema.from_values(rows, None)
        self._model.predict(checked)
        started = time.perf_counter()
        self._model.predict(checked)
        return time.perf_counter() - started

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; a failure is one line of JSON."""
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers) or next(self._ids)
        try:
            status, content = 200, await self._predict(scope, receive, headers, request_id)
        except Rejected as refusal:
            self._measures.refused(refusal.reason)
            status, content = refusal.status, orjson.dumps({"error": refusal.message})
        except _ClientGone:
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:  # one request fails, the service continues
            log.error("request %s failed: %s", request_id, _without_values(error))
            status, content = (
                500,
                orjson.dumps({"error": f"The model failed; see the log for {request_id}"}),
            )
        self._measures.request(status, time.perf_counter() - started)
        extra = [(b"allow", b"POST")] if status == 405 else []
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(content)).encode()),
                    (b"x-request-id", request_id.encode()),
                    *extra,
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})

    async def _predict(
        self, scope: Any, receive: Any, headers: dict[bytes, bytes], request_id: str
    ) -> bytes:
        if scope["method"] != "POST":
            raise Rejected(405, "method", "Send a POST request to /predict")
        content = await _read_body(receive, headers, self._limits.body_bytes)
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        rows = body.decode(content, content_type, self._schema, self._limits)
        answer = await self._batcher.submit(rows, request_id, test=b"x-mlops-test" in headers)
        return orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)

    def _answer(self, batch: list[WaitingRequest]) -> list[Any]:
        """Return one answer (or error) per request; the log is written before an answer is sent."""
        started = time.perf_counter()
        rows = [row for waiting in batch for row in waiting.rows]
        try:
            predictions = self._model.predict(rows)
        except Exception as error:
            if len(batch) > 1:
                # Predict for each request separately, so that only those with bad rows fail.
                return [self._answer([waiting])[0] for waiting in batch]
            return [_refusal(error)]
        took = time.perf_counter() - started
        answers, start = [], 0
        for waiting in batch:
            answers.append(predictions.part(start, start + len(waiting.rows)))
            start += len(waiting.rows)
        try:
            logged = self._log.write(self._records(batch, answers, test=False))
            self._test_log.write(self._records(batch, answers, test=True))
        except OSError as error:
            log.error("the prediction log cannot be written: %s", error.strerror or error)
            reason = "The prediction was not sent, because it cannot be logged"
            return [Rejected(503, "log", reason) for _ in batch]
        self._measures.batch(len(rows), took, logged)
        return answers

    def _records(
        self, batch: list[WaitingRequest], answers: list[dict[str, Any]], *, test: bool
    ) -> Any:
        names = self._schema.names
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.test is not test:
                continue
            for index, row in enumerate(waiting.rows):
                yield {
                    "request": waiting.request_id,
                    "inputs": dict(zip(names, row, strict=True)),
                    **{key: values[index] for key, values in answer.items()},
                }


class _ClientGone(Exception):
    """The client disconnected before its body had arrived."""


async def _read_body(receive: Any, headers: dict[bytes, bytes], limit: int) -> bytes:
    declared = headers.get(b"content-length", b"0")
    size = 0
    chunks: list[bytes] = []
    too_large = declared.isdigit() and int(declared) > limit
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        too_large = too_large or size > limit
        if too_large:
            # Read and discard the rest up to a limit, so that the client gets the error message.
            chunks.clear()
            if size > _DRAIN_BYTES:
                break
        else:
            chunks.append(chunk)
        if not message.get("more_body"):
            break
    if too_large:
        raise Rejected(413, "body", f"The body is larger than {limit / 1024 / 1024:g} MB")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _request_id(headers: dict[bytes, bytes]) -> str:
    """Return the client's own request id if it is short and printable, else an empty text."""
    text = headers.get(b"x-request-id", b"").decode("latin-1")
    return text if 0 < len(text) <= _ID_LENGTH and text.isascii() and text.isprintable() else ""


def _refusal(error: Exception) -> Exception:
    """Return the error for the client if the model fails on its rows."""
    if isinstance(error, (ValueError, TypeError)):
        log.warning("the model refused a request: %s", _without_values(error))
        return Rejected(
            422, "model", "The model cannot predict these rows; are their values in its range?"
        )
    return error


def _without_values(error: BaseException) -> str:
    """Return the error's type and code position, without its message, which may contain input values."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"
