"""What every test may ask for: a fresh project, and a private home."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import trust, workspace
from jupyter_mlops.project import Project
from jupyter_mlops.tracking import moved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


#: PostgreSQL, S3 and an MLflow server; the table of faults and attacks; a packaged service.
pytest_plugins = ("tests.team", "tests.trials", "tests.line_service")


@pytest.fixture(autouse=True, scope="session")
def _private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's own git, Jupyter, DVC and BentoML settings out of the tests."""
    home = tmp_path_factory.mktemp("home")
    kept = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("MLOPS_", "MLFLOW_", "JUPYTER_"))]:
        del os.environ[name]
    os.environ |= {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "MPLBACKEND": "agg",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "true",
        "GIT_AUTHOR_NAME": "A Tester",
        "GIT_AUTHOR_EMAIL": "tester@example.org",
        "GIT_COMMITTER_NAME": "A Tester",
        "GIT_COMMITTER_EMAIL": "tester@example.org",
    }
    yield
    os.environ.clear()
    os.environ |= kept


@pytest.fixture(autouse=True)
def _figures_closed() -> Iterator[None]:
    """Close the figures that a test drew: twenty are a warning, and warnings are errors."""
    yield
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close("all")


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one initialised project; making the store takes seconds, a copy of it does not."""
    root = tmp_path_factory.mktemp("template") / "screening"
    workspace.init(str(root))
    return root


_MAIN = sys.modules["__main__"]


@pytest.fixture(autouse=True)
def _main_restored() -> Iterator[None]:
    """Put the module `__main__` back: an IPython shell replaces it, and new processes are made from it.

    A shell that a whole module shares keeps its own while its tests run.
    """
    main = sys.modules["__main__"]
    ipython = sys.modules.get("IPython.core.interactiveshell")
    if ipython is None or not ipython.InteractiveShell.initialized():
        main = sys.modules["__main__"] = _MAIN
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True)
def _stores_closed(tmp_path: Path) -> Iterator[None]:
    """Close the stores that MLflow keeps open: hundreds of projects need more files than a process has."""
    yield
    for name in ("tracking", "model_registry"):
        if module := sys.modules.get(f"mlflow.store.{name}.sqlalchemy_store"):
            for uri, engine in list(module.SqlAlchemyStore._engine_map.items()):
                if str(tmp_path) in uri:
                    engine.dispose()


@pytest.fixture
def project(_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return an initialised temporary project (git, DVC, sqlite store), the working folder in it."""
    root = tmp_path / "screening"
    subprocess.run(["cp", "-r", str(_template), str(root)], check=True)
    trust.grant(root, "init")  # as `init` would have, had it been run here
    monkeypatch.chdir(root)
    made = Project.find(root)
    moved.follow(made)  # its store was the template's
    return made
