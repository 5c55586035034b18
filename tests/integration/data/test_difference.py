"""`data diff`, on a real project: now against a version, a commit against now, two files, folders."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet
import pytest

from jupyter_mlops import data
from jupyter_mlops.data import samples
from jupyter_mlops.errors import MlopsError, NotFound, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def table(project: Project) -> Path:
    """A table of 200 patients, added and committed; then 10 are gone, 4 new, and `age` is text."""
    path = project.root / "data" / "patients.csv"
    path.parent.mkdir()
    old = pd.DataFrame(
        {"id": range(200), "age": [20 + i % 50 for i in range(200)], "sex": ["f", "m"] * 100}
    )
    old.to_csv(path, index=False)
    data.add(["data/patients.csv"], project=project)
    for words in (["add", "-A"], ["commit", "-q", "-m", "patients"]):
        subprocess.run(["git", *words], check=True, cwd=project.root)
    new = pd.concat([old.iloc[10:], old.head(4).assign(id=lambda t: t.id + 1000)])
    new = new.drop(columns="sex").assign(age=new.age + 20, weight=70.5)
    new.loc[new.index[5:8], "age"] = None
    new.to_csv(path, index=False)
    return path


def test_now_against_the_version_that_the_dvc_file_names(project: Project, table: Path) -> None:
    found = data.diff("data/patients.csv", key="id", project=project)
    assert (found.kind, found.same) == ("table", False)
    assert (found.rows_before, found.rows_after) == (200, 194)
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (4, 10, 190)
    by_name = {item.column: item for item in found.columns}
    assert {name: item.change for name, item in by_name.items()} == {
        "id": "same", "age": "type", "sex": "removed", "weight": "added",
    }  # fmt: skip
    assert by_name["age"].moved
    assert (by_name["age"].missing_before, by_name["age"].missing_after) == (0, 3)
    assert (by_name["age"].type_before, by_name["age"].type_after) == ("int64", "float64")


@pytest.mark.parametrize("before", ["HEAD", "HEAD~0", "version"])
def test_a_commit_and_a_version_name_the_same_content(
    project: Project, table: Path, before: str
) -> None:
    if before == "version":
        (item,) = data.list(project=project)
        before = item.version[:8]
    found = data.diff(f"data/patients.csv@{before}", project=project)
    assert (found.rows_before, found.rows_after) == (200, 194)
    reverse = data.diff("data/patients.csv", f"data/patients.csv@{before}", project=project)
    assert (reverse.rows_before, reverse.rows_after) == (194, 200)
    assert (reverse.rows_added, reverse.rows_removed) == (found.rows_removed, found.rows_added)


def test_two_files_of_two_formats_with_the_same_rows_do_not_differ(
    project: Project, table: Path
) -> None:
    frame = pd.read_csv(table)
    frame["noise"] = [0.1 * i + 1e-9 for i in range(len(frame))]
    frame.to_csv(table, index=False)
    frame.sample(frac=1, random_state=0).to_parquet(table.with_suffix(".parquet"))
    found = data.diff("data/patients.csv", "data/patients.parquet", project=project)
    assert (found.rows_added, found.rows_removed) == (0, 0)
    assert {item.change for item in found.columns} == {"same"}


def test_the_same_content_is_said_without_reading_it(
    project: Project, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "read", lambda *_: pytest.fail("it was read"))
    found = data.diff("data/patients.csv@HEAD", "data/patients.csv@HEAD", project=project)
    assert found.same
    assert "The same content" in str(found)


def test_past_memory_both_are_read_by_the_same_sample_and_it_says_so(
    project: Project, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = pd.DataFrame({"id": range(20_000), "v": [i % 97 for i in range(20_000)]})
    old.to_parquet(table.with_name("old.parquet"))
    old.iloc[4000:].to_parquet(table.with_name("new.parquet"))
    monkeypatch.setattr(samples, "_available", lambda: 400_000.0)
    found = data.diff("data/old.parquet", "data/new.parquet", key="id", project=project)
    assert "compared on one row in" in found.sampled
    assert (found.rows_before, found.rows_after) == (20_000, 16_000)
    assert found.rows_added == 0
    assert found.rows_removed == pytest.approx(4000, rel=0.15)
    assert "Rows: about 0 added" in str(found)


def test_a_folder_tells_its_files(project: Project) -> None:
    folder = project.root / "images"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(name)
    data.add(["images"], project=project)
    (folder / "a.txt").write_text("changed")
    (folder / "b.txt").unlink()
    (folder / "d.txt").write_text("d")
    found = data.diff("images", project=project)
    assert {(item.path, item.change) for item in found.files} == {
        ("a.txt", "changed"), ("b.txt", "removed"), ("d.txt", "added"),
    }  # fmt: skip
    assert str(found).startswith("Files: 1 added, 1 removed, 1 changed")
    one = data.diff("images/a.txt", project=project)
    assert (one.kind, one.size_before, one.size_after) == ("file", 1, 7)


def test_the_html_has_pictures_and_nothing_that_a_sanitiser_drops(
    project: Project, table: Path
) -> None:
    page = data.diff("data/patients.csv", key="id", project=project)._repr_html_()
    assert page.count('<img width="144"') >= 1
    assert "data:image/svg+xml;base64," in page
    assert not re.search(r"<svg|<script|var\(|onload", page)


def test_a_columns_name_is_text_in_the_html(project: Project, table: Path) -> None:
    for name, values in (("x", [1, 2]), ("y", [3, 4])):
        frame = pd.DataFrame({"<script>alert(1)</script>": values, "t": ["<b>", "<i>"]})
        frame.to_csv(table.with_name(f"{name}.csv"), index=False)
    page = data.diff("data/x.csv", "data/y.csv", project=project)._repr_html_()
    assert "<script" not in page
    assert "<b>&lt;" not in page


@pytest.mark.parametrize(
    ("a", "b", "key", "kind", "message"),
    [
        ("data/absent.csv", "", "", NotFound, "No file"),
        ("data/patients.csv@nowhere", "", "", NotFound, "neither a version in the cache nor"),
        ("data/fresh.csv", "", "", NotFound, "has no version to compare with"),
        ("data/fresh.csv@HEAD", "", "", NotFound, "has no version of data/fresh.csv"),
        ("data", "data/fresh.csv", "", UsageError, "one is a folder"),
        (
            "data/patients.csv",
            "",
            "weight",
            UsageError,
            "The key column 'weight' is not in both tables",
        ),
        ("data/patients.csv", "data/broken.parquet", "", MlopsError, "cannot be read as"),
        ("data/patients.csv", "data/empty.csv", "", MlopsError, "cannot be read as"),
        (
            "data/patients.csv",
            "data/twice.parquet",
            "",
            MlopsError,
            "the column 'a' more than once",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    project: Project, table: Path, a: str, b: str, key: str, kind: type[MlopsError], message: str
) -> None:
    table.with_name("fresh.csv").write_text("a\n1\n")
    table.with_name("broken.parquet").write_text("not parquet")
    table.with_name("empty.csv").write_text("")
    twice = pyarrow.table([[1], [2]], names=["a", "a"])
    pyarrow.parquet.write_table(twice, table.with_name("twice.parquet"))
    with pytest.raises(kind, match=message):
        data.diff(a, b, key=key, project=project)


def test_the_same_line_in_a_terminal(project: Project, table: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "jupyter_mlops.cli",
        "data",
        "diff",
        "data/patients.csv",
        "--key",
        "id",
    ]
    done = subprocess.run(
        [*words, "--json"], capture_output=True, check=True, cwd=project.root, text=True
    )
    assert json.loads(done.stdout)["rows_removed"] == 10
    done = subprocess.run(words, capture_output=True, check=True, cwd=project.root, text=True)
    assert done.stdout.startswith("Rows: 4 added, 10 removed, 190 changed (200 → 194)")
