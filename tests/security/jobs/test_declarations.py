"""`jobs/*.yaml` comes with a clone: whatever it holds is one line, costs little and stops no other job."""

from __future__ import annotations

import json
import os
import random
import resource
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from jupyter_mlops import jobs
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.jobs import declarations
from jupyter_mlops.project import Project
from jupyter_mlops.records import to_json
from tests.security.jobs import hostile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trials import Trials

NOW, GRACE = datetime(2026, 10, 25, 1, 30, tzinfo=UTC), timedelta(seconds=10)
#: Seconds of processor time for one file.
#: CPU seconds; far above what any takes, far below what a trap would.
MOST = 1.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The `jobs` folder of a project that is only a folder."""
    (tmp_path / "mlops.toml").touch()
    (tmp_path / "jobs").mkdir()
    return tmp_path / "jobs"


def refused(path: Path) -> str:
    with pytest.raises(MlopsError) as caught:
        declarations.load(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    assert len(line) < 500
    return line


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_each_hostile_file_is_one_line(
    loader: str, folder: Path, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declarations, "_Loader", getattr(yaml, loader))
    most = MOST if loader == "CSafeLoader" else 5 * MOST
    number = hostile.place(folder)
    for name, (_, part) in {**hostile.TEXTS, **hostile.THINGS}.items():
        before = time.thread_time()
        line = refused(folder / f"{name}.yaml")
        assert any(option in line for option in part.split("|")), (name, line)
        assert f"jobs/{name}.yaml" in line
        assert time.thread_time() - before < most, name
    for name in hostile.NAMES:
        assert "is not valid for a job" in refused(folder / f"{name}.yaml")
    assert not (folder.parent / "hacked").exists()
    trials(f"hostile job files ({loader})", number, "one line each")


def test_what_is_ordinary_is_read(folder: Path) -> None:
    path = folder / "a.yaml"
    for text, params in (
        ("params: {d: 2026-02-03}", {"d": "2026-02-03"}),
        ("params: {t: 2026-02-03 10:00:00}", {"t": "2026-02-03T10:00:00"}),
        ("params: {s: !!set {b, a}}", {"s": ["a", "b"]}),
        ("params: {a: &x [1, 2], b: *x}", {"a": [1, 2], "b": [1, 2]}),
        ("params: {n: 12345678901234567890, f: 1.5, t: ü, e: ~, y: yes}",
         {"n": 12345678901234567890, "f": 1.5, "t": "ü", "e": None, "y": True}),
        ('params: {"<<": 1}', {"<<": 1}),
        (f"params: {{a: '{'9' * 5000}'}}", None),
    ):  # fmt: skip
        path.write_text(f"notebook: a.ipynb\n{text}")
        if params is None:
            assert "digits" in refused(path)
        else:
            assert declarations.load(path).params == params
    for text in (
        "\ufeffnotebook: a.ipynb",
        "notebook: sub/a.ipynb\ncwd: .",
        "notebook: a.ipynb\ncwd: sub/",
    ):
        path.write_text(text, encoding="utf-8")
        assert declarations.load(path).notebook.endswith("a.ipynb")
    path.write_bytes("notebook: a.ipynb".encode("utf-16"))
    assert declarations.load(path).notebook == "a.ipynb"


def test_a_folder_of_jobs_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.yaml").write_text("notebook: a.ipynb")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "jobs").symlink_to(elsewhere)
    assert "symbolic link" in refused(tmp_path / "project" / "jobs" / "a.yaml")


def test_a_file_that_grows_while_it_is_read_is_read_so_far(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.yaml"
    path.write_text("notebook: a.ipynb\n")
    fstat = os.fstat

    def growing(descriptor: int) -> Any:
        found = fstat(descriptor)
        with path.open("ab") as file:
            file.write(b"#" * 100_000)
        return found

    monkeypatch.setattr(os, "fstat", growing)
    assert "larger than 65,536 bytes" in refused(path)


SEEDS = [
    "notebook: train.ipynb\ncron: '0 6 * * *'\ntimezone: Europe/Prague\ncatch_up: once\nparams: {n: 200}\n",
    "notebook: a/b.ipynb\ntimeout: 3600\ncwd: a\npaused: true\nparams:\n  xs: [1, 2.5, ~, yes]\n  d: 2026-01-01\n",
    "notebook: a.ipynb\ncron: '*/5 8-18 * * mon-fri'\nparams: {a: &a {b: [c, 'd']}, e: *a}\n",
    "# a comment\n---\nnotebook: 'ü.ipynb'\ncron: '@daily'\nparams:\n  text: |\n    two\n    lines\n...\n",
]
PIECES = [
    "[", "]", "{", "}", "&a ", "*a", "<<: *a", "!!int ", "!!float ", "!!timestamp ", "!!python/object:os.x ",
    "!!binary ", "!!set ", "!!omap ", "!!pairs ", "? ", ": ", "- ", "|\n", ">\n", "---\n", "...\n", "%YAML 9.9\n",
    "%TAG ! !\n", "\t", "\0", "\ufeff", "\ud800", '"\\ud800"', '"\\0"', '"\\U0010FFFF"', "0x", "0b", "0o", "1e400", ".inf",
    ".nan", "-.inf", "1:2:3", "9" * 400, "2026-02-30", "2026-13-01 99:99:99", "../", "/", "~", "'", '"', "\\", "\r", "\x85",
    "\u2028", "#", "=", "@", "`", "cron: ", "notebook: ", "params: ", "timeout: ", "cwd: ", "timezone: ", "H ", "R ", "L ",
    "5#5 ", "*/0 ", "*/99999 ", "0-99999999 ", "[" * 50, "{a: " * 50, "- " * 50, "x" * 5000,
]  # fmt: skip


def mutated(source: random.Random) -> bytes:
    """Return a job file with mistakes: pieces put in, cut out, doubled, bytes changed; some are noise."""
    if source.random() < 0.1:
        return source.randbytes(source.randrange(400))
    if source.random() < 0.1:
        return "".join(source.choices(PIECES, k=source.randrange(1, 60))).encode(
            "utf-8", "surrogatepass"
        )
    text = source.choice(SEEDS)
    for _ in range(source.randrange(1, 8)):
        at = source.randrange(len(text) + 1)
        kind = source.randrange(4)
        if kind == 0:
            text = text[:at] + source.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + source.randrange(1, 20) :]
        elif kind == 2:
            text = text[:at] + text[at : at + 30] * source.randrange(2, 20) + text[at:]
        else:
            text = (
                text[:at]
                + chr(source.choice([source.randrange(128), source.randrange(0x3000)]))
                + text[at + 1 :]
            )
    content = text.encode("utf-8", "surrogatepass")
    if source.random() < 0.2 and content:
        at = source.randrange(len(content))
        content = content[:at] + source.randbytes(2) + content[at + 2 :]
    return content


def fuzzed(folder: Path, number: int, seed: int) -> int:
    """Load mutated files; return how many were read as a job."""
    source = random.Random(seed)
    path = folder / "fuzz.yaml"
    read = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for turn in range(number):
        content = mutated(source)
        path.write_bytes(content)
        begun = time.thread_time()
        try:
            job = declarations.load(path)
        except MlopsError as error:
            line = str(error)
        else:
            line = ""
            read += 1
            # What was read can be listed, sent and stored.
            json.dumps(job.model_dump(), allow_nan=True).encode()
            job.next_time()
        assert time.thread_time() - begun < MOST, (turn, content)
        assert line.isprintable(), (turn, content, line)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000, f"{grown} KiB more"
    return read


def test_no_mutated_file_is_more_than_a_line(folder: Path, trials: Trials) -> None:
    read = fuzzed(folder, 5000, seed=1)
    assert 100 < read < 4900, "some must be sound, or only the first check is tried"
    trials("mutated job files, fuzzed", 5000, "one line each, below 1 s")


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_no_mutated_file_is_more_than_a_line_at_length(folder: Path, trials: Trials) -> None:
    fuzzed(folder, 100_000, seed=2)
    trials("mutated job files, fuzzed (long)", 100_000, "one line each, below 1 s")


def test_random_cron_expressions_are_quick_or_refused(trials: Trials) -> None:
    source = random.Random(3)
    from jupyter_mlops.jobs import cron

    where = cron.zone("Europe/Prague")
    taken = 0
    for _ in range(3000):
        if source.random() < 0.5:
            text = "".join(
                source.choices("0123456789*,-/LW#? HR@monfri", k=source.randrange(1, 60))
            )
        else:
            text = " ".join(
                source.choice(
                    ["*", "*", "*", "*", "*/7", f"*/{source.randrange(100)}", str(source.randrange(1, 8)),
                     f"{source.randrange(8)}-{source.randrange(70)}", "L", "5#5", "1,2,3,4,5"]
                )
                for _ in range(source.choice([5, 6]))
            )  # fmt: skip
        begun = time.thread_time()
        try:
            cron.parse(text)
        except ValueError:
            continue
        finally:
            assert time.thread_time() - begun < MOST, text
        taken += 1
        assert cron.following(text, where, NOW) is not None
        cron.previous(text, where, NOW)
        cron.between(text, where, NOW - GRACE, NOW)
        assert time.thread_time() - begun < 3 * MOST, text
    assert taken > 300
    trials("random cron expressions", 3000, "quick, or refused in a line")


def test_the_list_names_each_bad_file_and_shows_the_good_ones(
    project: Project, trials: Trials
) -> None:
    number = hostile.place(project.root / "jobs")
    (project.root / "jobs" / "good.yaml").write_text("notebook: a.ipynb\ncron: '0 6 * * *'")
    listed = jobs.list(project=project)
    by_name = {item.name: item for item in listed}
    assert by_name["good"].status == "scheduled"
    bad = [item for item in listed if item.error]
    assert len(bad) == number
    assert {*hostile.TEXTS, *hostile.THINGS} <= {item.name for item in bad}
    to_json(listed).encode()  # what REST sends
    lines = str(listed).splitlines()
    for name, (_, part) in hostile.TEXTS.items():
        (line,) = [line for line in lines if f"jobs/{name}.yaml" in line]
        assert any(option in line for option in part.split("|"))
    assert len(lines) < number + 10, "each is one line"
    assert "good" in str(listed)
    assert "<p>✗ jobs/deep.yaml" in listed._repr_html_()
    trials("hostile job files in `job list`", number, "each named, the others listed")
