"""The import contracts of pyproject.toml and the test of the table of verbs, each seen to fail.

Faults are planted in a copy of the package, those of the contracts in one and those of the table in another.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LAYERS, CIRCLES = "Each room knows only the rooms below it", "No circles inside a room"


class Copy:
    """A copy of the package, with the contracts and the test of the table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            REPOSITORY / "jupyter_mlops",
            folder / "jupyter_mlops",
            ignore=shutil.ignore_patterns("__pycache__", "labextension"),
        )
        shutil.copy(REPOSITORY / "pyproject.toml", folder)
        tests = folder / "tests" / "unit" / "magics"
        tests.mkdir(parents=True)
        shutil.copy(REPOSITORY / "tests" / "unit" / "magics" / "test_verbs.py", tests)

    def plant(self, file: str, code: str, *, instead_of: str = "") -> None:
        """Append code to a file of the package, or replace some of it."""
        path = self.folder / "jupyter_mlops" / file
        before = path.read_text("utf-8") if path.exists() else ""
        assert instead_of in before
        after = before.replace(instead_of, code, 1) if instead_of else f"{before}\n{code}\n"
        path.write_text(after, encoding="utf-8")

    def broken_contracts(self) -> dict[str, str]:
        """Return what `lint-imports` reports of each broken contract."""
        done = self._run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
        report = done.stdout + done.stderr
        names = [line for line in report.splitlines() if line.endswith(" BROKEN")]
        assert (done.returncode == 1) == bool(names), report
        _, _, details = report.partition("Broken contracts")
        found = {name.removesuffix(" BROKEN"): "" for name in names}
        for name in found:
            _, _, mine = details.partition(f"\n{name}\n-")
            others = [mine.find(f"\n{other}\n-") for other in found]
            found[name] = mine[: min((at for at in others if at >= 0), default=len(mine))]
        return found

    def failures_of_the_table(self) -> set[str]:
        """Return the names of the tests of the table that fail."""
        done = self._run(
            sys.executable, "-m", "pytest", "tests", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"
        )  # fmt: skip
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        return {
            line.partition("::")[2].partition(" - ")[0]
            for line in done.stdout.splitlines()
            if line.startswith("FAILED ")
        }

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # Rich would cut the contracts' names to the width of a terminal.
        environment = os.environ | {"COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )


def test_the_package_as_it_is_keeps_every_contract(tmp_path: Path) -> None:
    assert Copy(tmp_path).broken_contracts() == {}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the reports on a package with imports that are not allowed."""
    copy = Copy(tmp_path_factory.mktemp("imports"))
    inside = "def late():\n    from jupyter_mlops."
    copy.plant("runs/trash.py", "from jupyter_mlops.drift import histograms")
    copy.plant("runs/capsules/slice_record.py", "from jupyter_mlops.runs.comparison import curves")
    copy.plant("jobs/ticks.py", f"{inside}jobs import scheduler")
    copy.plant("data/garbage.py", f"{inside}services import records")
    copy.plant("data/remotes.py", "if TYPE_CHECKING:\n    from jupyter_mlops.jobs import records")
    copy.plant("helpers.py", '"""A module of no room."""')
    copy.plant("jobs/state.py", "def late():\n    import mlflow")
    return copy.broken_contracts()


def test_a_circle_between_two_rooms(broken: dict[str, str]) -> None:
    assert "jupyter_mlops.runs is not allowed to import jupyter_mlops.drift" in broken[LAYERS]
    assert "jupyter_mlops.runs.trash -> jupyter_mlops.drift.histograms" in broken[LAYERS]


def test_an_upward_import_inside_a_function(broken: dict[str, str]) -> None:
    assert "jupyter_mlops.data.garbage -> jupyter_mlops.services.records" in broken[LAYERS]


def test_an_upward_import_for_types(broken: dict[str, str]) -> None:
    assert "jupyter_mlops.data.remotes -> jupyter_mlops.jobs.records" in broken[LAYERS]


def test_a_module_that_no_layer_names(broken: dict[str, str]) -> None:
    assert "jupyter_mlops.helpers" in broken[LAYERS]


def test_a_circle_between_sub_packages_of_a_room(broken: dict[str, str]) -> None:
    # comparison imports capsules already.
    assert ".capsules" in broken[CIRCLES]
    assert ".comparison" in broken[CIRCLES]


def test_a_circle_between_modules_of_a_room(broken: dict[str, str]) -> None:
    # scheduler imports ticks already.
    assert ".scheduler" in broken[CIRCLES]
    assert ".ticks" in broken[CIRCLES]


def test_a_backend_outside_of_its_rooms(broken: dict[str, str]) -> None:
    (report,) = (broken[name] for name in broken if name.startswith("mlflow is imported only in"))
    assert "jupyter_mlops.jobs.state -> mlflow" in report


def test_imports_for_types_are_counted_and_no_import_is_exempt() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    linter = settings["tool"]["importlinter"]
    assert not linter.get("exclude_type_checking_imports", False)
    assert [one["name"] for one in linter["contracts"] if one.get("ignore_imports")] == []


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the failed tests of a table with wrong functions."""
    copy = Copy(tmp_path_factory.mktemp("table"))
    row = 'Verb("status", "list the files that differ from their versions"'
    copy.plant("magics/verbs/data.py", f'{row}, function="list"', instead_of=row)
    copy.plant("data/verbs.py", "checkout = add")
    copy.plant("runs/retention.py", "def compare(a, b):\n    return a == b")
    copy.plant("replays/export.py", "def reproduce(run):\n    return run")
    copy.plant("jobs/scheduler.py", "async def scheduler():\n    pass")
    copy.plant(
        "jobs/history.py", "try:\n    import gone\nexcept ImportError:\n    def sync(): pass"
    )
    copy.plant("runs/query.py", "curves = lambda run: run")
    copy.plant("data/cache.py", "if True:\n    def diff(a, b): pass")
    copy.plant("runs/trash.py", "def restore(run):\n    return run")
    copy.plant("models/gate.py", '"""A module with the name of a verb."""')
    copy.plant(
        "server/handlers.py",
        "jobs.has_schedules(project)",
        instead_of="drift.show(run, project=project)",
    )
    return copy.failures_of_the_table()


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("a row with another function", "test_a_row_names_the_function_of_its_noun[data status]"),
        ("another name, not listed", "test_only_the_listed_rows_have_another_name"),
        ("a function under another's name", "test_a_row_names_the_function_of_its_noun[data checkout]"),
        ("a second function", "test_a_verb_has_one_function[run compare]"),
        ("a second function in the room of the verb's function", "test_a_verb_has_one_function[run reproduce]"),
        ("a second function below its noun", "test_a_verb_has_one_function[scheduler]"),
        ("a second function in another noun, inside try", "test_a_verb_has_one_function[run sync]"),
        ("a second function by assignment", "test_a_verb_has_one_function[run curves]"),
        ("a second function inside if", "test_a_verb_has_one_function[data diff]"),
        ("a second function in the same file", "test_a_verb_has_one_function[run restore]"),
        ("a module in a verb's place", "test_a_row_names_the_function_of_its_noun[model gate]"),
        ("a route with its own function", "test_the_routes_call_verbs_and_nothing_else"),
    ],
)  # fmt: skip
def test_a_verb_with_another_function(failed: set[str], fault: str, test: str) -> None:
    assert test in failed


def test_other_rows_do_not_fail(failed: set[str]) -> None:
    assert "test_a_row_names_the_function_of_its_noun[run compare]" not in failed
    assert "test_a_verb_has_one_function[job list]" not in failed
