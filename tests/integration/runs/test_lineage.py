"""Which files a recorded cell read and wrote, reader by reader."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from jupyter_mlops.runs.capture.reads import Reads

if TYPE_CHECKING:
    from jupyter_mlops.project import Project

#: reader → code that reads t.csv, t.parquet, t.npy, t.db or parts/ by it
READERS = {
    "open": "open('t.csv').close()",
    "pathlib": "from pathlib import Path; Path('t.csv').read_bytes()",
    "pandas csv": "import pandas as pd; pd.read_csv('t.csv')",
    "pandas csv, pyarrow engine": "import pandas as pd; pd.read_csv('t.csv', engine='pyarrow')",
    "pandas parquet": "import pandas as pd; pd.read_parquet('t.parquet')",
    "pyarrow table": "import pyarrow.parquet as pq; pq.read_table('t.parquet')",
    "pyarrow memory map": "import pyarrow as pa; pa.memory_map('t.parquet').read()",
    "pyarrow csv": "import pyarrow.csv as pc; pc.read_csv('t.csv')",
    "numpy": "import numpy as np; np.load('t.npy')",
    "numpy memory map": "import numpy as np; np.load('t.npy', mmap_mode='r').sum()",
    "sqlite3": "import sqlite3; sqlite3.connect('t.db').execute('select * from t').fetchall()",
    "subprocess": "import subprocess; subprocess.run(['cat', 't.csv'], capture_output=True, check=True)",
    "fork": "import multiprocessing as m; p = m.get_context('fork').Process(target=open, args=('t.csv',));"
    " p.start(); p.join()",
    "joblib": "import joblib; joblib.Parallel(2)(joblib.delayed(len)(x) for x in 'ab'); joblib.load('t.joblib')",
    "torch": "import torch; torch.load('t.pt')",
}
_FILES = {
    "numpy": "t.npy", "numpy memory map": "t.npy", "sqlite3": "t.db", "joblib": "t.joblib", "torch": "t.pt",
    "pandas parquet": "t.parquet", "pyarrow table": "t.parquet", "pyarrow memory map": "t.parquet",
}  # fmt: skip
#: Readers in C++ and in other processes, which raise no event in this one.
_NATIVE = {"pyarrow table", "pyarrow memory map", "pyarrow csv", "subprocess", "fork"}
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def files(project: Project) -> Project:
    import sqlite3

    import joblib
    import numpy as np
    import torch

    table = pd.DataFrame({"a": [1.0, 2.0]})
    table.to_csv("t.csv", index=False)
    table.to_parquet("t.parquet")
    np.save("t.npy", np.ones(4))
    joblib.dump([1], "t.joblib")
    torch.save(torch.ones(2), "t.pt")
    database = sqlite3.connect("t.db")
    database.execute("create table t (a)")
    database.close()
    return project


@pytest.mark.parametrize("reader", READERS)
def test_a_file_read_by_this_reader_is_an_input(files: Project, reader: str) -> None:
    with Reads(files) as reads:
        exec(READERS[reader], {})
    # Where the machine refuses fanotify, the run says so, and only Python's own readers are seen.
    unseen = reads.blind and reader in _NATIVE
    expected = [] if unseen else [_FILES.get(reader, "t.csv")]
    assert [files.relative(path) for path in reads.inputs] == expected


@pytest.mark.parametrize("reader", READERS)
def test_where_fanotify_is_refused_the_run_says_what_it_could_not_see(
    files: Project, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("jupyter_mlops.runs.capture.fanotify.Watch", refused)
    with Reads(files) as reads:
        exec(READERS[reader], {})
    assert reads.blind == "readers outside Python are not seen here (Operation not permitted)"
    expected = [] if reader in _NATIVE else [_FILES.get(reader, "t.csv")]
    assert [files.relative(path) for path in reads.inputs] == expected


@pytest.mark.parametrize(
    "writer",
    [
        "open('out.csv', 'w').close()",
        "import pandas as pd; pd.DataFrame({'a': [1]}).to_parquet('out.csv')",
        "import pyarrow as pa, pyarrow.parquet as pq; pq.write_table(pa.table({'a': [1]}), 'out.csv')",
        "import subprocess; subprocess.run('echo 1 > out.csv', shell=True, check=True)",
    ],
)
def test_a_file_that_is_only_written_is_an_output(files: Project, writer: str) -> None:
    with Reads(files) as reads:
        exec(writer, {})
    assert reads.inputs == []
    unseen = reads.blind and ("subprocess" in writer or "write_table" in writer)
    assert [files.relative(path) for path in reads.outputs] == ([] if unseen else ["out.csv"])


def test_a_file_read_and_then_written_over_is_an_input(files: Project) -> None:
    with Reads(files) as reads:
        frame = pd.read_csv("t.csv")
        frame.to_csv("t.csv", index=False)
    assert [files.relative(path) for path in reads.inputs] == ["t.csv"]
    assert reads.outputs == []


def test_what_another_process_reads_is_not_ours(files: Project) -> None:
    import subprocess
    import time

    # A grandchild that was given away: its parent is gone, so it is no longer of our family.
    program = "import time; time.sleep(1.5); open('t.csv').read(); time.sleep(1)"
    orphan = f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', {program!r}], start_new_session=True)"
    subprocess.run([sys.executable, "-c", orphan], check=True)
    with Reads(files) as reads:
        time.sleep(3)
    assert reads.inputs == []


def test_nothing_is_seen_while_nothing_is_recorded(files: Project) -> None:
    with Reads(files) as reads:
        pass
    pd.read_csv("t.csv")
    assert reads.inputs == []
