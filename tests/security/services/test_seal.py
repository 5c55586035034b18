"""A Bento that was changed, came from somebody else, or was never sealed is not started, whatever it holds."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import secrets
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import runs, services, signing_key, trust
from jupyter_mlops.errors import BackendFailed, MlopsError, NotFound
from jupyter_mlops.project import Project
from jupyter_mlops.services import bento_store, launcher, seal

if TYPE_CHECKING:
    from tests.trials import Trials

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning"),
]
LINE = """
import numpy as np, pandas as pd
from sklearn.linear_model import Ridge
X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=["a", "b", "c"])
model = Ridge().fit(X, X.sum(axis=1))
"""
MUTATIONS = 300


class Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.canary}",))


@pytest.fixture(scope="module")
def built(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with the service `line`."""
    root = tmp_path_factory.mktemp("sealed") / "screening"
    shutil.copytree(_template, root, symlinks=True)
    trust.grant(root, "init")
    project = Project.find(root)
    before = Path.cwd()
    os.chdir(root)
    try:
        names: dict[str, object] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with runs.record_cell("line", LINE, names, project=project):
                exec(LINE, names)
    finally:
        os.chdir(before)
    services.build("line", project=project)
    return project


@pytest.fixture
def sent(built: Project, tmp_path: Path) -> Project:
    """Return a copy of that project, which a test may change."""
    root = tmp_path / "screening"
    shutil.copytree(built.root, root, symlinks=True)
    trust.grant(root, "trust")
    return Project.find(root)


def bento(project: Project) -> Path:
    return bento_store.latest(project, "line").path


def with_payload(folder: Path, canary: Path) -> None:
    """Make the model a pickle that writes the canary, and say everywhere that this is wanted."""
    source = folder / "src"
    (source / "model" / "model.pkl").write_bytes(pickle.dumps(Payload(canary)))
    about = json.loads((source / "model.json").read_text())
    (source / "model.json").write_text(
        json.dumps(about | {"format": "pickle", "file": "model/model.pkl"})
    )
    origin = json.loads((source / "origin.json").read_text())
    (source / "origin.json").write_text(json.dumps(origin | {"allow_pickle": True}))


def with_code(folder: Path, canary: Path) -> None:
    """Let the service's own file write the canary when it is imported."""
    service = folder / "src" / "service.py"
    service.write_text(f"open({str(canary)!r}, 'w')\n{service.read_text()}")


def resealed(folder: Path) -> None:
    """Write the hashes of the files as they are now, as somebody without the key can."""
    files = {name: seal._hashed(path) for name, path in seal._files(folder)}
    manifest = json.loads((folder / seal.MANIFEST).read_text())
    (folder / seal.MANIFEST).write_text(
        json.dumps(manifest | {"files": files, "allow_pickle": True}, indent=1, sort_keys=True)
    )


def test_a_bento_as_it_was_built_is_started_and_stays_sealed(built: Project) -> None:
    assert seal.verify(bento(built)).allow_pickle is False
    services.start("line", project=built)
    try:
        assert services.test("line", rows=3, project=built).agree is True
    finally:
        services.stop("line", project=built)
    assert seal.verify(bento(built)) == seal.Sealed(allow_pickle=False)


@pytest.mark.parametrize("name", [seal.MANIFEST, seal.SIGNATURES])
def test_a_fifo_in_place_of_the_seal_is_not_waited_for(sent: Project, name: str) -> None:
    (bento(sent) / name).unlink()
    os.mkfifo(bento(sent) / name)
    with pytest.raises(MlopsError, match="seal"):
        services.start("line", project=sent)


def test_folders_that_are_no_services_hide_none(sent: Project, trials: Trials) -> None:
    store = bento_store.home(sent) / "bentos"
    names = [b"UPPER x", b"\xff", b".hidden", b"-x", "é".encode(), b"a\nb"]
    for name in names:
        shutil.copytree(store / "line", store / os.fsdecode(name), symlinks=True)
    assert [service.name for service in services.list(project=sent)] == ["line"]
    trials("folders in the Bento store whose name no service has", len(names), "left out")


def test_text_that_is_no_utf8_in_a_bento_is_shown_escaped(sent: Project) -> None:
    origin = bento(sent) / "src" / "origin.json"
    origin.write_text(json.dumps(json.loads(origin.read_text()) | {"run_name": "\ud800"}))
    shown = json.loads(services.list(project=sent).to_json())
    assert shown[0]["run_name"] == "\\ud800"


