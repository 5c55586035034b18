"""A folder that somebody exchanges for a link between our check and our write leads nowhere."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import yaml

from jupyter_mlops import data
from jupyter_mlops.data.cache import cache_folder
from jupyter_mlops.errors import MlopsError
from tests.security import swaps
from tests.security.data import hostile

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.mark.parametrize("what", ["images", "images/sub"])
def test_a_checkout_writes_and_deletes_through_no_link_that_is_swapped_in(
    project: Project, outside: Path, what: str, trials: Trials
) -> None:
    content = hostile.put(project, b"evil\n")
    listed = [{"md5": content, "relpath": f"sub/{name}"} for name in ("authorized_keys", "b")]
    version = hostile.put_list(project, listed)
    (project.root / "images.dvc").write_text(
        yaml.safe_dump({"outs": [{"md5": version, "size": 1, "path": "images"}]})
    )
    # The list does not name these two, so a checkout deletes what has such a name.
    for folder in (outside, outside / "sub"):
        folder.mkdir(exist_ok=True)
        (folder / "canary").write_text("canary")
    place, link = project.root / what, project.root / "link"

    def prepare() -> None:
        for path in (project.root / "images", link):
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True) if path.is_symlink() else None
        (project.root / "images" / "sub").mkdir(parents=True)
        for name in ("canary", "sub/canary"):
            (project.root / "images" / name).write_text("not in the list")
        link.symlink_to(outside, target_is_directory=True)

    def act() -> None:
        with suppress(MlopsError):
            data.checkout(["images"], force=True, project=project)

    tried = swaps.unharmed(prepare, act, (place, link), lambda: hostile.seen(outside))
    assert tried > 10
    assert (place / "authorized_keys").exists() or (place / "sub" / "authorized_keys").exists()
    trials("a folder exchanged for a link, before each system call of a checkout", tried)


def test_a_file_is_restored_through_no_link_that_is_swapped_in(
    project: Project, outside: Path, trials: Trials
) -> None:
    (project.root / "data").mkdir()
    content = hostile.put(project, b"evil\n")
    pointer = project.root / "data" / "x.csv.dvc"
    pointer.write_text(yaml.safe_dump({"outs": [{"md5": content, "size": 1, "path": "x.csv"}]}))
    place, link = project.root / "data", project.root / "link"

    def prepare() -> None:
        if place.is_symlink():
            swaps.exchange(place, link)
        (place / "x.csv").unlink(missing_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(outside, target_is_directory=True)

    def act() -> None:
        with suppress(MlopsError):
            data.checkout(["data/x.csv"], force=True, project=project)

    tried = swaps.unharmed(prepare, act, (place, link), lambda: hostile.seen(outside))
    assert tried > 5
    assert (place / "x.csv").read_bytes() == b"evil\n"
    trials("the folder of one file exchanged for a link, before each system call", tried)


@pytest.mark.parametrize("what", ["data", "cache"])
def test_adding_writes_through_no_link_that_is_swapped_in(
    project: Project, outside: Path, what: str, trials: Trials
) -> None:
    (outside / ".gitignore").write_text("/theirs\n")
    (outside / "x.csv").write_text("theirs\n")
    (project.root / "data").mkdir()
    content = b"a\n1\n"
    version = hashlib.md5(content, usedforsecurity=False).hexdigest()
    folder = cache_folder(project) / version[:2]
    place, link = project.root / "data" if what == "data" else folder, project.root / "link"

    def prepare() -> None:
        for path in (project.root / "data", folder, link):
            path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)
        folder.mkdir(parents=True)
        link.symlink_to(outside, target_is_directory=True)
        (project.root / "data").mkdir()
        (project.root / "data" / "x.csv").write_bytes(content)
        data.cache._known.clear()

    def act() -> None:
        with suppress(MlopsError):
            data.add(["data/x.csv"], project=project)

    tried = swaps.unharmed(prepare, act, (place, link), lambda: hostile.seen(outside))
    assert (project.root / "data" / "x.csv.dvc").exists()
    assert (folder / version[2:]).read_bytes() == content
    trials(f"{what} exchanged for a link, before each system call of data add", tried)


def test_gc_deletes_through_no_link_that_is_swapped_in(
    project: Project, outside: Path, trials: Trials
) -> None:
    folder, link = cache_folder(project) / "ab", project.root / "link"
    names = [f"{number:030x}" for number in range(3)]
    for name in names:
        (outside / name).write_text("theirs")

    def prepare() -> None:
        for path in (folder, link):
            path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text("unused")
        link.symlink_to(outside, target_is_directory=True)

    def act() -> None:
        with suppress(MlopsError):
            data.gc(yes=True, older=0, project=project)

    tried = swaps.unharmed(prepare, act, (folder, link), lambda: hostile.seen(outside))
    assert not [*folder.iterdir()]
    trials("a folder of the cache exchanged for a link, before each system call of data gc", tried)
