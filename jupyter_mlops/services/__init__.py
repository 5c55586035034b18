"""Services: a run's model packaged as a Bento, answering on a port, with a log of what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.services.builder import build
    from jupyter_mlops.services.lifecycle import get, list, start, stop
    from jupyter_mlops.services.prediction_log import log, predictions
    from jupyter_mlops.services.records import Answer, Logged, Parity, Service
    from jupyter_mlops.services.requests import predict, test

_HOME = {
    "Answer": "records",
    "Logged": "records",
    "Parity": "records",
    "Service": "records",
    "build": "builder",
    "get": "lifecycle",
    "list": "lifecycle",
    "log": "prediction_log",
    "predict": "requests",
    "predictions": "prediction_log",
    "start": "lifecycle",
    "stop": "lifecycle",
    "test": "requests",
}

__all__ = [
    "Answer",
    "Logged",
    "Parity",
    "Service",
    "build",
    "get",
    "list",
    "log",
    "predict",
    "predictions",
    "start",
    "stop",
    "test",
]

__getattr__ = lazy.attributes(__name__, _HOME)
