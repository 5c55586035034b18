"""A real Jupyter Server with the extension, for these tests only: its fixtures are autouse."""

from __future__ import annotations

import json

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403
from tornado.httpclient import HTTPClientError

from jupyter_mlops import trust


@pytest.fixture  # type: ignore[no-redef] # in the place of the plugin's
def jp_server_config():
    return {"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}}}


@pytest.fixture
def project_folder(jp_root_dir, jp_environ):
    """A project inside the folder that the server shows."""
    folder = jp_root_dir / "team" / "screening"
    folder.mkdir(parents=True)
    (folder / "mlops.toml").write_text('[project]\nname = "screening"\n')
    trust.grant(folder, "trust")
    return folder


@pytest.fixture
def ask(jp_fetch):
    """Ask a route; returns the status and the body's JSON."""

    async def fetch(route, **params):
        try:
            response = await jp_fetch("mlops", "api", *route.split("/"), params=params)
        except HTTPClientError as error:
            return error.code, json.loads(error.response.body if error.response else b"null")
        return response.code, json.loads(response.body)

    return fetch
