"""Importing is free: what is heavy waits for its first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "mlflow",
    "dvc",
    "papermill",
    "bentoml",
    "evidently",
    "pandas",
    "numpy",
    "torch",
    "sklearn",
    "dbos",
    "anywidget",
    "pydantic",
)


def _loaded_after(code: str) -> set[str]:
    program = (
        f"import sys\n{code}\nprint(*sorted(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import jupyter_mlops",
        "from jupyter_mlops import runs, data, jobs, services, drift, widgets",
        "import jupyter_mlops.cli",
        "from jupyter_mlops.magics import parser; parser.nouns(); parser.root_verbs()",
        (
            "from IPython.core.interactiveshell import InteractiveShell as S\n"
            "S.instance().run_line_magic('load_ext', 'jupyter_mlops')"
        ),
    ],
)
def test_nothing_heavy_is_loaded_by(code: str) -> None:
    assert _loaded_after(code) == set()


def test_the_check_itself_sees_a_heavy_import() -> None:
    assert "pydantic" in _loaded_after("import jupyter_mlops.records")
