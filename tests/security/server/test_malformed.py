"""Requests as no client of ours would write them: none is answered by a 5xx."""

from __future__ import annotations

import asyncio
import logging
import random
import string

import pytest

from jupyter_mlops import runs
from jupyter_mlops.project import Project

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

#: Seconds for an answer; a request whose end is missing gets none.
PATIENCE = 2.0
ROUTES = [
    "status", "trust", "runs", "runs/{}", "data", "jobs", "services", "services/{}/start",
    "services/{}/stop", "drift", "drift/{}", "", "{}", "runs/{}/{}", "services/{}",
]  # fmt: skip
METHODS = [
    "GET",
    "GET",
    "GET",
    "GET",
    "POST",
    "DELETE",
    "PUT",
    "HEAD",
    "OPTIONS",
    "BREW",
    "get",
    "\x00",
]
PIECES = [
    "..", "../", "..%2f", "%2e%2e/", "/", "//", "%00", "\\", "%5c", "%", "%f", "%ff", "%c0%ae", "%ed%a0%80",
    "é", "%e2%80%a8", "'", '"', "`", ";", "--", "<script>", "{{7*7}}", "$(id)", "%0d%0aX: y", "\t", "%20",
    "~", "file:///etc/passwd", "C:", "CON", "mlflow.db", ".mlops", ".git", "ours", "theirs", "a" * 300,
    "x" * 5000, "0", "-1", "9" * 400, "9" * 5000, "1e9", "nan", "٣", "²", "None", "[]", "%5b%5d", "\x7f", "%F0%9F%92%A9",
]  # fmt: skip
KEYS = [
    "path",
    "limit",
    "kind",
    "experiment",
    "sort",
    "token",
    "_xsrf",
    "",
    "path[]",
    "%ff",
    "x" * 200,
]
BODIES = [
    b"",
    b"{}",
    b"[",
    b"null",
    b"\xff" * 10,
    b"[" * 5000,
    b'{"a":' * 2000,
    b"a=b&c",
    b"\x00" * 100,
]
HEADERS = [
    ("Content-Type", "application/json"), ("Content-Type", "multipart/form-data"), ("Accept", "\x01"),
    ("Content-Type", "application/x-www-form-urlencoded"), ("Content-Encoding", "gzip"),
    ("Content-Length", "-1"), ("Content-Length", "99999999999999999999"), ("Content-Length", "abc"),
    ("Transfer-Encoding", "chunked"), ("Cookie", "a=b; ;;=; \xff"), ("If-None-Match", "*"),
    ("Range", "bytes=9-1"), ("X-Forwarded-For", "' OR 1"), ("Authorization", "token"), ("Host", "[::1"),
    ("Origin", "http://["), ("Referer", "::::"), ("Expect", "100-continue"), ("Upgrade", "websocket"),
]  # fmt: skip


def text(chosen: random.Random) -> str:
    parts = [chosen.choice(PIECES) for _ in range(chosen.randint(0, 4))]
    if chosen.random() < 0.3:
        parts.append("".join(chosen.choices(string.printable[:94], k=chosen.randint(1, 12))))
    chosen.shuffle(parts)
    return "".join(parts)


def malformed(chosen: random.Random, request_of) -> bytes:
    """Return one request with one or more things wrong."""
    route = chosen.choice(ROUTES)
    while "{}" in route:
        route = route.replace("{}", text(chosen) or "x", 1)
    query = "&".join(f"{chosen.choice(KEYS)}={text(chosen)}" for _ in range(chosen.randint(0, 3)))
    if chosen.random() < 0.6:
        query = f"path={chosen.choice(['ours', 'theirs', text(chosen)])}&{query}"
    headers = dict(chosen.sample(HEADERS, k=chosen.choice([0, 0, 0, 1, 1, 2])))
    raw: bytes = request_of(
        chosen.choice(METHODS), f"mlops/api/{route}?{query}", headers, chosen.choice(BODIES)
    )
    if chosen.random() < 0.1:  # and some bytes of it changed
        spoilt = bytearray(raw)
        for _ in range(chosen.randint(1, 5)):
            spoilt[chosen.randrange(len(spoilt))] = chosen.randrange(256)
        raw = bytes(spoilt)
    return raw


@pytest.fixture
def furnished(folders):
    """Give both projects what makes their lists work: files that are wrong in their own ways."""
    for name in ("ours", "theirs"):
        folder = folders / name
        (folder / "a.dvc").write_text("outs: []")
        (folder / "b.dvc").write_text("outs:\n- md5: ../../x\n  path: a/b\n")
        (folder / "jobs" / "bad.yaml").write_text("params: {day: 2026-02-30}")
    with runs.start("one", project=Project.find(folders / "ours")):
        pass
    return folders


@pytest.mark.parametrize("route", ["nothing", "runs/../x", "runs/a/b", "", "services/a/kill"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_an_address_without_route_is_no_5xx(folders, send, request_of, route, method):
    for headers in ({}, {"Origin": "http://["}, {"Referer": "http://["}, {"Host": "[::1"}):
        raw = request_of(method, f"mlops/api/{route}?path=%f", headers, b"")
        status, _, body = await send(raw, PATIENCE)
        assert 400 <= status < 500, (status, headers, body[:200])
        status, _, body = await send(raw.replace(b"api/", b"api\xee"), PATIENCE)
        assert 400 <= status < 500, (status, headers, body[:200])


@pytest.mark.parametrize(
    "number", [1_500, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
async def test_no_malformed_request_is_answered_by_a_5xx(
    number, furnished, send, request_of, trials
):
    logging.disable(logging.CRITICAL)  # a line for each would be all that one sees
    chosen = random.Random(number)
    answers: dict[int, int] = {}
    wrong = []

    async def some(count):
        for _ in range(count):
            raw = malformed(chosen, request_of)
            status, _, body = await send(raw, PATIENCE)
            answers[status] = answers.get(status, 0) + 1
            if status >= 500:
                wrong.append((status, raw[:400], body[:200]))

    try:
        await asyncio.gather(*(some(number // 8) for _ in range(8)))
    finally:
        logging.disable(logging.NOTSET)
    assert wrong == [], (len(wrong), wrong[:5])
    status, _, _ = await send(request_of("GET", "mlops/api/status?path=ours"))
    assert status == 200
    assert sum(count for status, count in answers.items() if status) > 0.9 * number
    print(f"\n{number} malformed requests: {dict(sorted(answers.items()))}")
    trials("malformed REST requests", number // 8 * 8, "no 5xx")
