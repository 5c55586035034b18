"""Which project a request is about, and what one hears when there is none."""

from __future__ import annotations

import pytest

from jupyter_mlops.errors import UsageError
from jupyter_mlops.server.folders import project_of


@pytest.mark.parametrize("path", ["team/screening", "/team/screening/", "team/screening/a/b.ipynb"])
async def test_the_project_at_or_above_the_folder_answers(ask, project_folder, path):
    status, body = await ask("status", path=path)
    assert status == 200
    assert body["name"] == "screening"
    assert body["path"] == "team/screening"
    assert body["store"] == "embedded"


async def test_a_project_in_the_servers_own_folder_has_an_empty_path(ask, jp_root_dir):
    (jp_root_dir / "mlops.toml").write_text("")
    status, body = await ask("status", path="")
    assert (status, body["path"]) == (200, "")


@pytest.mark.parametrize("route", ["status", "runs", "data", "jobs", "services", "drift"])
async def test_outside_a_project_one_hears_what_to_type(ask, project_folder, route):
    status, body = await ask(route, path="team")
    assert status == 404
    assert body["error"] == "NoProjectHere"
    assert body["what"] == "team is not in a project"
    assert "%mlops init" in body["do"]
    assert set(body) == {"message", "what", "do", "error"}


async def test_a_project_above_the_servers_folder_stays_out_of_reach(ask, jp_root_dir):
    (jp_root_dir.parent / "mlops.toml").write_text('[project]\nname = "secret"\n')
    status, body = await ask("status", path="")
    assert status == 404
    assert "Start JupyterLab in the project's own folder" in body["message"]
    assert "secret" not in str(body)


@pytest.mark.parametrize(
    "path", ["..", "../other", "team/../../other", "team/screening/../../..", "a\\..\\b"]
)
async def test_a_path_never_leads_out(ask, jp_root_dir, project_folder, path):
    (jp_root_dir.parent / "other").mkdir()
    (jp_root_dir.parent / "other" / "mlops.toml").write_text("")
    status, body = await ask("status", path=path)
    assert status == 400
    assert body["error"] == "UsageError"


async def test_an_absolute_path_is_read_as_jupyter_reads_it(ask, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "mlops.toml").write_text("")
    status, _ = await ask("status", path=str(outside))
    assert status == 404


async def test_unreadable_settings_name_the_line(ask, project_folder):
    (project_folder / "mlops.toml").write_text("[project\n")
    status, body = await ask("runs", path="team/screening")
    assert status == 400
    assert body["error"] == "NotAProject"
    assert "cannot be read" in body["what"]


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1001", "1.5"])
async def test_a_limit_that_is_no_number_is_refused(ask, project_folder, limit):
    status, body = await ask("runs", path="team/screening", limit=limit)
    assert status == 400
    assert "limit" in body["message"]


def test_a_path_with_a_zero_byte_is_refused(tmp_path):
    with pytest.raises(UsageError):
        project_of(str(tmp_path), "a\0b")
