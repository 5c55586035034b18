"""A link in an added folder that leads out of the project is named before its content is versioned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import data

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from jupyter_mlops.project import Project
    from tests.trials import Trials


def test_links_that_lead_out_are_named(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], trials: Trials
) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_text("key")
    folder = project.root / "images"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").symlink_to("a.txt")
    data.add([str(folder)], project=project)
    assert "out of the project" not in capsys.readouterr().err
    (folder / "deep" / "c.txt").symlink_to(secret)
    data.add([str(folder)], project=project)
    said = capsys.readouterr().err
    assert f"a link leads out of the project (images/deep/c.txt → {secret})" in said
    (folder / "d.txt").symlink_to(secret)
    data.add([str(folder)], project=project)
    assert "2 links lead out of the project" in capsys.readouterr().err
    trials("links in an added folder that lead out", 3, "each named")
