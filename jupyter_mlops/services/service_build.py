"""`service build`: package a run's model as a Bento, kept only if its answers equal those in the notebook."""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from jupyter_mlops import temporary
from jupyter_mlops.errors import MissingBackend, MlopsError
from jupyter_mlops.progress import say, step
from jupyter_mlops.project import Project
from jupyter_mlops.services import (
    answers,
    bento_pack,
    bento_store,
    launcher,
    requirements,
    seal,
    served_model,
)
from jupyter_mlops.services.http_client import Client

if TYPE_CHECKING:
    from jupyter_mlops.formats import PackedModel
    from jupyter_mlops.services.records import Parity, Service
    from jupyter_mlops.services.served_model import ServedModel

_PARITY_ROWS = 200
_WARM_UP_ROWS = 16
_START_SECONDS = 120.0


def build(
    run: str, *, name: str = "", allow_pickle: bool = False, project: Project | None = None
) -> Service:
    """Package the model of a run as a Bento, and keep it only if its answers equal the model's.

    Args:
        run: the run's id, the start of it, or its name.
        name: the service's name (default: the run's).
        allow_pickle: package a model that is only kept as a pickle; loading one runs its code.
        project: default: the project at or above the working folder.

    Raises:
        MlopsError: the model cannot be packaged, or the service's answers differ; nothing is kept.
    """
    project = project or Project.find()
    _need_bentoml()
    if name:
        bento_store.check_name(name)
    source = served_model.read(run, allow_pickle=allow_pickle, project=project)
    name = name or bento_store.slug(source.run.name)
    # On the store's own disk, so that publishing is one rename.
    place = project.state / "building"
    with project.locked(f"service-{name}"), temporary.folder(place) as scratch:
        version = f"{datetime.now(UTC):%Y%m%d%H%M%S}-{secrets.token_hex(3)}"
        folder = scratch / "src"
        class_name = _write(source, folder, name, version)
        with step(f"Building {name}:{version}"):
            built = bento_pack.pack(
                folder,
                scratch / "home",
                name=name,
                version=version,
                service=f"service:{class_name}",
                labels={"run_id": source.run.run_id},
            )
        for cache in [*(built / "src").rglob("__pycache__")]:
            shutil.rmtree(cache)
        seal.seal(built, allow_pickle=source.consented)
        with step(f"Comparing {min(len(source.reference), _PARITY_ROWS)} answers with the model's"):
            parity = _parity(source, built, name)
        origin = built / "src" / "origin.json"
        content = json.loads(origin.read_text(encoding="utf-8"))
        origin.write_text(_json({**content, "parity": parity.model_dump()}), encoding="utf-8")
        seal.seal(built, allow_pickle=source.consented)
        bento = bento_store.publish(project, built, name)
    project.announce("service", "built", name)
    say(f"{bento.tag} is built. Start it: %mlops service start {name}")
    from jupyter_mlops.services.lifecycle import record

    return record(project, bento)


def _need_bentoml() -> None:
    from importlib.util import find_spec

    if not all(find_spec(module) for module in ("bentoml", "orjson", "uvicorn")):
        raise MissingBackend("Services need BentoML, which is not installed", "service")


