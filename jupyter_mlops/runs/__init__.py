"""The noun `run`: one execution of a cell or a notebook, with what is needed to do it again.

Importing this loads nothing heavy; MLflow is loaded by the first verb that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import lazy

if TYPE_CHECKING:
    from jupyter_mlops.runs.capsules.exporting import export
    from jupyter_mlops.runs.cell import record_cell
    from jupyter_mlops.runs.comparing.differences import compare
    from jupyter_mlops.runs.evaluation.evaluating import evaluate
    from jupyter_mlops.runs.evaluation.evaluation_records import Evaluation, Gate
    from jupyter_mlops.runs.evaluation.gating import gate
    from jupyter_mlops.runs.evaluation.promoting import promote
    from jupyter_mlops.runs.explaining.explanation import Explanation
    from jupyter_mlops.runs.explaining.why import why
    from jupyter_mlops.runs.listing import list, parts
    from jupyter_mlops.runs.models.loading import (
        load_model,
        load_weights,
        model_files,
        signature,
        training_data,
    )
    from jupyter_mlops.runs.models.registry import list_models, register
    from jupyter_mlops.runs.query import artifact, get, show
    from jupyter_mlops.runs.recording import ActiveRun, start
    from jupyter_mlops.runs.records import Comparison, ModelVersion, Run, RunDetail
    from jupyter_mlops.runs.replays.reproducing import reproduce
    from jupyter_mlops.runs.replays.reproduction import Reproduction
    from jupyter_mlops.runs.stores.sending import send_waiting, sync
    from jupyter_mlops.runs.stores.store import open_store
    from jupyter_mlops.runs.trash import delete, restore

_HOME = {
    "ActiveRun": "recording",
    "Comparison": "records",
    "Evaluation": "evaluation.evaluation_records",
    "Explanation": "explaining.explanation",
    "Gate": "evaluation.evaluation_records",
    "ModelVersion": "records",
    "Reproduction": "replays.reproduction",
    "Run": "records",
    "RunDetail": "records",
    "artifact": "query",
    "compare": "comparing.differences",
    "delete": "trash",
    "evaluate": "evaluation.evaluating",
    "export": "capsules.exporting",
    "gate": "evaluation.gating",
    "get": "query",
    "list": "listing",
    "list_models": "models.registry",
    "load_model": "models.loading",
    "load_weights": "models.loading",
    "model_files": "models.loading",
    "open_store": "stores.store",
    "parts": "listing",
    "promote": "evaluation.promoting",
    "record_cell": "cell",
    "register": "models.registry",
    "reproduce": "replays.reproducing",
    "restore": "trash",
    "send_waiting": "stores.sending",
    "show": "query",
    "signature": "models.loading",
    "start": "recording",
    "sync": "stores.sending",
    "training_data": "models.loading",
    "why": "explaining.why",
}
__all__ = [
    "ActiveRun",
    "Comparison",
    "Evaluation",
    "Explanation",
    "Gate",
    "ModelVersion",
    "Reproduction",
    "Run",
    "RunDetail",
    "artifact",
    "compare",
    "delete",
    "evaluate",
    "export",
    "gate",
    "get",
    "list",
    "list_models",
    "load_model",
    "load_weights",
    "model_files",
    "open_store",
    "parts",
    "promote",
    "record_cell",
    "register",
    "reproduce",
    "restore",
    "send_waiting",
    "show",
    "signature",
    "start",
    "sync",
    "training_data",
    "why",
]

__getattr__ = lazy.attributes(__name__, _HOME)
