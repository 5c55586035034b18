"""What the attacks on the store of runs share with those on trust."""

from tests.security.trust.conftest import listener  # noqa: F401 - a fixture
