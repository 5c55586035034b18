"""What `%load_ext jupyter_mlops` costs in a fresh interpreter, beside `%load_ext` of mlflow's import."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

REPEATS = 5
_LOAD = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
started = time.perf_counter()
{code}
print(time.perf_counter() - started)
"""


def measure() -> dict[str, object]:
    """Return milliseconds (medians of five fresh interpreters)."""
    return {
        "title": "import jupyter_mlops and %load_ext",
        "unit": "ms",
        "ours": _cost("shell.run_line_magic('load_ext', 'jupyter_mlops')"),
        "peer": _cost("import mlflow; mlflow.autolog(silent=True)"),
        "peer_name": "import mlflow and autolog()",
        "repeats": REPEATS,
    }


def _cost(code: str) -> float:
    took = []
    for _ in range(REPEATS + 1):
        done = subprocess.run(
            [sys.executable, "-c", _LOAD.format(code=code)],
            capture_output=True,
            text=True,
            check=True,
        )
        took.append(float(done.stdout.split()[-1]) * 1000)
    return statistics.median(took[1:])


if __name__ == "__main__":
    print(json.dumps(measure()))
