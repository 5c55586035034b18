"""A colleague's repository: everything in it that could act leaves a mark when it does."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_mlops.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Modules that our own processes import; one in the folder must not be taken for it.
SHADOWING = (
    "croniter",
    "dbos",
    "yaml",
    "mlflow",
    "filelock",
    "json",
    "jupyter_mlops_x",
    "papermill",
)


@dataclass
class Foreign:
    """The folder, where its code would leave marks, and what its tracking host was asked."""

    root: Path
    marks: Path
    asked: list[str]
    port: int

    @property
    def project(self) -> Project:
        return Project.find(self.root)

    def marked(self) -> list[str]:
        return sorted(path.name for path in self.marks.iterdir())


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """Somebody else's host: notes each request with the credentials that came with it."""
    asked: list[str] = []

    class Host(BaseHTTPRequestHandler):
        def _note(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization', '')}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = do_HEAD = _note  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], asked
    server.shutdown()
    server.server_close()
    thread.join()


def leave_mark(marks: Path, name: str) -> str:
    """Return Python that leaves the mark `name`."""
    return f"open({str(marks / name)!r}, 'w').close()"


@pytest.fixture
def foreign(
    tmp_path: Path, listener: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> Foreign:
    """Return a downloaded folder with a schedule, shadowing modules and a project's settings.

    Its tracking store is embedded; `elsewhere` makes it send runs to the listener.
    """
    port, asked = listener
    root, marks = tmp_path / "theirs", tmp_path / "marks"
    root.mkdir()
    marks.mkdir()
    (root / "mlops.toml").write_text("")
    cell = new_code_cell(leave_mark(marks, "notebook"))
    nbformat.write(new_notebook(cells=[cell]), root / "theirs.ipynb")
    (root / "jobs").mkdir()
    (root / "jobs" / "x.yaml").write_text('notebook: theirs.ipynb\ncron: "* * * * * *"\n')
    for name in SHADOWING:
        (root / f"{name}.py").write_text(leave_mark(marks, f"module-{name}"))
    (root / "data.csv.dvc").write_text(
        "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 3\n  hash: md5\n  path: data.csv\n"
    )
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text(
        f"[core]\n    remote = evil\n['remote \"evil\"']\n    url = http://127.0.0.1:{port}/data\n"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "the-users-token")
    monkeypatch.chdir(root)
    return Foreign(root, marks, asked, port)


@pytest.fixture
def elsewhere(foreign: Foreign) -> Foreign:
    """Return the same folder, its runs and its data sent to the listener."""
    address = f"http://127.0.0.1:{foreign.port}"
    (foreign.root / "mlops.toml").write_text(
        f"[tracking]\nuri = {json.dumps(address)}\n[data]\nremote = {json.dumps(address + '/data')}\n"
    )
    return foreign
