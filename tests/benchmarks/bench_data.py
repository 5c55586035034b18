"""The version of one large changed file, beside `dvc add` and one md5 pass plus a copy.

Run by `make bench`, or by itself: python tests/benchmarks/bench_data.py [MEGABYTES] [FILES]
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTES, FILES, REPEATS = 300, 2_000, 3
PROCESSES, EACH = 8, 3


def measure(megabytes: int = MEGABYTES, files: int = FILES) -> list[dict[str, Any]]:
    """Return seconds, the best of three each; every repeat hashes bytes that were not seen before."""
    os.environ["DVC_NO_ANALYTICS"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        from jupyter_mlops import workspace

        workspace.init(".")
        root = Path(folder)
        measures = _large(root, megabytes) + _many(root, files) + _at_once(root)
        os.chdir("/")
    return measures


def _large(root: Path, megabytes: int) -> list[dict[str, Any]]:
    from jupyter_mlops import data

    file = root / "large.bin"
    file.write_bytes(b"")
    data.version(file)  # DVC and its record of hashes are loaded

    def fresh() -> None:
        _write(file, megabytes)

    ours = _best(fresh, lambda: data.version(file))
    unchanged = _best(lambda: None, lambda: data.version(file))
    plain = _best(fresh, lambda: _md5_then_copy(file, root / f"copy-{time.time_ns()}.bin"))
    dvc = _best(fresh, lambda: _repo_add("large.bin"))
    dvc_unchanged = _best(lambda: None, lambda: _repo_add("large.bin"))
    size = f"{megabytes:,} MB"
    common = {"unit": "s", "repeats": REPEATS}
    return [
        {"title": f"version of a changed file of {size}", "ours": ours, "peer": plain,
         "peer_name": "one md5 pass and a copy", **common},
        {"title": f"version of a changed file of {size}", "ours": ours, "peer": dvc,
         "peer_name": "dvc add, in process", **common},
        {"title": f"version of an unchanged file of {size}", "ours": unchanged,
         "peer": dvc_unchanged, "peer_name": "dvc add, in process", **common},
    ]  # fmt: skip


def _many(root: Path, files: int) -> list[dict[str, Any]]:
    from jupyter_mlops import data

    folder = root / "images"

    def fresh() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for index in range(files):
            path = folder / f"{index % 50:02}" / f"{index:06}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(2_000))

    ours = _best(fresh, lambda: data.version(folder))
    dvc = _best(fresh, lambda: _repo_add("images"))
    return [
        {"title": f"version of a new folder of {files:,} files", "unit": "s", "ours": ours,
         "peer": dvc, "peer_name": "dvc add, in process", "repeats": REPEATS},
    ]  # fmt: skip


def _at_once(root: Path) -> list[dict[str, Any]]:
    """Count the errors of eight processes that add files of their own at the same time."""
    (root / "many").mkdir()
    for index in range(2 * PROCESSES * EACH):
        (root / "many" / f"{index}.bin").write_bytes(os.urandom(200_000))
    title = f"errors when {PROCESSES} processes add {EACH} files each at once"
    ours = _errors("from jupyter_mlops import data\ndata.add([name])", 0)
    peer = _errors(
        "from dvc.repo import Repo\nwith Repo('.') as repo: repo.add(name)", PROCESSES * EACH
    )
    return [
        {"title": title, "unit": f"of {PROCESSES * EACH}", "ours": ours, "peer": peer,
         "peer_name": "dvc add, in process", "repeats": 1},
    ]  # fmt: skip


def _errors(add: str, first: int) -> int:
    """Run `add` for each `name` in eight processes; a process prints how many of its own failed."""
    program = (
        "import sys\nfailed = 0\nfor name in sys.argv[1:]:\n    try:\n"
        + "".join(f"        {line}\n" for line in add.splitlines())
        + "    except Exception:\n        failed += 1\nprint(failed)\n"
    )
    running = []
    for process in range(PROCESSES):
        start = first + process * EACH
        names = [f"many/{index}.bin" for index in range(start, start + EACH)]
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", program, *names],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )
        )  # fmt: skip
    return sum(int(process.communicate()[0].split()[-1]) for process in running)


def _best(prepare: Callable[[], object], work: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        prepare()
        # What was written just now must not be written to the disk during the measure.
        os.sync()
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return min(took)


def _write(path: Path, megabytes: int) -> None:
    path.unlink(missing_ok=True)
    block = os.urandom(1_000_000)
    with path.open("wb") as file:
        for index in range(megabytes):
            file.write(index.to_bytes(8, "big") + block[8:])


def _md5_then_copy(source: Path, target: Path) -> str:
    with source.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    shutil.copyfile(source, target)
    return found


def _repo_add(name: str) -> None:
    from dvc.repo import Repo

    with Repo(".") as repo:
        repo.add(name)


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
