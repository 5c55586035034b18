"""One service's routes, in this process, with models that fail in their own ways."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jupyter_mlops.services.runtime.app import create_app
from jupyter_mlops.services.runtime.model import Model, Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., httpx.Response]]:
    """Return what posts rows to the app with a given model."""
    import gc
    import warnings

    from prometheus_client import REGISTRY

    column = {"name": "x", "type": "double", "dtype": "float64"}
    (tmp_path / "schema.json").write_text(json.dumps({"inputs": [column]}))
    (tmp_path / "origin.json").write_text(json.dumps({"version": "v1"}))
    (tmp_path / "warmup.json").write_text("[[0.0]]")
    monkeypatch.setenv("MLOPS_PREDICTIONS", str(tmp_path / "log"))
    before = set(REGISTRY._collector_to_names)

    def post(predict: Callable[[list[Any]], Predictions], *rows: float, **headers: str) -> Any:
        async def run() -> httpx.Response:
            app = create_app(tmp_path)
            app.state.model = Model(predict)
            transport = httpx.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://service") as client,
            ):
                body = {"rows": [{"x": row} for row in rows]}
                return await client.post("/predict", json=body, headers=headers)

        with warnings.catch_warnings():
            return asyncio.run(run())

    yield post
    gc.unfreeze()
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)


def test_nan_in_an_answer_is_null_and_never_broken_json(ask: Any) -> None:
    answer = ask(lambda rows: Predictions([math.nan] * len(rows), [[math.inf, 1.0]] * len(rows)), 1)
    assert answer.status_code == 200
    assert json.loads(answer.content) == {"prediction": [None], "probability": [[None, 1.0]]}


def test_a_request_keeps_its_own_id_in_the_answer_and_in_the_log(ask: Any, tmp_path: Path) -> None:
    headers = {"X-Request-Id": "order-7"}
    answer = ask(lambda rows: Predictions([row[0] for row in rows]), 1.5, 2.5, **headers)
    assert answer.headers["x-request-id"] == "order-7"
    [path] = (tmp_path / "log").iterdir()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["request"], r["inputs"], r["prediction"]) for r in records] == [
        ("order-7", {"x": 1.5}, 1.5),
        ("order-7", {"x": 2.5}, 2.5),
    ]


def test_an_id_that_a_log_cannot_hold_is_replaced(ask: Any) -> None:
    answer = ask(lambda rows: Predictions([0] * len(rows)), 1, **{"X-Request-Id": "a" * 500})
    assert 0 < len(answer.headers["x-request-id"]) < 100


def test_a_broken_model_is_500_with_an_id_and_no_values_in_the_log(
    ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(rows: list[Any]) -> Predictions:
        if rows[0][0]:
            raise RuntimeError(f"cannot divide {rows[0][0]}")
        return Predictions([0])

    with caplog.at_level(logging.INFO, "mlops.service"):
        answer = ask(broken, 1234.5)
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("The model failed; see the log for ")
    assert "RuntimeError at test_app.py" in caplog.text
    assert "1234.5" not in caplog.text


def test_the_prediction_log_is_off_where_no_folder_is_given(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLOPS_PREDICTIONS")
    assert ask(lambda rows: Predictions([0] * len(rows)), 1).status_code == 200
    assert not (tmp_path / "log").exists()