def _write(source: ServedModel, folder: Path, name: str, version: str) -> str:
    """Write the files of the Bento and return the name of its service class."""
    folder.mkdir(parents=True)
    (folder / "model").mkdir()
    packed = source.format.pack(
        source.folder, source.model, folder / "model",
        example=source.features(source.reference.head(2)), allow_code=source.consented,
    )  # fmt: skip
    _write_json(folder / "model.json", _about(source, packed))
    output = {"kind": source.task, "classes": source.classes}
    _write_json(
        folder / "schema.json",
        {"name": name, "version": version, "inputs": source.inputs, "output": output},
    )
    source.reference.to_parquet(folder / "reference.parquet", index=False)
    from jupyter_mlops.services.http_client import encode

    (folder / "warmup.json").write_bytes(
        json.dumps(json.loads(encode(source.reference.head(_WARM_UP_ROWS)))["data"]).encode()
    )
    run = source.run
    _write_json(
        folder / "origin.json",
        {
            "name": name,
            "version": version,
            "built": datetime.now(UTC).isoformat(),
            "run_id": run.run_id,
            "run_name": run.name,
            "experiment": run.experiment,
            "commit": run.commit,
            "data": [use.model_dump() for use in run.data],
            "metrics": run.metrics,
            "flavor": source.library,
            "format": packed.format,
            "allow_pickle": source.consented,
        },
    )
    pins = requirements.pinned(packed, source.folder)
    (folder / "requirements.txt").write_text(
        "".join(f"{line}\n" for line in pins), encoding="utf-8"
    )
    package = resources.files("jupyter_mlops.services")
    runtime = folder / "mlops_runtime"
    _copy(package / "runtime", runtime)
    _copy(resources.files("jupyter_mlops.model_files"), runtime / "model_files")
    _copy_loader(packed.loader, runtime / "model_files")
    class_name = "".join(part.capitalize() for part in bento_store.slug(name).split("-"))
    class_name = class_name if class_name[0].isalpha() else f"Service{class_name}"
    template = Template((package / "template" / "service.py.txt").read_text(encoding="utf-8"))
    (folder / "service.py").write_text(
        template.substitute(
            name=name, class_name=class_name, run_name=_one_line(run.name), run_id=run.run_id
        ),
        encoding="utf-8",
    )
    return class_name


def _about(source: ServedModel, packed: PackedModel) -> dict[str, Any]:
    """Return what the runtime needs to know of the model."""
    return {
        **packed.about,
        "kind": source.library,
        "format": packed.format,
        "file": f"model/{packed.file}",
        "loader": packed.loader.rpartition(".")[2],
        "asked": packed.asked,
        "input": "frame" if source.framed else "array",
        "dtype": source.dtype,
        "shape": source.shape,
    }


def _copy(package: Any, target: Path) -> None:
    with resources.as_file(package) as folder:
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__"))


def _copy_loader(module: str, target: Path) -> None:
    """Copy the module that loads a registered format, which lies elsewhere; ours are there already."""
    place, _, name = module.rpartition(".")
    if place == "jupyter_mlops.model_files":
        return
    file = target / f"{name}.py"
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.origin or file.exists():
        raise MlopsError(f"{module} cannot be copied as {name}.py", "Give the module another name")
    shutil.copyfile(spec.origin, file)


def _parity(source: ServedModel, built: Path, name: str) -> Parity:
    """Start the Bento, send it the rows that the model predicted, and compare the answers.

    Raises:
        MlopsError: the answers differ, or it does not start.
    """
    rows = source.reference.head(_PARITY_ROWS)
    wanted = answers.expected(source, rows)
    launched = launcher.launch(
        built, log=built.parent / "parity.log", environment={"MLOPS_PREDICTIONS": ""},
        host="127.0.0.1", port=0, detach=False, timeout=_START_SECONDS,
    )  # fmt: skip
    try:
        with Client(launched.url, name=name) as client:
            together = client.predict(rows)
            alone = client.predict(rows.head(1))
    finally:
        launcher.end(launched.process, grace=0)
    parity, difference = answers.compare(together, wanted)
    if parity.equal:
        _, difference = answers.compare(alone, {key: values[:1] for key, values in wanted.items()})
    if difference:
        raise MlopsError(
            f"'{name}' is not built: the packaged model gives other answers ({difference})",
            "If its predictions are random, set its random state, and record the run again",
        )
    return parity


def _one_line(text: str) -> str:
    """Return a name as it may stand in a docstring."""
    return "".join(c if c.isprintable() and c not in '"\\' else " " for c in text)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(_json(content), encoding="utf-8")


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, default=str)
