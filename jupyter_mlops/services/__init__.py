"""Services: a run's model packaged as a Bento, answering on a port, with a log of what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.services.asking import predict, test
    from jupyter_mlops.services.building import build
    from jupyter_mlops.services.prediction_log import log, predictions
    from jupyter_mlops.services.records import Answer, Logged, Parity, Service
    from jupyter_mlops.services.running import get, list, start, stop

_HOME = {
    "Answer": "records",
    "Logged": "records",
    "Parity": "records",
    "Service": "records",
    "build": "building",
    "get": "running",
    "list": "running",
    "log": "prediction_log",
    "predict": "asking",
    "predictions": "prediction_log",
    "start": "running",
    "stop": "running",
    "test": "asking",
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
