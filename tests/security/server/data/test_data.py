"""What a hostile repository makes the routes answer: rows and lines, never a 500."""

from __future__ import annotations

import os

import pytest


async def test_bad_version_files_are_rows(ask, project, trials):
    texts = [
        "outs: [{md5: ../../x, path: a}]",
        "outs: [{md5: 1, path: a/b}]",
        "[",
        "outs",
        "outs: *x",
        "a: " + "9" * 9_000,
    ]
    texts += [
        f"outs: [{{md5: {'0' * 32}, path: {path}}}]"
        for path in ("../x", "/etc/passwd", ".git/config", "a/../../b", "7")
    ]
    for number, text in enumerate(texts):
        (project.root / f"{number}.dvc").write_text(text)
    (project.root / "folder.dvc").mkdir()
    os.mkfifo(project.root / "fifo.dvc")
    status, rows = await ask("data")
    assert status == 200
    assert {row["status"] for row in rows} == {"unreadable"}
    assert len(rows) == len(texts) + 2
    assert all(row["detail"] for row in rows)
    trials("bad version files behind REST", len(rows), "one row each")


@pytest.mark.parametrize("content", ["[", "[core]\nremote", "\0", "[cache]\ntype = x"])
async def test_bad_settings_of_dvc_are_the_users_to_mend(ask, project, content):
    (project.root / "x.dvc").write_text(f"outs: [{{md5: {'0' * 32}, path: x}}]")
    (project.root / ".dvc" / "config").write_text(content)
    status, body = await ask("data")
    assert 400 <= status < 500
    assert "config" in body["message"]


@pytest.mark.parametrize(
    "run",
    ["q'uote", "%", "a%00b", "..", "'", '"', "\\", "%2e%2e%2f", "é", "x" * 500, "' or '1'='1"],
)
async def test_runs_of_any_name_are_asked_for(ask, project, run):
    from urllib.parse import quote

    for noun in ("runs", "drift"):
        status, body = await ask(f"{noun}/{quote(run, safe='')}")
        assert status == 404, body
