"""A forest behind our service and behind a FastAPI endpoint written by hand, asked by 1 and 32 clients.

Run by `make bench`, or by itself: python tests/benchmarks/bench_service.py. Where there are two
cores, the server has one and the clients the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SECONDS, TREES, CLIENTS = 2.0, 20, (1, 32)
IMPORTS = """\
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
"""
CELL = f"""\
rows, labels = load_breast_cancer(return_X_y=True, as_frame=True)
forest = RandomForestClassifier({TREES}, random_state=0).fit(rows, labels)
"""

BY_HAND = """
import pickle, socket, sys
import numpy as np
import uvicorn
from fastapi import FastAPI, Request

model = pickle.load(open(sys.argv[1], "rb"))
columns = list(model.feature_names_in_)
del model.feature_names_in_
app = FastAPI()

@app.post("/predict")
async def predict(request: Request):
    rows = (await request.json())["rows"]
    probability = model.predict_proba(np.array([[row[c] for c in columns] for row in rows]))
    labels = model.classes_[probability.argmax(axis=1)]
    return {"prediction": labels.tolist(), "probability": probability.tolist()}

# uvicorn's own fd= takes the socket for a Unix one and leaves Nagle's delay on.
config = uvicorn.Config(app, access_log=False, log_level="error")
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])
"""


def measure() -> dict[str, Any]:
    """Return requests a second with 32 clients of both, and every figure beside them."""
    warnings.simplefilter("ignore")
    os.environ["DO_NOT_TRACK"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model, rows = _train()
        ours = _ours(folder, rows)
        by_hand = _by_hand(folder, model, rows)
    most = CLIENTS[-1]
    return {
        "title": f"a forest of {TREES} trees answering {most} clients",
        "unit": "requests/s",
        "larger_is_better": True,
        "ours": ours[most]["requests_per_second"],
        "peer": by_hand[most]["requests_per_second"],
        "peer_name": "FastAPI, async def, by hand",
        "seconds_each": SECONDS,
        "clients": {
            str(count): {"ours": ours[count], "by_hand": by_hand[count]} for count in CLIENTS
        },
    }


def _train() -> tuple[Any, pd.DataFrame]:
    names: dict[str, Any] = {}
    exec(IMPORTS + CELL, names)
    return names["forest"], names["rows"]


def _ours(folder: Path, rows: pd.DataFrame) -> dict[int, dict[str, float]]:
    """Measure the same forest, recorded, built and started with the verbs; its log is on."""
    from jupyter_mlops import runs, services, workspace
    from jupyter_mlops.project import Project

    (folder / "project").mkdir()
    workspace.init(str(folder / "project"))
    project = Project.find(folder / "project")
    names: dict[str, Any] = {}
    exec(IMPORTS, names)
    with runs.record_cell("forest", CELL, names, project=project):
        exec(CELL, names)
    services.build("forest", project=project)
    service = services.start("forest", project=project)
    try:
        return _load(service.pid or 0, int(service.url.rpartition(":")[2]), rows)
    finally:
        services.stop("forest", project=project)


def _by_hand(folder: Path, model: Any, rows: pd.DataFrame) -> dict[int, dict[str, float]]:
    import pickle

    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    (folder / "by_hand.py").write_text(BY_HAND)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as opened:
        port = opened.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, str(folder / "by_hand.py"), str(folder / "model.pkl"),
             str(opened.fileno())],
            pass_fds=[opened.fileno()],
        )  # fmt: skip
    try:
        return _load(process.pid, port, rows)
    finally:
        process.kill()
        process.wait()


def _load(pid: int, port: int, rows: pd.DataFrame) -> dict[int, dict[str, float]]:
    """Ask with each number of clients, one row a request, after a warm-up."""
    cores = sorted(os.sched_getaffinity(0))
    bodies = [json.dumps({"rows": [row]}).encode() for row in rows.head(100).to_dict("records")]
    if len(cores) > 1:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {cores[0]})
        os.sched_setaffinity(0, {cores[1]})
    try:
        asyncio.run(_ask(port, bodies, 4, 0.5))
        return {count: asyncio.run(_ask(port, bodies, count, SECONDS)) for count in CLIENTS}
    finally:
        os.sched_setaffinity(0, set(cores))


async def _ask(port: int, bodies: list[bytes], clients: int, seconds: float) -> dict[str, float]:
    took: list[float] = []
    end = time.perf_counter() + seconds
    requests = [
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        for body in bodies
    ]

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while (started := time.perf_counter()) < end:
            writer.write(requests[turn % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - started)
            turn += 1
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    took.sort()
    return {
        "requests_per_second": round(len(took) / seconds, 1),
        "p50_ms": round(statistics.median(took) * 1000, 2),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 2),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
