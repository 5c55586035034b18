"""MLflow, imported with the settings that we need."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

from jupyter_mlops.progress import say

_MLFLOW = {
    # MLflow reports usage unless told otherwise; a user who wants that can set it to false.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A bar for each of a model's small files says nothing and fills the output.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Two lines with the server's address say nothing either, and may have a password in them.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that is gone is asked for seconds; MLflow's own defaults freeze a cell for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


#: Held while MLflow creates or migrates its tables: alembic keeps the connection of a migration in
#: global variables, so two threads that migrate two stores run statements in each other's.
MIGRATING = threading.Lock()


def import_mlflow() -> Any:
    """Import MLflow; the first time takes seconds when its bytecode is not cached."""
    started = time.monotonic()
    for name, value in _MLFLOW.items():
        os.environ.setdefault(name, value)
    import mlflow  # not from sys.modules: another thread may be in the middle of importing it

    for name in ("alembic", "mlflow.store.db.utils"):
        # It logs a traceback for each error that it raises too. Setting a level makes every logger
        # of the process forget what it knows, so not each time.
        if (logger := logging.getLogger(name)).level != logging.CRITICAL:
            logger.setLevel(logging.CRITICAL)
    if (took := time.monotonic() - started) > 5:
        say(f"MLflow loaded in {took:.0f} s (once for each process)")
    return mlflow
