"""Nothing that a listing or a version file says is written, or deleted, outside the project."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from jupyter_mlops import data
from jupyter_mlops.data.cache import _cache_of
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.paths import UnsafePath
from tests.security.data import hostile

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def _say(project: Project, name: str, version: str, path: Any) -> Path:
    file = project.root / name
    file.write_text(yaml.safe_dump({"outs": [{"md5": version, "size": 1, "path": path}]}))
    return file


def _links(folder: Path, outside: Path) -> None:
    for place in (folder, folder / "a"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "link").symlink_to(outside, target_is_directory=True)


def _beside(project: Project) -> list[str]:
    return sorted(item.name for item in project.root.parent.iterdir())


def test_a_listing_writes_only_below_its_folder(
    project: Project, outside: Path, trials: Trials
) -> None:
    content = hostile.put(project, b"evil\n")
    before, beside = hostile.seen(outside), _beside(project)
    tried = hostile.paths(outside, project.root / "images")
    for path in tried:
        shutil.rmtree(project.root / "images", ignore_errors=True)
        _links(project.root / "images", outside)
        version = hostile.put_list(
            project, [{"md5": content, "relpath": "good.txt"}, {"md5": content, "relpath": path}]
        )
        _say(project, "images.dvc", version, "images")
        git = hostile.seen(project.root / ".git")
        if path in ("link", "a/link"):
            # A file may be a link, as DVC can be told to make: it is replaced, not followed.
            data.checkout(force=True, project=project)
            assert (project.root / "images" / path).read_bytes() == b"evil\n"
            assert not (project.root / "images" / path).is_symlink()
        else:
            for verb in (data.checkout, data.pull):
                named: dict[str, Any] = {"remote": "remote"} if verb is data.pull else {}
                with pytest.raises(MlopsError) as raised:
                    verb(force=True, project=project, **named)
                assert "\n" not in str(raised.value)
            # Not even the good part of it: nothing is half-written.
            assert not (project.root / "images" / "good.txt").exists(), path
        assert hostile.seen(outside) == before, path
        assert hostile.seen(project.root / ".git") == git, path
        assert _beside(project) == beside, path
    trials("paths in a folder's list, checked out and pulled", len(tried))


def test_a_version_file_points_only_below_its_folder(
    project: Project, outside: Path, trials: Trials
) -> None:
    content = hostile.put(project, b"evil\n")
    before, beside = hostile.seen(outside), _beside(project)
    _links(project.root, outside)
    tried = hostile.paths(outside, project.root)
    state = [".mlops/mlflow.db", ".dvc/config", ".dvc/config.local", ".MLOPS/x", "a/.dvc/config"]
    for path in [*tried, *state]:
        _say(project, "x.dvc", content, path)
        if path in ("link", "a/link"):
            (row,) = data.list(project=project)
            assert (row.path, row.status) == (path, "changed")
            data.checkout(force=True, project=project)
            assert (project.root / path).read_bytes() == b"evil\n"
            (project.root / path).unlink()
            (project.root / path).symlink_to(outside, target_is_directory=True)
        else:
            (row,) = data.list(project=project)
            assert (row.path, row.status) == ("x.dvc", "unreadable"), path
            with pytest.raises(MlopsError):
                data.checkout(force=True, project=project)
        assert hostile.seen(outside) == before, path
        assert _beside(project) == beside, path
        assert not (project.root / ".git" / "hooks" / "post-commit").exists()
    trials("paths in version files", len(tried) + len(state))


@pytest.mark.parametrize("where", ["data", "images/inner"])
def test_a_planted_link_is_not_written_through(
    project: Project, outside: Path, where: str, trials: Trials
) -> None:
    """`data -> ~/.ssh`: checkout would fill the folder, and empty it of what the list does not name."""
    content = hostile.put(project, b"evil\n")
    version = hostile.put_list(project, [{"md5": content, "relpath": "inner/authorized_keys"}])
    link = project.root / where
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside, target_is_directory=True)
    _say(project, f"{where.partition('/')[0]}.dvc", version, where.partition("/")[0])
    before = hostile.seen(outside)
    for force in (True, False):
        with pytest.raises(MlopsError):
            data.checkout(force=force, project=project)
        assert hostile.seen(outside) == before
    trials("links to folders outside", 2)


def test_a_planted_link_in_the_cache_is_not_written_through(
    project: Project, outside: Path, tmp_path: Path
) -> None:
    from jupyter_mlops.data.cache import cache_folder

    (project.root / "x.csv").write_text("a\n1\n")
    (added,) = data.add(["x.csv"], project=project)
    shutil.rmtree(cache_folder(project) / added.version[:2])
    (cache_folder(project) / added.version[:2]).symlink_to(outside, target_is_directory=True)
    before = hostile.seen(outside)
    data.cache._known.clear()
    for verb in (
        lambda: data.version("x.csv", project=project),
        lambda: data.add(["x.csv"], project=project),
        lambda: data.push(remote=str(tmp_path / "remote"), project=project),
        lambda: data.pull(remote=str(tmp_path / "remote"), project=project),
    ):
        with pytest.raises(UnsafePath):
            verb()
    (row,) = data.list(project=project)
    assert row.status == "unreadable"
    data.gc(yes=True, older=0, project=project)
    assert hostile.seen(outside) == before


def test_gc_deletes_nothing_through_a_link_or_in_a_cache_of_others(
    project: Project, outside: Path
) -> None:
    from jupyter_mlops.data.cache import cache_folder

    named = outside / "ab"
    named.mkdir()
    (named / ("0" * 30)).write_text("somebody's")
    root = cache_folder(project)
    root.mkdir(parents=True, exist_ok=True)
    (root / "ab").symlink_to(named, target_is_directory=True)
    assert len(data.gc(yes=True, older=0, project=project)) == 0
    (root / "ab").unlink()
    (outside / "files" / "md5" / "ab").mkdir(parents=True)
    (outside / "files" / "md5" / "ab" / ("0" * 30)).write_text("another project's")
    subprocess.run(
        [Path(sys.executable).with_name("dvc"), "cache", "dir", "--local", str(outside)],
        cwd=project.root, check=True, capture_output=True,
    )  # fmt: skip
    _cache_of.cache_clear()
    before = hostile.seen(outside)
    assert len(data.gc(older=0, project=project)) == 1
    with pytest.raises(MlopsError, match="outside the project"):
        data.gc(yes=True, older=0, project=project)
    assert hostile.seen(outside) == before


def test_a_link_of_gitignore_leaks_nothing(project: Project, outside: Path) -> None:
    (project.root / "data").mkdir()
    (project.root / "data" / "x.csv").write_text("a\n")
    (project.root / "data" / ".gitignore").symlink_to(outside / "id_rsa")
    before = hostile.seen(outside)
    with pytest.raises(MlopsError, match="symbolic link"):
        data.add(["data/x.csv"], project=project)
    assert hostile.seen(outside) == before
    assert (project.root / "data" / ".gitignore").is_symlink()


def test_what_dvc_left_out_of_a_folder_is_left_out_here_too(project: Project) -> None:
    """A `.git` in a versioned folder would be a repository with commands of its own."""
    for name in ("images/a.txt", "images/.git/config", "images/b/.hg/x"):
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text("x")
    (added,) = data.add(["images"], project=project)
    assert [*data.cache.listing(added.version, project=project)] == ["a.txt"]
    done = subprocess.run(
        [Path(sys.executable).with_name("dvc"), "status", "--json"],
        cwd=project.root, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == b"{}"


def test_something_else_in_the_place_of_a_file_is_one_line(project: Project) -> None:
    content = hostile.put(project, b"x\n")
    (project.root / "x.csv").mkdir()
    _say(project, "x.csv.dvc", content, "x.csv")
    with pytest.raises(MlopsError, match="cannot be restored"):
        data.checkout(force=True, project=project)
    (project.root / "images").write_text("a file")
    version = hostile.put_list(project, [{"md5": content, "relpath": "a/b"}])
    (project.root / "x.csv.dvc").unlink()
    _say(project, "images.dvc", version, "images")
    with pytest.raises(MlopsError, match="cannot be restored"):
        data.checkout(force=True, project=project)
    assert (project.root / "images").read_text() == "a file"
