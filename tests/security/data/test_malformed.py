"""A malformed `.dvc` file, `dvc.lock` or `.dvc/config` is one line or one row, and hides nothing else."""

from __future__ import annotations

import os
import random
import subprocess
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import data
from jupyter_mlops.data.cache import _cache_of
from jupyter_mlops.errors import MlopsError
from tests.security.data import hostile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
_GOOD = f"outs:\n- md5: {hostile.GOOD}\n  size: 4\n  hash: md5\n  path: good.csv\n"
_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(20)
)
_MERGES = "a: &a {x: 1}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)}\n  <<: [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n"
    for i in range(20)
)
_TEXTS = [
    "", " ", "\n", "outs:", "outs: []", "outs: {}", "outs: [[]]", "outs: [1]", "outs: x", "outs: {0: {md5: a, path: b}}",
    "outs:\n- md5: a", "outs:\n- path: a", "- outs", "x", "1", "null", "[]", "{}", "---\n---\n", "outs: *x", "outs: &x [*x]",
    "!!python/object/apply:os.system ['touch ESCAPED']", "outs: !!python/name:os.system", "? [1]\n: 2", "\t", "%YAML 9.9\n---\nx",
    _LAUGHS, _MERGES, "[" * 200_000, "{a: " * 100_000, "a:\n" + " - " * 5_000, "x: " + "9" * 300_000, "x: 1" + ":1" * 40_000,
    "x: 1" + ":1" * 40_000 + ".5", "x: 2001-99-99", "x: 0x" + "f" * 90_000, "x: .inf", "x: !!int a", "x: !!binary =", "x: !!set [1]",
    "x: !!timestamp 9", "x: !!omap {a: b}", "\ufeffouts", "outs: \x07", "outs: 'a", 'outs: "\\ud800"', "x" * 5_000_000,
    "a: 1\n" * 1_000_000, _GOOD.replace("size: 4", "size: -1"), _GOOD.replace("size: 4", "size: x"), _GOOD.replace("size: 4", "size: .nan"),
    _GOOD.replace("size: 4", "size: .inf"), _GOOD.replace("size: 4", "size: 1" + "0" * 400), _GOOD.replace("size: 4", "size: [4]"),
    _GOOD.replace("size: 4", "size: true"), _GOOD.replace("size: 4", "nfiles: {}"), _GOOD + "wdir: ..\n", _GOOD + "wdir: /\n",
    _GOOD.replace("path: good.csv", "path: a/../b.csv"), _GOOD.replace("path: good.csv", "path: 2001-01-01"), _GOOD + "<<: 1\n",
]  # fmt: skip


