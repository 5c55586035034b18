"""`run sync`: copies each run in the spool into the team's store, once.

The sender creates the run there (or finds it by its attempt id, if an earlier sender died). It copies
parameters, metrics, tags, inputs, files and models, closes the run, and removes the note here. Each
step is idempotent: a sender may be killed at any point, and another one starts again.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import temporary
from jupyter_mlops.errors import MlopsError, ServerAway
from jupyter_mlops.project import Project
from jupyter_mlops.records import Records
from jupyter_mlops.runs.kinds import KIND_TAG
from jupyter_mlops.runs.param_names import free_names
from jupyter_mlops.runs.records import WaitingRun
from jupyter_mlops.tracking import live, search, spool, team
from jupyter_mlops.tracking.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import mlflow.entities

_OPEN = {"RUNNING", "SCHEDULED"}
_METRICS_IN_A_BATCH = 1000
_OTHER_SENDER = 300
_EMPTY = "Nothing waits: the team's store has every run of this project."
_NO_TEAM = (
    "This project has no team's store, so no run waits. "
    'To add one, write into mlops.toml, under [tracking]: uri = "https://…"'
)
_PARENTS = ("mlops.parent", "mlflow.parentRunId")


def sync(*, project: Project | None = None) -> Records[WaitingRun]:
    """Send the runs in the spool to the team's store; return the result for each.

    Refused runs are sent again. A refused run does not stop the others.

    Raises:
        ServerAway: the store is still unreachable; unsent runs stay in the spool.
    """
    project = project or Project.find()
    if not spool.waiting(project):
        return Records([], empty=_EMPTY if project.settings.tracking.uri else _NO_TEAM)
    with spool.counted_in_error(project):
        open_store(project)  # raises ServerAway before the wait for the lock
    with project.locked("spool", timeout=_OTHER_SENDER):
        done = [*_send_all(project, again=True)]
    return Records(done, empty=_EMPTY)


def send_waiting(project: Project, *, patience: float = 30.0) -> int:
    """Send the runs in the spool; return how many were sent. Errors of the store are ignored.

    Args:
        project: the project.
        patience: seconds after which no further run is sent.
    """
    if not project.trusted or not any(not note.refused for note in spool.waiting(project)):
        return 0
    sent, until = 0, time.monotonic() + patience
    with suppress(MlopsError, OSError), project.locked("spool", timeout=0):
        for item in _send_all(project):
            sent += item.status == "sent"
            if time.monotonic() > until:
                break
    return sent


def _send_all(project: Project, *, again: bool = False) -> Iterator[WaitingRun]:
    there = open_store(project)  # first: an unreachable store is detected in a millisecond
    here = spool.open_spool(project)
    live.close_dead(there)
    for note in spool.waiting(project):
        if note.refused and not again:
            continue
        try:
            sent = _Sending(here, there, note).send()
        except ServerAway:
            raise
        except Exception as error:  # refusals of MLflow and of artifact stores
            if team.is_away(error):
                raise team.away(there.uri, error) from error
            why = team.first_line(error, there.uri)
            spool.write(project, dataclasses.replace(note, refused=why))
            yield WaitingRun(run_id=note.run_id, name=note.name, status="refused", detail=why)
            continue
        if sent:
            project.announce("run", "sent", note.name)
        yield WaitingRun(
            run_id=note.run_id, name=note.name, status="sent" if sent else "waiting", detail=sent
        )


class _Sending:
    """Sends one run."""

    def __init__(self, here: Store, there: Store, note: spool.Note) -> None:
        self.here, self.there, self.note = here, there, note
        self.run = here.client.get_run(note.run_id)
        #: Ids of this run and its models, in the spool → in the team's store.
        self.ids: dict[str, str] = {}

    def send(self) -> str:
        """Copy the run; return its id in the team's store. Empty if it is open or its parent waits."""
        if self.run.info.status in _OPEN or self._parent_waits():
            return ""
        target: str = self.run.data.tags.get(spool.SENT, "")
        if not target:
            target = self.note.into or self._found() or self._made()
            self.ids[self.note.run_id] = target
            self._copy(target)
            self.here.client.set_tag(self.note.run_id, spool.SENT, target)
        self._clear()
        return target

    def _found(self) -> str:
        if not self.note.attempt:
            return ""
        found = next(search.tagged(self.there, spool.ATTEMPT, self.note.attempt), None)
        return str(found.info.run_id) if found else ""

    def _made(self) -> str:
        info = self.run.info
        name = self.here.client.get_experiment(info.experiment_id).name
        experiment_id = self.there.experiment_id(name)
        tags = {spool.ATTEMPT: self.note.attempt, spool.SPOOL_ID: self.note.run_id}
        with team.asked_once():
            made = self.there.client.create_run(
                experiment_id, start_time=info.start_time, tags=tags, run_name=info.run_name
            )
        return str(made.info.run_id)

    def _copy(self, target: str) -> None:
        client, run = self.there.client, self.run
        target_run = client.get_run(target)
        self.there.log(target, params=free_names(run.data.params, target_run.data.params))
        models = [self._model(output, target_run) for output in run.outputs.model_outputs]
        self._metrics(target, target_run)
        if run.inputs.dataset_inputs:
            client.log_inputs(target, datasets=run.inputs.dataset_inputs)
        if folder := spool.kept(self.here.project, run.info.artifact_uri):
            with self._translated(folder) as files:
                client.log_artifacts(target, str(files))
        for model_id, step in models:
            self._output(target_run, model_id, step)
        self._tags(target)
        client.set_terminated(target, run.info.status, run.info.end_time)

    def _metrics(self, target: str, target_run: mlflow.entities.Run) -> None:
        from mlflow.entities import Metric

        # Our point at the end of a cell would be added to the curve that the user logged.
        drawn = self.note.into and self.run.data.tags.get(KIND_TAG) == "cell"
        keys = [
            key for key in self.run.data.metrics if not (drawn and key in target_run.data.metrics)
        ]

        # MLflow stores the same value, time and step as one row, even if it is sent twice.
        points = [
            Metric(point.key, point.value, point.timestamp, point.step, model_id=self.ids.get(point.model_id or ""))
            for key in keys
            for point in self.here.client.get_metric_history(self.note.run_id, key)
        ]  # fmt: skip
        for start in range(0, len(points), _METRICS_IN_A_BATCH):
            self.there.client.log_batch(target, points[start : start + _METRICS_IN_A_BATCH])

    def _tags(self, target: str) -> None:
        tags = {
            key: self._translate(value)
            for key, value in self.run.data.tags.items()
            if key not in {spool.SENT, "mlflow.runName"}
        }
        for key in _PARENTS:
            if key in tags:
                tags[key] = self._parent(tags[key])
        if not self.note.into:
            tags[spool.SPOOL_ID] = self.note.run_id
        self.there.log(target, tags=tags)

    def _parent_waits(self) -> bool:
        parent = self.run.data.tags.get(_PARENTS[0], "")
        notes = spool.waiting(self.here.project) if parent else []
        return any(note.run_id == parent and not note.refused for note in notes)

    def _parent(self, run_id: str) -> str:
        """Return a parent's id in the team's store: a parent is older, so it was sent before."""
        from mlflow.exceptions import MlflowException

        try:
            tags: dict[str, str] = self.here.client.get_run(run_id).data.tags
        except MlflowException:
            return run_id  # it was never in the spool
        return tags.get(spool.SENT, run_id)

    def _model(self, output: Any, target_run: mlflow.entities.Run) -> tuple[str, int]:
        """Copy a logged model; return its id in the team's store and its step."""
        client = self.there.client
        model = self.here.client.get_logged_model(output.model_id)
        experiment_id = target_run.info.experiment_id
        clause = search.clause(f"tags.`{spool.SPOOL_ID}`", model.model_id)
        found = search.pages(client.search_logged_models, [experiment_id], clause)
        made = next((it for it in found if it.tags.get(spool.SPOOL_ID) == model.model_id), None)
        if made is None:
            kept = {k: self._translate(v) for k, v in model.tags.items() if _may_be_set(k)}
            with team.asked_once():
                made = client.create_logged_model(
                    experiment_id, name=model.name, source_run_id=target_run.info.run_id,
                    tags=kept | {spool.SPOOL_ID: model.model_id},
                    params=model.params, model_type=model.model_type,
                )  # fmt: skip
        self.ids[model.model_id] = made.model_id
        if str(made.status) != "READY":
            if folder := spool.kept(self.here.project, model.artifact_location):
                with self._translated(folder) as files:
                    client.log_model_artifacts(made.model_id, str(files))
            client.finalize_logged_model(made.model_id, str(model.status))
        return made.model_id, output.step

    def _output(self, target_run: mlflow.entities.Run, model_id: str, step: int) -> None:
        from mlflow.entities import LoggedModelOutput

        if model_id not in {item.model_id for item in target_run.outputs.model_outputs}:
            with team.asked_once():
                self.there.client.log_outputs(
                    target_run.info.run_id, [LoggedModelOutput(model_id, step)]
                )

    def _translate(self, text: str) -> str:
        for old, new in self.ids.items():
            text = text.replace(old, new)
        return text

    def _translated(self, folder: Path) -> _Translated:
        return _Translated(folder, self.ids)

    def _clear(self) -> None:
        """Delete a sent run from the spool; its row stays, and maps its id to the team's id."""
        run = self.run
        spool.forget(self.here.project, self.note)
        for output in run.outputs.model_outputs:
            model = self.here.client.get_logged_model(output.model_id)
            _remove(spool.kept(self.here.project, model.artifact_location))
        _remove(spool.kept(self.here.project, run.info.artifact_uri))
        self.here.client.delete_run(run.info.run_id)


class _Translated:
    """A folder of artifacts whose `MLmodel` files have the ids of the team's store."""

    def __init__(self, folder: Path, ids: dict[str, str]) -> None:
        self._folder, self._ids = folder, ids
        self._copy: Path | None = None

    def __enter__(self) -> Path:
        own = [path for path in self._folder.rglob("MLmodel") if path.is_file()]
        if not own:
            return self._folder
        self._copy = temporary.make()
        copied = self._copy / "copy"
        shutil.copytree(self._folder, copied)
        for path in own:
            text = path.read_text(encoding="utf-8")
            for old, new in self._ids.items():
                text = text.replace(old, new)
            (copied / path.relative_to(self._folder)).write_text(text, encoding="utf-8")
        return copied

    def __exit__(self, *_: object) -> None:
        if self._copy:
            shutil.rmtree(self._copy, ignore_errors=True)


def _may_be_set(tag: str) -> bool:
    # MLflow writes these itself when it creates the model.
    return not tag.startswith(("mlflow.user", "mlflow.source"))


def _remove(folder: Path | None) -> None:
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
