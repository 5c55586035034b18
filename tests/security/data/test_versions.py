"""Where a version belongs, nothing else leads anywhere: each verb, each place that a version comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from jupyter_mlops import data
from jupyter_mlops.data import versions
from jupyter_mlops.errors import MlopsError
from tests.security.data import hostile

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def test_a_version_is_32_digits_and_nothing_else(
    project: Project, outside: Path, trials: Trials
) -> None:
    for good in (hostile.GOOD, f"{hostile.GOOD}.dir"):
        assert versions.checked(good) == good
    tried = hostile.versions(outside / "canary", project, 2_000)
    for value in tried:
        with pytest.raises(MlopsError) as raised:
            versions.checked(value, "x.dvc")
        assert str(raised.value).isprintable()
        if isinstance(value, str):
            with pytest.raises(MlopsError):
                data.cached(value, project=project)
    trials("values that are no version, given to the cache", len(tried))


def _verbs(project: Project, remote: str) -> list[tuple[str, Any]]:
    return [
        ("checkout", lambda: data.checkout(force=True, project=project)),
        ("pull", lambda: data.pull(remote=remote, force=True, project=project)),
        ("push", lambda: data.push(remote=remote, project=project)),
        ("diff", lambda: data.diff("x.csv", project=project)),
        ("checkout one", lambda: data.checkout(["x.csv"], force=True, project=project)),
        ("add", lambda: data.add(["x.csv"], project=project)),
    ]


@pytest.mark.parametrize("count", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_no_verb_touches_what_a_version_file_leads_to(
    project: Project, outside: Path, tmp_path: Path, count: int, trials: Trials
) -> None:
    remote = str(tmp_path / "remote")
    (project.root / "good.csv").write_text("a\n1\n")
    data.add(["good.csv"], project=project)
    before = hostile.seen(outside)
    tried = 0
    for value in hostile.versions(outside / "canary", project, count)[:count]:
        (project.root / "x.csv").write_text("x\n")
        text = yaml.safe_dump({"outs": [{"md5": value, "size": 1, "path": "x.csv"}]})
        (project.root / "x.csv.dvc").write_text(text)
        rows = {row.path: row.status for row in data.list(project=project)}
        assert rows == {"good.csv": "ok", "x.csv.dvc": "unreadable"}, value
        for _, verb in _verbs(project, remote):
            with pytest.raises(MlopsError) as raised:
                verb()
            assert "\n" not in str(raised.value)
            assert "Delete" not in str(raised.value)
            tried += 1
        data.gc(yes=True, older=0, project=project)
        # One bad file does not hinder the good ones.
        data.checkout(["good.csv"], project=project)
        assert hostile.seen(outside) == before, value
    trials("versions in .dvc files, each through every verb", tried)


def test_a_folders_list_cannot_name_other_objects(
    project: Project, outside: Path, tmp_path: Path, trials: Trials
) -> None:
    before = hostile.seen(outside)
    lists: list[Any] = [
        [{"md5": value, "relpath": "a.txt"}]
        for value in hostile.versions(outside / "canary", project, 60)
    ]
    lists += [
        [{"md5": f"{hostile.GOOD}.dir", "relpath": "a"}],
        {},
        {"a": 1},
        [1],
        [None],
        "x",
        7,
        None,
        [[]],
        [{}],
    ]
    lists += [
        [{"md5": hostile.GOOD}],
        [{"relpath": "a"}],
        [{"md5": hostile.GOOD, "relpath": "a"}] * 2,
    ]
    for entries in lists:
        version = hostile.put_list(project, entries)
        (project.root / "images.dvc").write_text(
            yaml.safe_dump({"outs": [{"md5": version, "size": 1, "path": "images"}]})
        )
        for _, verb in (
            *_verbs(project, str(tmp_path / "remote"))[:3],
            ("diff", lambda: data.diff("images", project=project)),
        ):
            with pytest.raises(MlopsError) as raised:
                verb()
            assert "\n" not in str(raised.value)
        with pytest.raises(MlopsError, match="Nothing was deleted"):
            data.gc(yes=True, older=0, project=project)
        assert hostile.seen(outside) == before
    trials("lists of folders that DVC did not write", len(lists))


@pytest.mark.parametrize("content", ["[" * 100_000, "{" * 9, "", "\0", '{"a":' * 50_000, "[1", "é"])
def test_a_list_that_is_no_json_is_one_line(project: Project, content: str) -> None:
    version = hostile.put(project, content.encode("latin-1"), ".dir")
    with pytest.raises(MlopsError, match="is not valid"):
        data.cache.members(version, project=project)


def test_a_version_given_as_an_argument(project: Project, outside: Path, trials: Trials) -> None:
    (project.root / "x.csv").write_text("a\n1\n")
    data.add(["x.csv"], project=project)
    tried = [
        text for text in hostile.versions(outside / "canary", project, 150) if isinstance(text, str)
    ]
    for text in tried:
        with pytest.raises(MlopsError) as raised:
            data.diff(f"x.csv@{text}" if text else "x.csv@", project=project)
        assert "canary" not in str(raised.value).replace(text, "").replace(ascii(text), "")
    assert (outside / "canary").read_text() == "canary"
    trials("versions given to data diff", len(tried))


def test_a_run_cannot_name_another_file(project: Project, outside: Path, trials: Trials) -> None:
    """What a run's record says of its data goes into tables, diffs and scratch copies."""
    from jupyter_mlops import runs
    from jupyter_mlops.runs import retention
    from jupyter_mlops.tracking.store import open_store

    store = open_store(project)
    tried = [
        text
        for text in hostile.versions(outside / "canary", project, 60)
        if isinstance(text, str) and 0 < len(text) <= 36 and "\0" not in text
    ]
    for number, text in enumerate(tried):
        run = store.client.create_run(store.experiment_id(), run_name=f"run-{number}")
        store.log_data(run.info.run_id, [("x.csv", text, "input")])
        store.client.set_terminated(run.info.run_id)
    assert retention.data_versions(project) == []
    data.gc(yes=True, older=0, project=project)
    before = hostile.seen(outside)
    for number in range(len(tried) - 1):
        runs.compare([f"run-{number}", f"run-{number + 1}"], project=project)
    assert hostile.seen(outside) == before
    trials("versions in a run's record", len(tried))


def test_the_shell_says_it_in_one_line(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / "x.csv.dvc").write_text(
        json.dumps({"outs": [{"md5": "../..", "path": "x.csv"}]})
    )
    from jupyter_mlops import cli

    assert cli.main(["data", "checkout"]) == 2
    said = capsys.readouterr()
    assert len((said.out + said.err).strip().splitlines()) == 1
