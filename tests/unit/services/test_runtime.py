"""The packaged runtime by itself: what it accepts, how it batches, what it writes."""

from __future__ import annotations

import asyncio
import json
import math
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops.services.runtime.batcher import Batcher
from jupyter_mlops.services.runtime.body import Limits, decode
from jupyter_mlops.services.runtime.model import to_frame
from jupyter_mlops.services.runtime.prediction_log import PredictionLog
from jupyter_mlops.services.runtime.rejected import Rejected
from jupyter_mlops.services.runtime.schema import Column, Schema

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = Schema(
    (
        Column("age", "long", "int64"),
        Column("dose", "double", "float64", nullable=True),
        Column("sex", "string", "category", categories=("f", "m")),
        Column("smoker", "boolean", "bool"),
        Column("seen", "datetime", "datetime64[ns]"),
    )
)
GOOD = {"age": 40, "dose": 1.5, "sex": "f", "smoker": True, "seen": "2026-01-31T12:00:00"}


def rows(*given: Any) -> list[Any]:
    return decode(json.dumps({"rows": given}).encode(), "application/json", SCHEMA, Limits())


def refusal(*given: Any) -> str:
    with pytest.raises(Rejected) as raised:
        rows(*given)
    assert raised.value.status == 422
    return raised.value.message


def test_a_good_row_comes_out_in_the_models_order_and_types() -> None:
    assert rows(dict(reversed(GOOD.items()))) == [(40, 1.5, "f", True, datetime(2026, 1, 31, 12))]  # noqa: DTZ001
    frame = to_frame(rows(GOOD, {**GOOD, "dose": None}), SCHEMA)
    assert [str(dtype) for dtype in frame.dtypes] == [
        "int64", "float64", "category", "bool", "datetime64[ns]",
    ]  # fmt: skip
    assert math.isnan(frame["dose"][1])


def test_a_whole_number_written_as_a_fraction_is_that_number() -> None:
    assert rows({**GOOD, "age": 40.0})[0][0] == 40
    assert refusal({**GOOD, "age": 40.5}) == "Row 0: 'age' must be a whole number, not a fraction"
    assert "outside the range" in refusal({**GOOD, "age": 2**63})


def test_only_what_the_training_data_had_may_be_missing() -> None:
    assert rows({**GOOD, "dose": None})[0][1] is None
    assert refusal({**GOOD, "age": None}).startswith("Row 0: 'age' is missing")


def test_an_unknown_category_is_not_turned_into_a_missing_value() -> None:
    assert refusal({**GOOD, "sex": "x"}) == (
        "Row 0: 'sex' is a category that the training data did not have"
    )


def test_a_date_must_be_a_date() -> None:
    assert "must be a date such as" in refusal({**GOOD, "seen": "yesterday"})
    assert "must be a date such as" in refusal({**GOOD, "seen": 5})


def test_a_good_row_does_not_let_a_worse_one_of_the_same_types_pass() -> None:
    rows(GOOD)
    assert "did not have" in refusal({**GOOD, "sex": "m2"})
    numbers = Schema((Column("a", "double"), Column("b", "double")))
    assert numbers.from_values([[1.0, 2.0]], None) == [(1.0, 2.0)]
    with pytest.raises(Rejected, match="'b' must be a finite number"):
        numbers.from_values([[1.0, math.inf]], None, look=True)
    with pytest.raises(Rejected, match="'b' is missing"):
        numbers.from_values([[1.0, math.nan]], None, look=True)


def test_a_message_names_columns_but_never_values() -> None:
    secret = "4000-1234"
    for bad in ({**GOOD, "age": secret}, {**GOOD, "sex": secret}, {**GOOD, "seen": secret}):
        assert secret not in refusal(bad)


