"""A project is a folder with an mlops.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlops import files
from jupyter_mlops.errors import Conflict, MlopsError, NotAProject, nearest
from jupyter_mlops.project import Project


def _settings(folder: Path, text: str) -> Project:
    (folder / "mlops.toml").write_text(text)
    return Project.find(folder)


def test_a_project_is_found_from_a_folder_below_it(tmp_path: Path) -> None:
    _settings(tmp_path, '[project]\nname = "screening"\n')
    inner = tmp_path / "notebooks" / "old"
    inner.mkdir(parents=True)
    found = Project.find(inner)
    assert (found.root, found.name) == (tmp_path, "screening")


def test_no_project_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(NotAProject, match=r"%mlops init"):
        Project.find(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[projct]\n", "unknown section 'projct'.*Did you mean 'project'"),
        ("[gate]\naccuracy = 0.9\n", r"gate.accuracy = 0.9 is not a bound"),
        ('[gate]\nagaints = "champion"\n', r"'champion' is not a bound.*'against'"),
        ('[gate]\nmargin = "wide"\n', r"gate.margin must be a float"),
        ('[tracking]\nurl = "x"\n', r"unknown key in \[tracking\] 'url'.*'uri'"),
        ("[jobs]\nworkers = 'two'\n", "jobs.workers must be a int"),
        ("[jobs]\nworkers = true\n", "jobs.workers must be a int"),
        ("project = 3\n", "project must be a section"),
        ("[project\n", "cannot be read"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(NotAProject, match=message) as raised:
        _settings(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_the_environment_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_TRACKING_URI", "http://localhost:5000")
    monkeypatch.setenv("MLOPS_JOBS_WORKERS", "7")
    settings = _settings(tmp_path, '[tracking]\nuri = "sqlite:///other.db"\n').settings
    assert settings.tracking.uri == "http://localhost:5000"
    assert settings.jobs.workers == 7


def test_an_error_shows_as_one_line_without_a_traceback() -> None:
    error = MlopsError("No file x", "Check the path")
    assert error._render_traceback_() == ["mlops: No file x. Check the path"]


def test_the_nearest_word_is_offered_only_when_it_is_near() -> None:
    assert nearest("lst", ["list", "show"]) == "Did you mean 'list'?"
    assert nearest("zzz", ["list", "show"]) == ""


def test_a_file_is_replaced_whole_and_leaves_no_scratch(tmp_path: Path) -> None:
    target = tmp_path / "inner" / "file.json"
    files.replace(target, "one")
    files.replace(target, b"two")
    assert target.read_text() == "two"
    assert [item.name for item in target.parent.iterdir()] == ["file.json"]


def test_a_held_lock_is_reported_after_its_timeout(tmp_path: Path) -> None:
    held = tmp_path / "a.lock"
    program = (
        "import sys, pathlib; from jupyter_mlops import files\n"
        "with files.locked(pathlib.Path(sys.argv[1])): print(flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(held)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"\n"
        with (
            pytest.raises(Conflict, match=r"Another process has held a\.lock"),
            files.locked(held, timeout=0.2),
        ):
            pass
    finally:
        holder.communicate()
    with files.locked(held, timeout=5):
        pass


def test_a_gate_has_a_bound_for_each_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlops.toml").write_text(
        '[gate]\naccuracy = ">= 0.9"\n"val loss" = "<1e-3"\nagainst = "champion"\nmargin = 1\n'
    )
    monkeypatch.setenv("MLOPS_GATE_ACCURACY", "> 0.95")
    gate = Project.find(tmp_path).settings.gate
    assert gate.bounds == (("accuracy", "> 0.95"), ("val loss", "<1e-3"))
    assert (gate.against, gate.margin, gate.data) == ("champion", 1.0, "")
    assert hash(Project.find(tmp_path).settings)
