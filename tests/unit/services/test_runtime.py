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


def table(kind: str) -> tuple[Any, Any, Any]:
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(200, 3)), columns=list("abc"))
    frame["n"] = random.integers(0, 9, 200)
    target = (frame["a"] + frame["n"] / 5 > 1).astype(int)
    schema = Schema(
        tuple(
            Column(str(name), "long" if name == "n" else "double", str(frame[name].dtype))
            for name in frame
        )
    )
    return frame, target if kind == "classifier" else frame["a"] * 2 + frame["n"], schema


@pytest.mark.parametrize("kind", ["RandomForest", "ExtraTrees"])
@pytest.mark.parametrize("task", ["Classifier", "Regressor"])
def test_a_forest_is_answered_by_its_trees_to_the_last_bit(kind: str, task: str) -> None:
    import numpy as np
    from sklearn import ensemble

    from jupyter_mlops.services.runtime.estimator import forest, forget_names, takes_array

    frame, target, schema = table(task.lower())
    model = getattr(ensemble, f"{kind}{task}")(25, random_state=0).fit(frame, target)
    assert takes_array(model, schema)
    own = model.predict_proba(frame) if task == "Classifier" else model.predict(frame)
    forget_names(model)
    answer = forest(model, frame.to_numpy()[:5])
    assert answer is not None
    assert np.array_equal(answer(frame.to_numpy()), own)


def test_a_forest_whose_trees_say_something_else_is_asked_itself() -> None:
    from sklearn.ensemble import RandomForestRegressor

    from jupyter_mlops.services.runtime.estimator import forest

    class Doubled(RandomForestRegressor):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:  # noqa: N803
            return 2 * super().predict(X)

    frame, target, _ = table("regressor")
    model = Doubled(5, random_state=0).fit(frame.to_numpy(), target)
    assert forest(model, frame.to_numpy()[:5]) is None
    Doubled.__name__, Doubled.__module__ = "RandomForestRegressor", "sklearn.ensemble._forest"
    assert forest(model, frame.to_numpy()[:5]) is None


def test_a_model_that_needs_its_columns_names_gets_a_frame() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    from jupyter_mlops.services.runtime.estimator import takes_array

    schema = table("classifier")[2]
    named = make_column_transformer((StandardScaler(), ["a"]))
    assert not takes_array(make_pipeline(named, LogisticRegression()), schema)
    assert not takes_array(make_pipeline(FunctionTransformer(), LogisticRegression()), schema)
    assert takes_array(make_pipeline(StandardScaler(), LogisticRegression()), schema)
    pandas = StandardScaler().set_output(transform="pandas")
    assert not takes_array(make_pipeline(pandas, LogisticRegression()), schema)
    assert not takes_array(LogisticRegression(), SCHEMA)