def _plant(file: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "link to nothing":
        file.symlink_to("nothing")
    elif kind == "link to itself":
        file.symlink_to(file.name)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        file.symlink_to("/dev/tty")


_KINDS = ["fifo", "folder", "link to nothing", "link to itself", "device", "terminal"]


@pytest.fixture
def good(project: Project) -> Path:
    """Return the version file of a file that is as it should be."""
    (project.root / "good.csv").write_text("a\n1\n")
    data.add(["good.csv"], project=project)
    return project.root / "good.csv.dvc"


def _is_one_row(project: Project, text: object) -> None:
    rows = {row.path: row for row in data.list(project=project)}
    assert rows["good.csv"].status == "ok"
    assert set(rows) == {"good.csv", "bad.dvc"}, text
    assert rows["bad.dvc"].status == "unreadable", text
    assert rows["bad.dvc"].detail.startswith("bad.dvc"), rows["bad.dvc"].detail
    assert len(rows["bad.dvc"].detail) < 300
    for verb in (data.checkout, data.push):
        with pytest.raises(MlopsError, match=r"bad\.dvc"):
            verb(project=project)
    data.checkout(["good.csv"], force=True, project=project)
    assert [row.path for row in data.status(project=project)] == ["bad.dvc"]


def test_each_malformed_version_file_is_one_row(
    project: Project, good: Path, trials: Trials
) -> None:
    for text in _TEXTS:
        (project.root / "bad.dvc").write_text(text, errors="surrogatepass")
        _is_one_row(project, text[:60])
    assert not (project.root / "ESCAPED").exists()
    trials("malformed .dvc files", len(_TEXTS), "one row each")


def test_an_origin_that_is_no_text_is_none(project: Project, good: Path) -> None:
    text = good.read_text() + f"deps:\n- path: 0x{'f' * 9000}\n"
    good.write_text(text)
    (row,) = data.list(project=project)
    assert row.path == "good.csv"
    assert row.to_json()


def test_a_folder_whose_name_is_no_text_is_listed(project: Project, good: Path) -> None:
    folder = project.root / os.fsdecode(b"\xfe")
    folder.mkdir()
    (folder / "x.dvc").write_text(good.read_text().replace("good.csv", "x"))
    assert "udcfe/x" in data.list(project=project).to_json()


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_no_file_is_one_row_and_not_waited_for(
    project: Project, good: Path, kind: str
) -> None:
    _plant(project.root / "bad.dvc", kind)
    _is_one_row(project, kind)


@pytest.mark.parametrize("count", [150, pytest.param(3_000, marks=pytest.mark.slow)])
def test_a_version_file_damaged_anywhere_is_one_row(
    project: Project, good: Path, count: int, trials: Trials
) -> None:
    drawn = random.Random(11)
    whole = good.read_bytes()
    for _ in range(count):
        damaged = bytearray(whole)
        for _ in range(drawn.randrange(1, 5)):
            place = drawn.randrange(len(damaged))
            damaged[place : place + drawn.randrange(3)] = drawn.randbytes(drawn.randrange(3))
        (project.root / "bad.dvc").write_bytes(damaged)
        rows = data.list(project=project)
        # Damaged where it does not matter, it still names a file.
        assert 1 <= len(rows) <= 2, damaged
        for row in rows:
            assert row.status in {"ok", "changed", "missing", "not in cache", "unreadable"}
            str(row)
    trials("version files damaged at random places", count, "a row each")


@pytest.mark.parametrize("name", ["bad.dvc", "sub/dvc.lock", "dvc.lock"])
@pytest.mark.parametrize("kind", [*_KINDS[:1], *_KINDS[4:5]])
def test_gc_deletes_nothing_if_a_file_that_names_versions_cannot_be_read(
    project: Project, good: Path, name: str, kind: str
) -> None:
    (project.root / name).parent.mkdir(exist_ok=True)
    _plant(project.root / name, kind)
    before = data.held(project=project)
    with pytest.raises(MlopsError, match="Nothing was deleted"):
        data.gc(yes=True, older=0, project=project)
    assert data.held(project=project) == before


@pytest.mark.parametrize(
    "quoted",
    ["md5: {}", "md5: '{}'", '"md5": "{}"', "{{md5: {}}}", "md5:\n    {}", "md5: !!str {}"],
)
def test_gc_keeps_a_version_however_yaml_writes_it(project: Project, quoted: str) -> None:
    (project.root / "x.csv").write_text("a\n1\n")
    version = data.version("x.csv", project=project).version
    (project.root / "dvc.lock").write_text(
        "stages:\n  a:\n    outs:\n  - " + quoted.format(version)
    )
    assert len(data.gc(yes=True, older=0, project=project)) == 0


_SETTINGS: list[bytes] = [
    b"[", b"[[[[", b"x", b"[core", b"[core]\nremote", b"[core]\nremote = 1\nx = ", b"\xff\xfe\x00", b"\0" * 100, b"[cache]\ndir = 1\ntype = x\n",
    b"['remote \"a\"']\nurl =\n", b"[remote]\n", b"[core]\nautostage = maybe\n", b"[a]\nb = c\n", b"[" * 100_000, b"=" * 50,
    b"x = 1\n" * 300_000, b"[core]\nchecksum_jobs = -1\n", b"[core]\nsite_cache_dir = \0\n", b"[cache]\ndir = \0\n", b'["remote"]\n',
    b"[cache]\nlocal = nowhere\n", b"[core]\nremote = ''' \n", b"[db]\npassword = 1\n[core]\nno_scm = 3\n",
]  # fmt: skip


def _each_verb_says_it(project: Project) -> int:
    verbs: list[Callable[[], object]] = [
        lambda: data.list(project=project),
        lambda: data.status(project=project),
        lambda: data.checkout(project=project),
        lambda: data.add(["good.csv"], project=project),
        lambda: data.push(remote="remote", project=project),
        lambda: data.pull(remote="remote", project=project),
        lambda: data.gc(yes=True, project=project),
        lambda: data.version("good.csv", project=project),
    ]
    said = 0
    for verb in verbs:
        _cache_of.cache_clear()
        data.cache._known.clear()
        try:
            verb()
        except MlopsError as error:
            said += 1
            text = str(error)
            assert "\n" not in text, text
    return said


def test_malformed_settings_of_dvc_are_one_line(
    project: Project, good: Path, trials: Trials
) -> None:
    config = project.root / ".dvc" / "config"
    for name in ("config", "config.local"):
        for content in _SETTINGS:
            whole = config.read_bytes()
            (project.root / ".dvc" / name).write_bytes(content)
            _each_verb_says_it(project)
            (project.root / ".dvc" / name).unlink()
            config.write_bytes(whole)
    trials("malformed settings of DVC, through 8 verbs", 2 * len(_SETTINGS), "no traceback")


@pytest.mark.parametrize("kind", _KINDS)
def test_settings_of_dvc_that_are_no_file(project: Project, good: Path, kind: str) -> None:
    config = project.root / ".dvc" / "config.local"
    _plant(config, kind)
    if kind != "link to nothing":
        assert _each_verb_says_it(project) == 8


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"",
        b"[",
        b"[" * 100_000,
        b"\xff",
        b'{"read": [1], "write": 7}',
        b'{"read": {"a": [{"pid": []}]}}',
        b'{"read": {}, "write": {"a": {"pid": 1e400}}}',
    ],
)
def test_a_malformed_lock_file_of_dvc(project: Project, good: Path, content: bytes) -> None:
    place = project.root / ".dvc" / "tmp" / "rwlock"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    data.add(["good.csv"], project=project)


