"""The same server as in the integration tests."""

from __future__ import annotations

import pytest

from tests.integration.server.conftest import *  # noqa: F403


@pytest.fixture
def jp_root_dir(project):
    return project.root