def test_a_huge_log_of_a_project_without_trust_is_not_counted(
    sent: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = sent.state / "predictions" / "line" / "a.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text('{"time": 1, "inputs": {}}\n' * 3)
    assert services.get("line", project=sent).requests == 3
    monkeypatch.setattr(trust, "is_trusted", lambda _root: False)
    assert services.get("line", project=sent).requests == 0


@pytest.mark.parametrize("change", [with_payload, with_code])
@pytest.mark.parametrize("hashes_again", [False, True])
def test_a_changed_bento_runs_nothing_neither_here_nor_in_the_service_process(
    sent: Project,
    tmp_path: Path,
    change: Callable[[Path, Path], None],
    hashes_again: bool,
    trials: Trials,
) -> None:
    folder, canary = bento(sent), tmp_path / "canary"
    change(folder, canary)
    if hashes_again:
        resealed(folder)
    with pytest.raises(seal.Unsealed, match="service build RUN --name line"):
        services.start("line", project=sent)
    # The process looks for itself, should the file change after the parent has looked.
    with pytest.raises(BackendFailed, match="did not start"):
        launcher.launch(
            folder, log=tmp_path / "log", environment={}, host="127.0.0.1", port=0, detach=False, timeout=600
        )  # fmt: skip
    assert not canary.exists()
    trials("a Bento with a payload, started by both ways", 2, "no payload ran")


def test_random_changes_of_a_bento_are_all_found(
    built: Project, tmp_path: Path, trials: Trials
) -> None:
    kept = bento(built)
    pick = random.Random(7)
    names = sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file())
    missed = []
    for number in range(MUTATIONS):
        folder = tmp_path / "line" / kept.name
        shutil.rmtree(folder.parent, ignore_errors=True)
        shutil.copytree(kept, folder, symlinks=True)
        name = pick.choice(names)
        what = CHANGES[number % len(CHANGES)]
        what(folder, folder / name, pick)
        said = refusal(folder)
        if "service build" not in said or "\n" in said:
            missed.append(f"{number}: {what.__name__} of {name}: {said}")
    assert missed == []
    trials("changes of a built Bento: bytes, files, links, names, manifest", MUTATIONS, "all found")


def refusal(folder: Path) -> str:
    try:
        seal.verify(folder)
    except MlopsError as error:
        return str(error)
    return "it was taken"


def a_byte(folder: Path, file: Path, pick: random.Random) -> None:
    content = bytearray(file.read_bytes() or b"\0")
    content[pick.randrange(len(content))] ^= pick.randrange(1, 256)
    if bytes(content) == file.read_bytes():
        content += b"x"
    file.write_bytes(content)


def cut(folder: Path, file: Path, pick: random.Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: pick.randrange(len(content))] if content else b"x")


def longer(folder: Path, file: Path, pick: random.Random) -> None:
    file.write_bytes(file.read_bytes() + secrets.token_bytes(pick.randrange(1, 9)))


def removed(folder: Path, file: Path, pick: random.Random) -> None:
    file.unlink()


def added(folder: Path, file: Path, pick: random.Random) -> None:
    name = pick.choice(["sklearn.py", "evil.pth", "sitecustomize.py", "bentoml.py", ".hidden", "x"])
    place = pick.choice([folder, folder / "src", folder / "src" / "mlops_runtime"])
    (place / name).write_text("import os")


def bytecode(folder: Path, file: Path, pick: random.Random) -> None:
    cache = folder / "src" / "__pycache__"
    cache.mkdir()
    (cache / "service.cpython-311.pyc").write_bytes(b"\0" * 16)


def a_folder(folder: Path, file: Path, pick: random.Random) -> None:
    (folder / "src" / pick.choice(["numpy", "model2", "torch"])).mkdir()


def linked(folder: Path, file: Path, pick: random.Random) -> None:
    """Put a link in the place of a file, to the same content."""
    outside = folder.parent / "outside"
    shutil.copyfile(file, outside)
    file.unlink()
    file.symlink_to(outside)


def linked_folder(folder: Path, file: Path, pick: random.Random) -> None:
    shutil.move(folder / "src", folder.parent / "elsewhere")
    (folder / "src").symlink_to(folder.parent / "elsewhere")


def other_case(folder: Path, file: Path, pick: random.Random) -> None:
    file.rename(file.with_name(file.name.swapcase()))


def exchanged(folder: Path, file: Path, pick: random.Random) -> None:
    others = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.read_bytes() != file.read_bytes()
    ]
    other = pick.choice(others)
    content = other.read_bytes()
    other.write_bytes(file.read_bytes())
    file.write_bytes(content)


def hashed_again(folder: Path, file: Path, pick: random.Random) -> None:
    if file.name not in {seal.MANIFEST, seal.SIGNATURES}:
        longer(folder, file, pick)
    resealed(folder)


