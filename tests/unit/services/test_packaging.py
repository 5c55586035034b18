"""Names, schemas, comparisons: what a build decides before anything is started."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops import services
from jupyter_mlops.errors import MlopsError, UsageError
from jupyter_mlops.services import (
    answers,
    bento_store,
    http_client,
    launcher,
    prediction_log,
    served_model,
)

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project


@pytest.mark.parametrize(
    "name", ["", "Screening", "a b", "../x", "-a", "a/b", "a" * 64, "latest:1"]
)
def test_a_name_that_no_bento_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name for a service"):
        bento_store.check_name(name)


def test_a_runs_name_becomes_one_that_a_bento_can_have() -> None:
    assert bento_store.slug("My Forest (v2)") == "my-forest-v2"
    bento_store.check_name(bento_store.slug("Ünïcode!!"))
    bento_store.check_name(bento_store.slug("—"))


def test_no_services_yet_says_what_to_type(project: Project) -> None:
    assert "service build" in services.list(project=project).empty
    with pytest.raises(MlopsError, match="Build one: %mlops service build RUN"):
        services.get("screening", project=project)


def test_the_schema_is_what_the_training_data_was() -> None:
    frame = pd.DataFrame(
        {
            "n": np.array([1, 2], dtype="int32"),
            "x": [0.5, np.nan],
            "s": ["a", None],
            "c": pd.Categorical(["u", "v"]),
            "b": [True, False],
            "t": pd.to_datetime(["2026-01-01", "2026-01-02"]),
        }
    )
    assert served_model.columns(frame) == [
        {"name": "n", "type": "integer", "dtype": "int32"},
        {"name": "x", "type": "double", "dtype": "float64", "nullable": True},
        {"name": "s", "type": "string", "dtype": "object", "nullable": True, "missing": "none"},
        {"name": "c", "type": "string", "dtype": "category", "categories": ["u", "v"]},
        {"name": "b", "type": "boolean", "dtype": "bool"},
        {"name": "t", "type": "datetime", "dtype": "datetime64[ns]"},
    ]
    with pytest.raises(MlopsError, match="Column 'o' holds"):
        served_model.columns(pd.DataFrame({"o": [[1], [2]]}))


def test_a_frame_travels_without_losing_what_it_is() -> None:
    frame = pd.DataFrame(
        {
            "x": [0.1, math.nan],
            "n": [1, 2],
            "s": ["a", None],
            "t": pd.to_datetime(["2026-01-01", "NaT"]),
            "m": pd.array([1, None], dtype="Int64"),
        }
    )
    assert json.loads(http_client.encode(frame)) == {
        "columns": ["x", "n", "s", "t", "m"],
        "data": [[0.1, 1, "a", "2026-01-01T00:00:00", 1], [None, 2, None, None, None]],
    }


def test_answers_are_equal_within_a_millionth_and_labels_exactly() -> None:
    said: dict[str, list[Any]] = {
        "prediction": ["a", "b"],
        "probability": [[0.2, 0.8], [0.5, 0.5 + 9e-7]],
    }
    wanted: dict[str, list[Any]] = {
        "prediction": ["a", "b"],
        "probability": [[0.2, 0.8], [0.5, 0.5]],
    }
    assert answers.compare(said, wanted)[0].equal
    said["probability"][1][1] = 0.50001
    parity, difference = answers.compare(said, wanted)
    assert not parity.equal
    assert difference.startswith("row 1: probability")
    assert not answers.compare({"prediction": [1]}, {"prediction": [True]})[0].equal
    assert not answers.compare({"prediction": [1]}, {"prediction": [1, 2]})[0].equal
    assert not answers.compare({"prediction": [1], "more": [1]}, {"prediction": [1]})[0].equal
    assert answers.compare({"prediction": [None]}, {"prediction": [math.nan]})[0].equal


def test_torn_lines_and_the_tests_own_rows_are_not_predictions(
    project: Project, tmp_path: Path
) -> None:
    folder = prediction_log.folder(project, "line")
    folder.mkdir(parents=True)
    good = json.dumps({"time": 1.0, "version": "v", "request": "r", "inputs": {"x": 1}})
    (folder / "1-1.jsonl").write_text(f'{good}\n{{"time": 2.0, "inp\n{good}\nnull\n')
    (folder / "1-1.test.jsonl").write_text(f"{good}\n")
    assert len(prediction_log._records(project, "line", 0)) == 2
    assert prediction_log.count(project, "line") == 4
    with (folder / "1-1.jsonl").open("a") as file:
        file.write(f"{good}\n")
    assert prediction_log.count(project, "line") == 5


def test_the_error_of_a_log_is_its_last_exception_not_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(
        "2026-11-21 13:00:00,000 INFO uvicorn.error: Waiting for application startup.\n"
        "Traceback (most recent call last):\n"
        '  File "service.py", line 1, in <module>\n'
        "    raise KeyError: not this\n"
        "zipfile.BadZipFile: File is not a zip file\n"
        "2026-11-21 13:00:00,000 ERROR uvicorn.error: Application startup failed. Exiting.\n"
    )
    assert launcher.logged_error(log) == "zipfile.BadZipFile: File is not a zip file"
    log.write_text("mlops_runtime.model_files.refused.Refused: The skops file cannot be read\n")
    assert launcher.logged_error(log) == "The skops file cannot be read"
    assert launcher.logged_error(tmp_path / "none.log") == "its log is empty"