def test_a_lock_file_of_dvc_that_is_a_fifo_or_a_link(
    project: Project, good: Path, outside: Path
) -> None:
    place = project.root / ".dvc" / "tmp" / "rwlock"
    place.parent.mkdir(exist_ok=True)
    os.mkfifo(place)
    with pytest.raises(MlopsError, match="rwlock"):
        data.add(["good.csv"], project=project)
    place.unlink()
    (outside / "other").write_text('{"read": {}, "write": {"a": {"pid": 999999999, "cmd": "x"}}}')
    before = hostile.seen(outside)
    place.symlink_to(outside / "other")
    data.add(["good.csv"], project=project)
    assert hostile.seen(outside) == before


def test_data_that_is_no_file_is_not_waited_for(project: Project, good: Path) -> None:
    os.mkfifo(project.root / "pipe")
    (project.root / "images").mkdir()
    os.mkfifo(project.root / "images" / "pipe")
    for name in ("pipe", "images"):
        with pytest.raises(MlopsError):
            data.add([name], project=project)
        with pytest.raises(MlopsError):
            data.version(name, project=project)
    for name in ("pipe", "images"):
        text = good.read_text().replace("path: good.csv", f"path: {name}")
        (project.root / f"{name}.dvc").write_text(text)
    rows = {row.path: row.status for row in data.list(project=project)}
    assert rows == {"good.csv": "ok", "pipe.dvc": "unreadable", "images.dvc": "unreadable"}


def test_folders_without_end_are_walked(project: Project, good: Path) -> None:
    folder = project.root
    for _ in range(1_100):
        folder = folder / "d"
        if len(str(folder)) > 3_900:
            break
        folder.mkdir()
    try:
        assert [row.path for row in data.list(project=project)] == ["good.csv"]
    finally:
        # Python's own removal of the test's folder would end in its recursion limit.
        subprocess.run(["rm", "-rf", project.root / "d"], check=True)


@pytest.mark.parametrize(
    "text", ["\0", "a\0b", "x" * 300, "x/" * 3_000, "\ud800", "", ".", "..", "-x", "\n"]
)
def test_what_a_user_types_is_one_line(project: Project, good: Path, text: str) -> None:
    for verb in (data.add, data.checkout, data.push, data.pull):
        with pytest.raises(MlopsError) as raised:
            verb([text], project=project)
        assert str(raised.value).isprintable()
    for given in ((text,), ("good.csv", text), (f"good.csv@{text}",), (f"{text}@HEAD",)):
        if given == ("good.csv", ""):
            continue
        with pytest.raises(MlopsError):
            data.diff(*given, project=project)
    with pytest.raises(MlopsError):
        data.cached(text, project=project)
