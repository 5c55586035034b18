"""Remote files that a recorded cell read, with the version that their store gives them."""

from __future__ import annotations

import functools
import http.server
import threading
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import runs
from jupyter_mlops.runs.capture.file_reads import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class _WithETag(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("ETag", '"v1-of-the-table"')
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address(tmp_path) -> Iterator[str]:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "t.csv").write_text("a\n1\n")
    handler = functools.partial(_WithETag, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_url_is_an_input_with_its_etag(
    project: Project, cell: Callable[[str], Any], address: str
) -> None:
    cell(
        f"%%mlops run web\nimport fsspec\nwith fsspec.open('{address}/t.csv') as file:\n    text = file.read()"
    )
    (use,) = runs.get("web").data
    assert (use.path, use.version, use.role) == (f"{address}/t.csv", "v1-of-the-table", "input")


def test_another_version_is_told_apart_and_a_written_file_is_an_output(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("import fsspec\nstore = fsspec.filesystem('memory')\nstore.pipe('/in.csv', b'a\\n1\\n')")
    read = "%%mlops run memory\nimport pandas as pd\nrows = len(pd.read_csv('memory://in.csv'))"
    cell(read)
    first = runs.get("memory").data
    cell("store.pipe('/in.csv', b'a\\n1\\n2\\n')")
    cell(read + "\nwith store.open('/out.csv', 'wb') as file:\n    _ = file.write(b'x')")
    second = runs.get("memory").data
    assert [use.path for use in first] == ["memory:///in.csv"]
    assert {use.path: use.role for use in second} == {
        "memory:///in.csv": "input",
        "memory:///out.csv": "output",
    }
    assert first[0].version != second[0].version


def test_what_threads_open_is_seen_too(project: Project) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    names = [f"/threads/{number}.csv" for number in range(16)]
    for name in names:
        store.pipe(name, b"a\n")
    with FileWatch(project) as reads:
        threads = [threading.Thread(target=store.read_text, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    read, written = reads.urls.found()
    assert sorted(url for url, _ in read) == sorted(f"memory://{name}" for name in names)
    assert written == []


def test_fsspec_is_as_it_was_afterwards(project: Project, cell: Callable[[str], Any]) -> None:
    from fsspec.spec import AbstractFileSystem

    before = AbstractFileSystem.open
    cell("%%mlops run broken\n1 / 0")
    assert AbstractFileSystem.open is before
