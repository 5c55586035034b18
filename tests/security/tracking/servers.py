"""A tracking server that somebody else wrote: it answers as MLflow does, until a test changes an answer."""

from __future__ import annotations

import copy
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN, MODEL = "a" * 32, f"m-{'b' * 32}"
_API = "/api/2.0/mlflow"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"
_RUN = {
    "info": {
        "run_id": RUN, "run_uuid": RUN, "run_name": "theirs", "experiment_id": "1", "user_id": "x",
        "status": "FINISHED", "start_time": 1_700_000_000_000, "end_time": 1_700_000_001_000,
        "lifecycle_stage": "active", "artifact_uri": "mlflow-artifacts:/1/a/artifacts",
    },
    "data": {
        "metrics": [{"key": "acc", "value": 0.5, "timestamp": 1, "step": 1}],
        "params": [{"key": "depth", "value": "3"}],
        "tags": [{"key": "mlops.kind", "value": "cell"}, {"key": "mlops.packages", "value": "3"}],
    },
    "inputs": {
        "dataset_inputs": [
            {"tags": [{"key": "mlflow.data.context", "value": "input"}],
             "dataset": {"name": "d.csv", "digest": "0" * 32, "source_type": "dvc", "source": "{}"}},
        ],
    },
    "outputs": {"model_outputs": [{"model_id": MODEL, "step": 0}]},
}  # fmt: skip
#: Path of a request → the answer: JSON, or bytes as they are.
ANSWERS: dict[str, Any] = {
    f"{_API}/experiments/search": {
        "experiments": [{"experiment_id": "1", "name": "default", "lifecycle_stage": "active",
                         "artifact_location": "mlflow-artifacts:/1"}],
    },
    f"{_API}/runs/search": {"runs": [_RUN]},
    f"{_API}/runs/get": {"run": _RUN},
    f"{_API}/logged-models/{MODEL}": {
        "model": {
            "info": {"model_id": MODEL, "experiment_id": "1", "name": "model", "status": "LOGGED_MODEL_READY",
                     "creation_timestamp_ms": 1, "last_updated_timestamp_ms": 1,
                     "artifact_uri": "mlflow-artifacts:/1/models/b/artifacts"},
            "data": {},
        },
    },
    f"{_API}/registered-models/search": {
        "registered_models": [{"name": "theirs", "creation_timestamp": 1, "last_updated_timestamp": 1}],
    },
    f"{_API}/registered-models/get": {"registered_model": {"name": "theirs", "creation_timestamp": 1}},
    f"{_API}/model-versions/search": {
        "model_versions": [{"name": "theirs", "version": "1", "creation_timestamp": 1, "run_id": RUN}],
    },
    f"{_API}/metrics/get-history": {"metrics": [{"key": "acc", "value": 0.5, "timestamp": 1, "step": 1}]},
    f"{_FILES}?1/a/artifacts": {"files": [{"path": "mlops", "is_dir": True}, {"path": "x.txt", "is_dir": False,
                                                                             "file_size": 1}]},
    f"{_FILES}?1/a/artifacts/mlops": {"files": [{"path": "cell.py", "is_dir": False, "file_size": 5}]},
    f"{_FILES}?1/models/b/artifacts": {"files": [{"path": "MLmodel", "is_dir": False, "file_size": 20}]},
    f"{_FILES}/1/a/artifacts/mlops/cell.py": b"x = 1",
    f"{_FILES}/1/models/b/artifacts/MLmodel": b"flavors: {sklearn: {}}\n",
}  # fmt: skip


class Server:
    """It listens on loopback; `asked` has the path and the token of each request."""

    def __init__(self, port: int) -> None:
        self.uri = f"http://127.0.0.1:{port}"
        self.answers = copy.deepcopy(ANSWERS)
        self.asked: list[tuple[str, str]] = []
        #: Asked before the answers: (path) → (status, headers, body), or None.
        self.first: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda _path: None

    def answer(self, method: str, target: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        key = parts.path
        if key == _FILES:
            key = f"{_FILES}?{parse_qs(parts.query).get('path', [''])[0]}"
        if own := self.first(key):
            return own
        if key not in self.answers and key.startswith(f"{_FILES}?"):
            return 200, {}, b"{}"  # a file, or an empty folder
        if key not in self.answers:
            body = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}
            return 404, {"Content-Type": "application/json"}, json.dumps(body).encode()
        found = self.answers[key]
        content = found if isinstance(found, bytes) else json.dumps(found).encode()
        return 200, {"Content-Type": "application/json"}, content


@contextmanager
def started() -> Iterator[Server]:
    """Run one for a block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.asked.append((self.path, self.headers.get("Authorization", "")))
            status, headers, body = made.answer(self.command, self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    made = Server(listening.server_address[1])
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield made
    listening.shutdown()
    listening.server_close()
    thread.join()
