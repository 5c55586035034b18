"""`run reproduce` executes what a capsule says, so it says when that is not what this user recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_mlops import runs, trust
from jupyter_mlops.replays.reproduce import reproduce
from jupyter_mlops.runs.capsules import authorship, capsule, manifest

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore")
CELLS = ["%load_ext jupyter_mlops", "rate = 2", "%%mlops run forest\nscore = rate * 3.0\nscore"]


@pytest.fixture
def recorded(project: Project) -> runs.RunDetail:
    """Return a run that was recorded in a real kernel."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=cells), timeout=1200,
        resources={"metadata": {"path": str(project.root)}},
    )  # fmt: skip
    client.execute()
    return runs.get("forest", project=project)


def stored(recorded: runs.RunDetail, project: Project) -> Path:
    """Return the folder of the run's artifacts, as one who may write to the store sees it."""
    info = runs.open_store(project).client.get_run(recorded.run_id).info
    return Path(url2pathname(urlsplit(info.artifact_uri).path))


def warning(recorded: runs.RunDetail, project: Project, *, packages: bool = False) -> str:
    """Return what is said before the stored capsule is executed, and the packages are installed."""
    content = capsule.content(recorded.run_id, recorded.name, project=project)
    installed = manifest.content(recorded.run_id, project=project) if packages else None
    return authorship.warning(recorded, content, installed, project=project)


def test_only_ones_own_run_is_executed_without_a_word(
    recorded: runs.RunDetail, project: Project, trials: Trials, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*, packages: bool = False) -> str:
        return warning(recorded, project, packages=packages)

    assert said() == ""
    assert said(packages=True) == ""
    assert reproduce("forest", project=project).verdict == "reproduced"
    assert "not recorded by you" not in capsys.readouterr().err

    file = stored(recorded, project) / "mlops/capsule.json"
    signature = file.with_name("capsule.json.sig")
    whole, signed = file.read_bytes(), signature.read_bytes()
    changed = json.loads(whole)
    changed["cells"][0]["source"] = "rate = 4"
    tried = 0
    for content, beside in (
        (json.dumps(changed).encode(), signed),
        (whole + b" ", signed),
        (whole[:-1], signed),
        (whole, b""),
        (whole, b"0" * 64),
        (whole, b"\xff\xfe"),
        (whole, signed[:-1]),
        (whole, signed.upper()),
        (json.dumps(changed).encode(), None),
    ):
        file.write_bytes(content)
        signature.unlink(missing_ok=True)
        if beside is not None:
            signature.write_bytes(beside)
        assert "was not recorded by you on this machine" in said()
        assert "with your rights" in said()
        tried += 1
    result = reproduce("forest", project=project)
    assert result.notes[0].startswith("'forest' was not recorded by you")
    assert "was not recorded by you" in capsys.readouterr().err
    trials("changed capsules, or signatures of them", tried, "all named before they ran")


def test_the_packages_of_a_changed_manifest_are_not_installed_without_a_word(
    recorded: runs.RunDetail, project: Project
) -> None:
    file = stored(recorded, project) / "mlops/manifest.json"
    file.write_text(file.read_text().replace("{", '{"indexes": ["http://x"],', 1))
    assert warning(recorded, project) == ""
    assert "its packages are installed" in warning(recorded, project, packages=True)


def test_a_run_of_somebody_else_is_named(
    recorded: runs.RunDetail, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "another-user"))
    trust.grant(project.root, "trust")
    assert "was not recorded by you" in warning(recorded, project)
