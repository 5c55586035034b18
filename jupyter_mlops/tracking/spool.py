"""The spool: runs that are kept here while the team's store is away, and sent to it later, once.

What is recorded meanwhile goes into an ordinary MLflow store in `.mlops/spool`, by the same calls, so
that models, figures and the user's own `mlflow.log_*` lose nothing. A store that goes away while a
run is being recorded leaves that run there half written: its rest becomes a run here, to be merged.

Each such run has a note, `.mlops/spool/waiting/ID.json`, on the disk before anything is said to be
recorded and gone only when the store has all of it; `sending` copies the run over. Exactly once rests
on this: every run that we begin in a team's store carries the id of the attempt to make it, written by the
very call that makes it. A call whose answer was lost is therefore found again instead of repeated.
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

#: Of each run: named by the call that makes it, and by no other call. So it is found should the
#: answer get lost, or this process end before it has the run's id.
ATTEMPT = "mlops.attempt"
#: Of a run that was sent: the id that it had here, by which it is still found.
SPOOL_ID = "mlops.spool_id"
#: Of a run here that was sent: its id in the team's store.
SENT = "mlops.sent"
_SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class Note:
    """What is known of a waiting run without opening any store.

    `into` is the run of the team's store that it is the rest of, empty where that store has none;
    `refused` is why the store does not take it.
    """

    run_id: str
    name: str
    attempt: str
    into: str = ""
    since: float = 0.0
    refused: str = ""


def needed(project: Project, error: BaseException) -> bool:
    """Whether a run that met this error goes on here."""
    return bool(project.settings.tracking.uri) and team.fails(error)


def exists(project: Project) -> bool:
    """Whether a run was ever kept here."""
    return (project.state / "spool" / "mlflow.db").exists()


def open_spool(project: Project) -> Store:
    """Open the store here, made at its first use.

    Raises:
        NotTrusted: the project is not trusted.
    """
    project.require_trust("the runs that wait in it are opened only once it is")
    folder = project.state / "spool"
    place = artifacts(project).as_uri()
    store.make_database(project, folder / "mlflow.db", place)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return Store(project, store.client_of(uri), uri, place)


def artifacts(project: Project) -> Path:
    """Return the folder that the files of waiting runs are in."""
    return project.state / "spool" / "artifacts"


def kept(project: Project, uri: str) -> Path | None:
    """Return the folder of files that a run's or model's URI names, None if there is none.

    It is sent, and removed then.

    Raises:
        UnsafePath: it is not in the spool, or something in it leads elsewhere.
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
            str(link), "is a symbolic link, and what it leads to would be sent", source
        )
    return folder


def begin(
    project: Project, name: str, tags: Mapping[str, str], *, experiment: str = "", into: str = ""
) -> tuple[Store, mlflow.entities.Run]:
    """Begin a run here, or the rest of the run `into`; return the store and the run in it."""
    opened = open_spool(project)
    kept = {key: value for key, value in tags.items() if key not in {ATTEMPT, "mlflow.runName"}}
    run = opened.client.create_run(opened.experiment_id(experiment), run_name=name, tags=kept)
    note = Note(run.info.run_id, name, tags.get(ATTEMPT, ""), into, time.time())
    write(project, note)
    project.announce("run", "waiting", name)
    return opened, run


def settle(opened: Store, run_id: str) -> None:
    """Bring the files of a closed run onto the disk: from here on it survives a power failure."""
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
    """Return the runs that wait here, the oldest first; costs a look into a folder."""
    found = []
    for path in (project.state / "spool" / "waiting").glob("*.json"):
        with suppress(OSError, ValueError, TypeError):  # sent at this moment, or no note of ours
            found.append(_read(path))
    return sorted(found, key=lambda note: (note.since, note.run_id))


@contextmanager
def told(project: Project) -> Iterator[None]:
    """Let a store that is away also say how many runs wait here for it."""
    try:
        yield
    except ServerAway as error:
        count = len(waiting(project))
        if not count:
            raise
        runs = "1 run waits" if count == 1 else f"{count} runs wait"
        raise ServerAway(error.what, f"{runs} here, to be sent when it does") from error


def holding(project: Project, run: str, *, names: bool) -> bool:
    """Whether a waiting run has this id or start of an id; with `names`, also this name."""
    text = run.strip()
    return any(
        (names and note.name == run)
        or (len(text) >= _SHORTEST_PREFIX and note.run_id.startswith(text))
        for note in waiting(project)
        if not note.into
    )


def _read(path: Path) -> Note:
    told: dict[str, Any] = files.json_in(path)
    note = Note(**told)
    ids = [item for item in (note.run_id, note.attempt, note.into) if item != ""]
    if path.stem != note.run_id or not all(search.is_id(item) for item in ids):
        raise ValueError("its ids lead elsewhere")
    texts = (told["name"], told.get("refused", ""))
    if not all(isinstance(text, str) for text in texts) or not math.isfinite(note.since):
        raise ValueError("it is no note of ours")
    return note


def write(project: Project, note: Note) -> None:
    """Write a run's note, or write it anew."""
    files.replace(_path(project, note.run_id), json.dumps(asdict(note)))


def forget(project: Project, note: Note) -> None:
    """Take a note away: the team's store has the run."""
    _path(project, note.run_id).unlink(missing_ok=True)


def _path(project: Project, run_id: str) -> Path:
    return below(project.state / "spool" / "waiting", f"{run_id}.json", source="A run's id")