def signed_by_another(folder: Path, file: Path, pick: random.Random) -> None:
    resealed(folder)
    content = (folder / seal.MANIFEST).read_bytes()
    key = secrets.token_hex(32).encode()
    signature = signing_key.signature(key, seal._CONTEXT, content)
    (folder / seal.SIGNATURES).write_text(json.dumps({"user": signature, "configured": signature}))


def no_key(folder: Path, file: Path, pick: random.Random) -> None:
    """Sign as one may hope that an empty key would."""
    content = (folder / seal.MANIFEST).read_bytes()
    empty = signing_key.signature(b"", seal._CONTEXT, content)
    plain = hashlib.sha256(content).hexdigest()
    values: tuple[Any, ...] = (empty, plain, "", None, [], {})
    (folder / seal.SIGNATURES).write_text(
        pick.choice([json.dumps({"user": value}) for value in values] + ["[]", "{", ""])
    )  # fmt: skip


def no_seal(folder: Path, file: Path, pick: random.Random) -> None:
    (folder / pick.choice([seal.MANIFEST, seal.SIGNATURES])).unlink()


def huge(folder: Path, file: Path, pick: random.Random) -> None:
    with (folder / pick.choice([seal.MANIFEST, seal.SIGNATURES])).open("r+b") as opened:
        opened.truncate(200 * 1024 * 1024)


CHANGES = [
    a_byte, a_byte, a_byte, a_byte, cut, longer, removed, added, bytecode, a_folder, linked, linked_folder,
    other_case, exchanged, hashed_again, signed_by_another, no_key, no_seal, huge,
]  # fmt: skip


def test_a_bento_under_another_name_or_version_is_refused(sent: Project) -> None:
    folder = bento(sent)
    for place in (folder.parent.parent / "other" / folder.name, folder.with_name("20200101000000")):
        shutil.copytree(folder, place)
        (place.parent / "latest").write_text(place.name)
        with pytest.raises(seal.Unsealed, match="the Bento of another service"):
            services.start(place.parent.name, project=sent)


def test_a_bento_of_another_user_is_refused_unless_a_common_key_signed_it(
    sent: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "team.key"
    key.write_text(secrets.token_hex(32))
    key.chmod(0o600)
    monkeypatch.setenv(seal.KEY_VARIABLE, str(key))
    folder = bento(sent)
    seal.seal(folder, allow_pickle=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "another user"))
    trust.grant(sent.root, "trust")  # to trust the project is not to trust what it packaged
    assert seal.verify(folder).allow_pickle is False
    monkeypatch.delenv(seal.KEY_VARIABLE)
    with pytest.raises(seal.Unsealed, match="not built by you on this machine"):
        services.start("line", project=sent)
    key.write_text(secrets.token_hex(32))
    monkeypatch.setenv(seal.KEY_VARIABLE, str(key))
    with pytest.raises(seal.Unsealed, match="has not signed it"):
        services.start("line", project=sent)


def test_a_bento_from_before_the_seal_says_to_build_again(sent: Project) -> None:
    folder = bento(sent)
    (folder / seal.MANIFEST).unlink()
    (folder / seal.SIGNATURES).unlink()
    with pytest.raises(
        seal.Unsealed,
        match=r"an earlier version built it, or it was not built here\. Build it again: %mlops service build",
    ):
        services.start("line", project=sent)
    assert [item.name for item in services.list(project=sent)] == ["line"]


def test_a_key_that_the_project_brings_or_that_others_read_is_refused(
    sent: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, open_key, short = sent.root / "seal.key", tmp_path / "open.key", tmp_path / "short.key"
    for path, mode, text in (
        (inside, 0o600, secrets.token_hex(32)),
        (open_key, 0o644, secrets.token_hex(32)),
        (short, 0o600, "secret"),
    ):
        path.write_text(text)
        path.chmod(mode)
    for named, said in (
        (inside, "a file in the project"),
        (open_key, "chmod 600"),
        (short, "shorter than 32"),
        (tmp_path / "none", "which is not a file"),
    ):
        monkeypatch.setenv(seal.KEY_VARIABLE, str(named))
        with pytest.raises(MlopsError, match=said):
            services.start("line", project=sent)


def test_the_store_names_no_folder_outside_of_itself(sent: Project, tmp_path: Path) -> None:
    folder = bento(sent)
    outside = tmp_path / "outside"
    shutil.copytree(folder, outside)
    for latest in ("../../../../../outside", str(outside), "..", "", "\0", "x" * 5000):
        (folder.parent / "latest").write_text(latest)
        with pytest.raises(NotFound):
            services.start("line", project=sent)
        assert len(services.list(project=sent)) == 0
    (folder.parent / "latest").write_text(folder.name)
    for origin in ("[]", "{}", '{"run_id": 1}', "not json"):
        (folder / "src" / "origin.json").write_text(origin)
        with pytest.raises(NotFound):
            services.start("line", project=sent)
