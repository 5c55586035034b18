"""The same server as in the integration tests, on a project with everything in it."""

from __future__ import annotations

import pytest

from jupyter_mlops import trust
from tests.integration.server.conftest import *  # noqa: F403


@pytest.fixture  # type: ignore[no-redef] # in the place of the plugin's
def jp_root_dir(project):
    return project.root


@pytest.fixture(autouse=True)
def _trusted(project, jp_environ):
    """Trust it as the server's user: the server of a test has a data folder of its own."""
    trust.grant(project.root, "trust")
