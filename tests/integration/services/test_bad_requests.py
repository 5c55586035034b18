"""Every bad request gets one clear line and the right status, and spoils nobody else's."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import pandas as pd
import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops import services
    from jupyter_mlops.project import Project

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}


@pytest.fixture(scope="module")
def client(screening: services.Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=screening.url, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def frame(service_project: Project) -> pd.DataFrame:
    return pd.read_parquet(service_project.root / "train.parquet").drop(columns="target")


@pytest.fixture
def row(frame: pd.DataFrame) -> dict[str, Any]:
    return {str(name): value for name, value in frame.iloc[0].to_dict().items()}


def refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert list(said) == ["error"]
    assert words in said["error"]
    assert "\n" not in said["error"]


def test_a_missing_column_is_named(client: httpx.Client, row: dict[str, Any]) -> None:
    del row["mean area"]
    refused(client.post("/predict", json={"rows": [row]}), 422, "Row 0 lacks column 'mean area'")


def test_an_unknown_column_is_named(client: httpx.Client, row: dict[str, Any]) -> None:
    row["colour"] = 1.0
    refused(client.post("/predict", json={"rows": [row]}), 422, "Row 0 has unknown column 'colour'")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a lot", "'mean area' must be a number, not a string"),
        (True, "'mean area' must be a number, not a boolean"),
        ([1.0], "'mean area' must be a number, not a list"),
        ({"a": 1}, "'mean area' must be a number, not an object"),
        (None, "'mean area' is missing; the training data has no missing values in it"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_column(
    client: httpx.Client, row: dict[str, Any], value: Any, words: str
) -> None:
    bad = {**row, "mean area": value}
    refused(client.post("/predict", json={"rows": [row, bad]}), 422, f"Row 1: {words}")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "The body is empty"),
        (b"{", 400, "The body is not JSON"),
        (b'{"rows": [NaN]}', 400, "The body is not JSON"),
        (b'{"rows": [1e999]}', 400, "The body is not JSON"),
        (b"\xff\xfe", 400, "The body is not JSON"),
        (b'{"rows": ' + b"[" * 5000, 400, "nested too deeply"),
        (b"[]", 422, "must be a JSON object"),
        (b"{}", 422, "neither 'rows' nor 'data'"),
        (b'{"rows": []}', 422, "has no rows"),
        (b'{"rows": {}}', 422, "must be a list of rows"),
        (b'{"rows": [7]}', 422, "Row 0 must be an object"),
        (b'{"rows": [], "extra": 1}', 422, "Unknown key 'extra'"),
        (b'{"data": [[1, 2]]}', 422, "Row 0 must have 30 values, not 2"),
        (b'{"columns": [1], "data": [[1]]}', 422, "'columns' must be a list of names"),
        (b'{"columns": ["a"], "data": [[1]]}', 422, "lacks columns 'mean radius'"),
    ],
)
def test_a_body_that_is_not_rows_is_refused(
    client: httpx.Client, body: bytes, status: int, words: str
) -> None:
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    refused(answer, status, words)


def test_too_much_is_refused_before_it_is_kept(client: httpx.Client) -> None:
    refused(client.post("/predict", json={"rows": [{}] * 10_001}), 413, "at most 10000")
    large = b" " * (17 * 1024 * 1024)
    json_type = {"Content-Type": "application/json"}
    refused(client.post("/predict", content=large, headers=json_type), 413, "larger than 16 MB")

    def pieces() -> Iterator[bytes]:
        for _ in range(17):
            yield b" " * 1024 * 1024

    refused(client.post("/predict", content=pieces(), headers=json_type), 413, "larger than 16 MB")


def test_another_method_or_media_type_is_refused(client: httpx.Client) -> None:
    refused(client.get("/predict"), 405, "Send a POST request")
    refused(client.post("/predict", data={"a": "1"}), 415, "Content-Type must be")
    refused(client.post("/predict", files={"a": b"1"}), 415, "Content-Type must be")
    broken = {"Content-Type": "multipart/form-data"}
    refused(client.post("/predict", content=b"--", headers=broken), 415, "Content-Type must be")


def test_a_value_the_model_itself_refuses_is_the_clients_mistake(
    client: httpx.Client, row: dict[str, Any]
) -> None:
    row["mean area"] = 1e300
    refused(
        client.post("/predict", json={"rows": [row]}), 422, "The model cannot predict these rows"
    )


def test_the_same_rows_in_every_shape_get_the_same_answer(
    client: httpx.Client, frame: pd.DataFrame
) -> None:
    few = frame.head(3)
    shuffled = few[few.columns[::-1]]
    sink = io.BytesIO()
    table = pa.Table.from_pandas(shuffled)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answers = [
        client.post("/predict", json={"rows": few.to_dict("records")}),
        client.post("/predict", json={"data": few.to_numpy().tolist()}),
        client.post(
            "/predict", json=json.loads(shuffled.to_json(orient="split", double_precision=15))
        ),
        client.post("/predict", content=sink.getvalue(), headers=ARROW),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.text for answer in answers}) == 1


_UNKNOWN_NAME = "not_utf8"


@pytest.mark.parametrize(
    ("column", "status", "words"),
    [
        (pa.array([253402300800], pa.timestamp("s")), 422, "cannot be read"),  # the year 10000
        (pa.array([0], pa.timestamp("us", "Mars/Phobos")), 422, "cannot be read"),
        (pa.array([0], pa.timestamp("us", "+25:99")), 422, "cannot be read"),
        (pa.array([0], pa.timestamp("us", "../../etc/passwd")), 422, "cannot be read"),
        (pa.array([1.0]), 400, "not an Arrow stream"),
    ],
)
def test_arrow_values_that_python_does_not_have(
    client: httpx.Client, column: pa.Array, status: int, words: str
) -> None:
    sink = io.BytesIO()
    table = pa.table({_UNKNOWN_NAME: column})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body = sink.getvalue()
    if status == 400:
        body = body.replace(_UNKNOWN_NAME.encode(), b"\xff\xfe\xfdabcde")
    refused(client.post("/predict", content=body, headers=ARROW), status, words)


def test_arrow_that_could_unpack_without_bound_is_refused(
    client: httpx.Client, frame: pd.DataFrame
) -> None:
    def stream(table: pa.Table, **options: Any) -> bytes:
        sink = io.BytesIO()
        with pa.ipc.new_stream(
            sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)
        ) as writer:
            writer.write_table(table)
        return sink.getvalue()

    table = pa.Table.from_pandas(frame.head(3), preserve_index=False)
    coded = table.set_column(0, "mean radius", table.column(0).dictionary_encode())
    many = pa.concat_tables([table] * 4000)
    for body, status, words in [
        (b"not arrow", 400, "not an Arrow stream"),
        (stream(table)[:200], 400, "not an Arrow stream"),
        (stream(table, compression="zstd"), 415, "Compressed or dictionary-encoded"),
        (stream(coded), 415, "Compressed or dictionary-encoded"),
        (stream(many), 413, "More than 10000 rows"),
        (stream(table.slice(0, 0)), 422, "has no rows"),
        (stream(table.drop_columns(["mean radius"])), 422, "lacks column 'mean radius'"),
    ]:
        refused(client.post("/predict", content=body, headers=ARROW), status, words)


def test_values_never_reach_the_log(
    client: httpx.Client, row: dict[str, Any], service_project: Project
) -> None:
    secret = "123456.789012345"
    only = f'{{"rows": [{{"mean area": {secret}}}]}}'.encode()
    refused(client.post("/predict", content=only), 415, "Content-Type must be")
    client.post("/predict", content=only, headers={"Content-Type": "application/json"})
    row["mean area"], row["mean radius"] = 1e300, float(secret)
    client.post("/predict", json={"rows": [row]})
    log = (service_project.state / "services" / "screening.log").read_text()
    assert "the model refused a request" in log
    assert secret not in log


def test_bad_requests_beside_good_ones_spoil_nothing(
    client: httpx.Client, screening: services.Service, frame: pd.DataFrame
) -> None:
    import asyncio

    good = frame.iloc[0].to_dict()
    refusing = {**good, "mean area": 1e300}
    malformed = {**good, "mean area": None}

    async def ask() -> list[int]:
        async with httpx.AsyncClient(base_url=screening.url, timeout=30) as several:
            rows = [good, refusing, malformed] * 20
            answers = await asyncio.gather(
                *(several.post("/predict", json={"rows": [each]}) for each in rows)
            )
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200, 422, 422] * 20
