"""What GitHub, pre-commit and a citation say is what the project does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from jupyter_mlops._version import __version__

ROOT = Path(__file__).parents[2]


def _yaml(name: str):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_pre_commit_runs_the_locked_ruff() -> None:
    locked = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )
    pinned = {
        repo["repo"].rpartition("/")[2].removesuffix("-pre-commit"): repo["rev"].removeprefix("v")
        for repo in _yaml(".pre-commit-config.yaml")["repos"]
    }
    assert pinned["ruff"] == locked["ruff"]
    assert all(version == locked.get(name, version) for name, version in pinned.items())


def test_the_workflow_calls_the_targets_of_ci() -> None:
    targets = re.findall(r"^make (\S+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    jobs = _yaml(".github/workflows/ci.yml")["jobs"]
    assert jobs["make"]["strategy"]["matrix"]["target"] == targets == ["check", "test"]
    assert "make ${{ matrix.target }}" in [step.get("run") for step in jobs["make"]["steps"]]
    assert "make docs" in [step.get("run") for step in jobs["docs"]["steps"]]


def test_the_citation_names_this_version() -> None:
    assert _yaml("CITATION.cff")["version"] == __version__
