"""The spool: runs recorded locally while the team's store does not answer, and sent to it once, later.

The spool is an ordinary MLflow store in `.mlops/spool`, written by the same calls, so that models, figures and
the user's own `mlflow.log_*` are complete. If the team's store fails in the middle of a run, it has the first
part of the run; the rest becomes a run in the spool, to be merged.

Each spooled run has a note, `.mlops/spool/waiting/ID.json`. It is written before the user is told that the run
is recorded, and deleted when the team's store has all of the run. A run is sent exactly once, because the call that
creates it in the team's store also writes a unique attempt id into it: if the answer of that call is lost, the run
is found by this id and not created again.
"""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import files
from jupyter_mlops.errors import ServerAway
from jupyter_mlops.paths import UnsafePath, below, is_link
from jupyter_mlops.tracking import search, store, team
from jupyter_mlops.tracking.store import Store
from jupyter_mlops.urls import local_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import mlflow.entities

    from jupyter_mlops.project import Project

#: Tag of each run: the id of the call that created it. By it the run is found if the answer is lost,
#: or if this process ends before it has the run's id.
ATTEMPT = "mlops.attempt"
#: Tag of a sent run in the team's store: its id in the spool, by which users can still find it.
SPOOL_ID = "mlops.spool_id"
#: Tag of a sent run in the spool: its id in the team's store.
SENT = "mlops.sent"
_SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class Note:
    """What is known of a waiting run without opening any store.

    `into` is the run in the team's store that it continues, or empty; `refused` is the reason why the
    team's store refused it.
    """

    run_id: str
    name: str
    attempt: str
    into: str = ""
    since: float = 0.0
    refused: str = ""


def needed(project: Project, error: BaseException) -> bool:
    """Whether a run continues in the spool after this error."""
    return bool(project.settings.tracking.uri) and team.fails(error)


def exists(project: Project) -> bool:
    """Whether this project has ever spooled a run."""
    return (project.state / "spool" / "mlflow.db").exists()


def open_spool(project: Project) -> Store:
    """Open the spool's store; it is created at its first use.

    Raises:
        NotTrusted: the project is not trusted.
    """
    project.require_trust("its spool was not opened")
    folder = project.state / "spool"
    location = artifacts(project).as_uri()
    store.make_database(project, folder / "mlflow.db", location)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return Store(project, store.client_of(uri), uri, location)


def artifacts(project: Project) -> Path:
    """Return the folder with the artifacts of waiting runs."""
    return project.state / "spool" / "artifacts"


def kept(project: Project, uri: str) -> Path | None:
    """Return the folder that a run's or model's URI names, or None if it does not exist.

    The caller sends this folder and then deletes it.

    Raises:
        UnsafePath: it is not in the spool, or contains a symbolic link.
    """
    folder = local_path(str(uri))
    if not folder.is_dir():
        return None
    root, source = artifacts(project), "The spool"
    if not folder.is_relative_to(root):
        raise UnsafePath(str(folder), "is not in the spool", source)
    folder = below(root, folder.relative_to(root).as_posix(), source=source)
    if link := next((path for path in folder.rglob("*") if is_link(path)), None):
        raise UnsafePath(
            str(link), "is a symbolic link, and the file that it leads to would be sent", source
        )
    return folder


def begin(
    project: Project, name: str, tags: Mapping[str, str], *, experiment: str = "", into: str = ""
) -> tuple[Store, mlflow.entities.Run]:
    """Begin a run in the spool, or the rest of the run `into`; return the spool's store and the run."""
    opened = open_spool(project)
    run_tags = {key: text for key, text in tags.items() if key not in {ATTEMPT, "mlflow.runName"}}
    run = opened.client.create_run(opened.experiment_id(experiment), run_name=name, tags=run_tags)
    note = Note(run.info.run_id, name, tags.get(ATTEMPT, ""), into, time.time())
    write(project, note)
    project.announce("run", "waiting", name)
    return opened, run


def settle(opened: Store, run_id: str) -> None:
    """Flush the files of a closed run to the disk, so that they survive a power failure."""
    run = opened.client.get_run(run_id)
    models = [opened.client.get_logged_model(item.model_id) for item in run.outputs.model_outputs]
    for uri in (run.info.artifact_uri, *(model.artifact_location for model in models)):
        for path in local_path(str(uri)).rglob("*"):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


def waiting(project: Project) -> list[Note]:
    """Return the notes of the waiting runs, the oldest first; this reads only a folder."""
    found = []
    for path in (project.state / "spool" / "waiting").glob("*.json"):
        with suppress(OSError, ValueError, TypeError):  # sent at this moment, or not a valid note
            found.append(_read(path))
    return sorted(found, key=lambda note: (note.since, note.run_id))


@contextmanager
def counted_in_error(project: Project) -> Iterator[None]:
    """Add the number of waiting runs to a `ServerAway` error of the block."""
    try:
        yield
    except ServerAway as error:
        count = len(waiting(project))
        if not count:
            raise
        runs = "1 run waits" if count == 1 else f"{count} runs wait"
        raise ServerAway(
            error.what, f"{runs} in this project and will be sent when it answers"
        ) from error


def holding(project: Project, run: str, *, names: bool) -> bool:
    """Whether a waiting run has this id, or an id with this prefix; with `names`, also this name."""
    text = run.strip()
    return any(
        (names and note.name == run)
        or (len(text) >= _SHORTEST_PREFIX and note.run_id.startswith(text))
        for note in waiting(project)
        if not note.into
    )


def _read(path: Path) -> Note:
    content: dict[str, Any] = files.json_in(path)
    note = Note(**content)
    ids = [item for item in (note.run_id, note.attempt, note.into) if item != ""]
    if path.stem != note.run_id or not all(search.is_id(item) for item in ids):
        raise ValueError("its ids are not valid")
    texts = (content["name"], content.get("refused", ""))
    if not all(isinstance(text, str) for text in texts) or not math.isfinite(note.since):
        raise ValueError("it is not a valid note")
    return note


def write(project: Project, note: Note) -> None:
    """Write or replace a run's note."""
    files.replace(_path(project, note.run_id), json.dumps(asdict(note)))


def forget(project: Project, note: Note) -> None:
    """Delete a note, because the team's store has the run."""
    _path(project, note.run_id).unlink(missing_ok=True)


def _path(project: Project, run_id: str) -> Path:
    return below(project.state / "spool" / "waiting", f"{run_id}.json", source="A run's id")
