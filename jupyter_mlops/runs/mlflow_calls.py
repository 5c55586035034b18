"""Plain MLflow calls in a recorded cell write to its run; the user's own runs stay separate.

MLflow keeps the open runs of a thread in a list. During a recorded cell our own list replaces it. It
contains the recorded run, so `mlflow.log_metric` finds that run. Only the recorder removes the run
from the list. So in a recorded cell

- `with mlflow.start_run():` starts a run of the user, a child of the recorded run. It needs no
  `nested=True`, because without us no run would be open; a second one needs it, as usual;
- `mlflow.end_run()` ends the user's run, never the recorded run;
- `mlflow.set_experiment` sets the experiment of the user's runs, not of the recorded run;
- a run that was open before the cell stays open, and is the recorded run's parent.

A patch of `mlflow.start_run` would not reach code that imported it by name; the list and the default
of `nested` do. Both are private in MLflow: a test checks them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, SupportsIndex

from jupyter_mlops.tracking.mlflow_import import import_mlflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project
    from jupyter_mlops.tracking.store import Store


class OpenRuns(list[Any]):
    """MLflow's list of a thread's open runs, with a recorded run that only the recorder removes.

    `used` says whether a call asked for an open run: only then can the run hold values that are not
    ours. `model_logged` says whether a model was logged into it.
    """

    def __init__(self, before: list[Any], recorded: Any, uri: str) -> None:
        super().__init__([*before, recorded])
        self.recorded = recorded
        self.uri = uri
        self.ours = [recorded, *getattr(before, "ours", ())]
        self.used = False

    def __getitem__(self, index: Any) -> Any:
        """Return an open run; MLflow logs into the last one."""
        self.used = True
        return super().__getitem__(index)

    def pop(self, _index: SupportsIndex = -1) -> Any:
        """Remove and return the user's last run; if there is none, return the recorded run."""
        runs = self.users_runs()
        if not runs:
            return (
                self.recorded
            )  # `end_run` sets FINISHED; the recorder sets the final status at the end
        return super().pop(max(i for i, run in enumerate(self) if run is runs[-1]))

    def users_runs(self) -> list[Any]:
        """Return the open runs that the user began."""
        return [run for run in self if all(run is not one for one in self.ours)]

    @property
    def model_logged(self) -> bool:
        """Whether the user, or an autolog, logged a model into the recorded run."""
        return bool(self.recorded.outputs and self.recorded.outputs.model_outputs)


@contextmanager
def lands_in(run: Any, store: Store) -> Iterator[OpenRuns]:
    """In the block, plain `mlflow.log_*` calls of this thread write to `run` (an MLflow run)."""
    mlflow = import_mlflow()
    uri = store.uri
    users_uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else ""
    mlflow.set_tracking_uri(uri)
    # A job sets this variable for plain MLflow calls; it must not apply to the recorded run.
    inherited = os.environ.pop("MLFLOW_RUN_ID", None)
    open_runs = _open_runs()
    before = open_runs.get()
    stack = OpenRuns(before, mlflow.ActiveRun(run), uri)
    open_runs.set(stack)
    _prepare()
    try:
        yield stack
    finally:
        before[:] = [one for one in stack if one is not stack.recorded]
        open_runs.set(before)
        if inherited:
            os.environ["MLFLOW_RUN_ID"] = inherited  # ending a run removes it
        # A run that the cell left open is in our store, and the next cell logs to it.
        if mlflow.get_tracking_uri() == uri and not stack.users_runs():
            mlflow.set_tracking_uri(users_uri or store.project.tracking_uri)


def parent(project: Project) -> str:
    """Return the id of this thread's open run in the project's store; empty if there is none."""
    mlflow = import_mlflow()
    stack = _open_runs().get()
    same = mlflow.is_tracking_uri_set() and mlflow.get_tracking_uri() == project.tracking_uri
    return str([*stack][-1].info.run_id) if stack and same else ""


def autologs_models() -> bool:
    """Whether `mlflow.autolog()` logs the models of scikit-learn."""
    from mlflow.utils.autologging_utils import autologging_is_disabled, get_autologging_config

    on = not autologging_is_disabled("sklearn")
    return on and bool(get_autologging_config("sklearn", "log_models", False))


def _open_runs() -> Any:
    """Return MLflow's variable that holds each thread's list of open runs."""
    return import_mlflow().tracking.fluent._active_run_stack  # noqa: SLF001


class _Recorded:
    """MLflow's default experiment for the user's runs: that of the recorded run."""

    def in_context(self) -> bool:
        """Whether a cell is being recorded in this thread, into the store that MLflow uses now."""
        mlflow = import_mlflow()
        stack = _open_runs().get()
        return isinstance(stack, OpenRuns) and stack.uri == mlflow.get_tracking_uri()

    def get_experiment_id(self) -> str:
        """Return the recorded run's experiment."""
        stack = _open_runs().get()
        return str(stack.recorded.info.experiment_id)


class _NestedDefault:
    """The default of `start_run(nested=…)`: true if the recorded run is the only open run."""

    def __bool__(self) -> bool:
        stack = _open_runs().get()
        return isinstance(stack, OpenRuns) and not stack.users_runs()

    def __repr__(self) -> str:
        return "False"


def _prepare() -> None:
    """Set MLflow's default of `nested` and its default experiment, once; no effect outside a recorded cell."""
    import inspect

    start_run = import_mlflow().tracking.fluent.start_run
    parameters = inspect.signature(start_run).parameters
    if isinstance(parameters["nested"].default, _NestedDefault):
        return
    start_run.__defaults__ = tuple(
        _NestedDefault() if name == "nested" else parameter.default
        for name, parameter in parameters.items()
    )
    from mlflow.tracking.default_experiment import registry

    registry._default_experiment_provider_registry.register(_Recorded)  # noqa: SLF001
