"""Plain MLflow calls in a recorded cell: they land in its run, and the user's own runs stay theirs.

MLflow keeps the open runs of a thread in a list. While a cell is recorded that list is one of ours:
the recorded run lies in it, so that `mlflow.log_metric` finds it, and only its recorder takes it
out. So in a recorded cell

- `with mlflow.start_run():` begins a run of the user's own, a child of the recorded one. It needs no
  `nested=True`, because without us no run would be open; a second one needs it, as ever;
- `mlflow.end_run()` ends the user's run, and never the recorded one;
- `mlflow.set_experiment` decides where the user's own runs go; the recorded one stays where it is;
- a run that was open before the cell is open after it, and is the recorded run's parent.

Patching `mlflow.start_run` would miss whoever imported it by name; the list and the default of
`nested` do not. Both are private: a test holds them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, SupportsIndex

from jupyter_mlops.tracking.loading import import_mlflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project
    from jupyter_mlops.tracking.store import Store


class Open(list[Any]):
    """MLflow's list of a thread's open runs, with a recorded run that only we take out.

    `used` tells whether anybody asked for an open run: only then can the run hold what we did not
    put there. `model_logged` tells whether a model was logged into it.
    """

    def __init__(self, before: list[Any], recorded: Any, uri: str) -> None:
        super().__init__([*before, recorded])
        self.recorded = recorded
        self.uri = uri
        self.ours = [recorded, *getattr(before, "ours", ())]
        self.used = False

    def __getitem__(self, index: Any) -> Any:
        """Return an open run; MLflow asks for the last one to log into it."""
        self.used = True
        return super().__getitem__(index)

    def pop(self, _index: SupportsIndex = -1) -> Any:
        """Take out the run that the user began last; with none, return the recorded one."""
        theirs = self.theirs()
        if not theirs:
            return (
                self.recorded
            )  # `end_run` says FINISHED of it; how the cell ends has the last word
        return super().pop(max(i for i, run in enumerate(self) if run is theirs[-1]))

    def theirs(self) -> list[Any]:
        """Return the open runs that the user began."""
        return [run for run in self if all(run is not one for one in self.ours)]

    @property
    def model_logged(self) -> bool:
        """Whether the user, or an autolog, logged a model into the recorded run."""
        return bool(self.recorded.outputs and self.recorded.outputs.model_outputs)


@contextmanager
def lands_in(run: Any, store: Store) -> Iterator[Open]:
    """Let plain `mlflow.log_*` calls of this thread land in `run` (an MLflow run) in the block."""
    mlflow = import_mlflow()
    uri = store.uri
    theirs = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else ""
    mlflow.set_tracking_uri(uri)
    # What a job handed to the kernel for plain MLflow calls must not be taken over here.
    inherited = os.environ.pop("MLFLOW_RUN_ID", None)
    open_runs = _open_runs()
    before = open_runs.get()
    stack = Open(before, mlflow.ActiveRun(run), uri)
    open_runs.set(stack)
    _prepare()
    try:
        yield stack
    finally:
        before[:] = [one for one in stack if one is not stack.recorded]
        open_runs.set(before)
        if inherited:
            os.environ["MLFLOW_RUN_ID"] = inherited  # ending a run takes it away
        # A run that the cell left open is in our store, and the next cell logs to it.
        if mlflow.get_tracking_uri() == uri and not stack.theirs():
            mlflow.set_tracking_uri(theirs or store.project.tracking_uri)


def parent(project: Project) -> str:
    """Return the id of the run that this thread has open in the project's store, or nothing."""
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
    """Where the user's own runs go if no experiment was chosen: beside the recorded run."""

    def in_context(self) -> bool:
        """Whether a cell is being recorded in this thread, into the store that MLflow uses now."""
        mlflow = import_mlflow()
        stack = _open_runs().get()
        return isinstance(stack, Open) and stack.uri == mlflow.get_tracking_uri()

    def get_experiment_id(self) -> str:
        """Return the recorded run's experiment."""
        stack = _open_runs().get()
        return str(stack.recorded.info.experiment_id)


class _NoneOfTheirs:
    """The default of `start_run(nested=…)`: true where the recorded run is the only one open."""

    def __bool__(self) -> bool:
        stack = _open_runs().get()
        return isinstance(stack, Open) and not stack.theirs()

    def __repr__(self) -> str:
        return "False"


def _prepare() -> None:
    """Teach MLflow, once, what an open recorded run means; without one nothing differs."""
    import inspect

    start_run = import_mlflow().tracking.fluent.start_run
    parameters = inspect.signature(start_run).parameters
    if isinstance(parameters["nested"].default, _NoneOfTheirs):
        return
    start_run.__defaults__ = tuple(
        _NoneOfTheirs() if name == "nested" else parameter.default
        for name, parameter in parameters.items()
    )
    from mlflow.tracking.default_experiment import registry

    registry._default_experiment_provider_registry.register(_Recorded)  # noqa: SLF001