def test_waiting_requests_are_answered_together() -> None:
    sizes: list[int] = []

    def answer(batch: list[Any]) -> list[Any]:
        sizes.append(len(batch))
        return [waiting.rows[0] for waiting in batch]

    async def ask() -> list[Any]:
        batcher = Batcher(answer)
        batcher.start(0.001)
        answers = await asyncio.gather(*(batcher.submit([[i]], str(i)) for i in range(100)))
        await batcher.stop()
        return answers

    assert asyncio.run(ask()) == [[i] for i in range(100)]
    assert len(sizes) < 5


def test_a_batch_is_not_larger_than_it_may_be() -> None:
    sizes: list[int] = []

    def answer(batch: list[Any]) -> list[Any]:
        sizes.append(sum(len(waiting.rows) for waiting in batch))
        return [None] * len(batch)

    async def ask() -> None:
        batcher = Batcher(answer, batch_rows=10)
        batcher.start(0.001)
        await asyncio.gather(*(batcher.submit([[0]] * 4, "") for _ in range(9)))
        await batcher.submit([[0]] * 25, "")
        await batcher.stop()

    asyncio.run(ask())
    assert max(sizes[:-1]) == 8
    assert sizes[-1] == 25


def test_one_failure_is_told_to_its_own_request_and_the_batcher_goes_on() -> None:
    def answer(batch: list[Any]) -> list[Any]:
        if any(waiting.request_id == "break" for waiting in batch):
            raise RuntimeError("broken")
        return [ValueError("bad") if waiting.request_id == "bad" else "good" for waiting in batch]

    async def ask() -> None:
        batcher = Batcher(answer)
        batcher.start(0.001)
        said = await asyncio.gather(
            batcher.submit([[0]], "a"), batcher.submit([[0]], "bad"), return_exceptions=True
        )
        assert said[0] == "good"
        assert isinstance(said[1], ValueError)
        with pytest.raises(RuntimeError):
            await batcher.submit([[0]], "break")
        assert await batcher.submit([[0]], "a") == "good"
        await batcher.stop()

    asyncio.run(ask())


def test_too_much_waiting_is_refused_not_kept() -> None:
    async def ask() -> None:
        batcher = Batcher(lambda batch: [None] * len(batch), waiting_rows=5)
        batcher.start(0.001)
        first = asyncio.create_task(batcher.submit([[0]] * 5, ""))
        await asyncio.sleep(0)
        with pytest.raises(Rejected, match="try again later") as raised:
            await batcher.submit([[0]], "")
        assert raised.value.status == 503
        await first
        await batcher.stop()

    asyncio.run(ask())


def test_a_slow_model_leaves_the_event_loop_free() -> None:
    import threading

    threads: list[str] = []

    def answer(batch: list[Any]) -> list[Any]:
        threads.append(threading.current_thread().name)
        return [None] * len(batch)

    async def ask(seconds: float) -> None:
        batcher = Batcher(answer)
        batcher.start(seconds)
        await batcher.submit([[0]], "")
        await batcher.stop()

    asyncio.run(ask(0.5))
    asyncio.run(ask(0.001))
    assert threads == ["model_0", "MainThread"]


def test_a_batch_is_one_write_of_whole_lines(tmp_path: Path) -> None:
    log = PredictionLog(str(tmp_path), "v1")
    record = {"request": "a", "inputs": {"x": math.nan}, "prediction": 1}
    assert log.write([record, record]) == 2
    [path] = tmp_path.iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["version"] == "v1"
    assert lines[0]["inputs"] == {"x": None}
    assert PredictionLog("", "v1").write([record]) == 0


def test_a_torn_write_is_told_and_spoils_no_later_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PredictionLog(str(tmp_path), "v1")
    record = {"request": "a", "inputs": {}, "prediction": 1}
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: whole(descriptor, content[:10]))
    with pytest.raises(OSError, match="could not be written in full"):
        log.write([record])
    monkeypatch.undo()
    log.write([record])
    [path] = tmp_path.iterdir()
    torn, good = path.read_text().splitlines()
    assert json.loads(good)["request"] == "a"
    assert len(torn) == 10
