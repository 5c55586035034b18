"""`run why`: runs whose metrics are known exactly, explained by real replays."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import cli, runs
from jupyter_mlops.errors import BackendFailed, NotFound, UsageError
from jupyter_mlops.replays.why.why import why
from tests.integration.environment import test_rebuild as made

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project
    from jupyter_mlops.replays.why.records import Explanation

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
READ = "total = float(sum(map(float, open('data.csv').read().split())))"


def parts(found: Explanation, metric: str = "") -> dict[str, float]:
    """Return what each factor that is not the same explains."""
    change = next(item for item in found.metrics if item.metric == (metric or found.metric))
    assert sum(part.value for part in change.effects) == pytest.approx(change.change)
    return {part.factor: part.value for part in change.effects if part.kind != "same"}


def same(found: Explanation) -> list[str]:
    """Return the factors that do not differ."""
    return [part.factor for part in found.metrics[0].effects if part.kind == "same"]


def test_a_product_of_a_parameter_and_data_is_explained_to_the_last_digit(
    project: Project, cell: Callable[[str], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    Path("data.csv").write_text("1\n2\n")
    cell(f"{READ}\nprint(total)")
    cell("%%mlops run baseline\nscale = 2.0\nscore = scale * total\nhalf = score / 2")
    Path("data.csv").write_text("3\n4\n")
    cell(READ)
    cell("%%mlops run tuned\nscale = 5.0\nscore = scale * total\nhalf = score / 2")
    Path("data.csv").write_text("mine")
    found = why("baseline", "tuned", metric="score")
    assert parts(found) == {"parameters": 9.0, "data": 8.0, "interaction": 12.0}
    assert parts(found, "half") == {"parameters": 4.5, "data": 4.0, "interaction": 6.0}
    assert same(found) == ["code", "environment"]
    assert (found.replays, found.known) == (4, 0)
    assert str(found).splitlines()[1:] == [
        "code           0.0   0 %                (same)",
        "parameters    +9.0  31 %  █████████     scale 2.0 → 5.0",
        "data          +8.0  28 %  ████████      data.csv 6ddb40 → 59dd3f",
        "environment    0.0   0 %                (same)",
        "interaction  +12.0  41 %  ████████████",
        "note: the factors interact; --exact divides the interaction among them",
        "note: also changed: half (--metric NAME, or all in .df)",
    ]
    html = found._repr_html_()
    assert html.count("background: ") == 5
    assert "<svg" not in html
    assert [*found.df.query("metric == 'half'")["factor"]] == [
        "code", "parameters", "data", "environment", "interaction",
    ]  # fmt: skip
    # Nothing of it is left, nothing of the user's was touched, and the answer is known.
    assert not [*(project.state / "reproduce").iterdir()]
    assert Path("data.csv").read_text() == "mine"
    assert len(runs.list()) == 2
    capfd.readouterr()
    assert (
        cli.main(["run", "why", "baseline", "tuned", "--metric", "score", "--exact", "--json"]) == 0
    )
    exact = json.loads(capfd.readouterr().out)
    assert (exact["replays"], exact["known"]) == (0, 4)
    shares = {part["factor"]: part["value"] for part in exact["metrics"][0]["effects"]}
    assert shares == {"code": 0, "parameters": 15.0, "data": 14.0, "environment": 0}


def test_what_cannot_be_explained_is_said_in_one_line(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("%%mlops run a\nscore = 1.0 * 2")
    cell("%%mlops run equal\nscore = 2.0 * 1")
    cell("%%mlops run failed\nscore = 2.0 * 2\nraise ValueError")
    cell("%%mlops run other\nloss = 2.0 * 2")
    with runs.start("logged", project=project) as run:
        run.log_metrics({"score": 5.0})
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"b": "a"}, UsageError, "That is one run, a ("),
        ({"b": "c"}, NotFound, "No run 'c'"),
        ({"b": "failed"}, UsageError, "Run 'failed' failed: there is no result to explain"),
        ({"b": "other"}, UsageError, "Runs 'a' and 'other' have no metric in common"),
        ({"b": "equal"}, UsageError, "There is nothing to explain: score did not change"),
        ({"b": "logged"}, NotFound, "Run 'logged' has no capsule"),
        ({"b": "equal", "metric": "scor"}, UsageError, "The metric 'scor' is not in both runs. Did you mean 'score'?"),
        ({"b": "equal", "tolerance": -1.0}, UsageError, "--tolerance must be 0 or more, not -1.0"),
        ({"b": "equal", "env": "old"}, UsageError, "No environment 'old'"),
    ]  # fmt: skip
    for given, error, line in wrong:
        with pytest.raises(error) as caught:
            why("a", **given)
        assert str(caught.value).startswith(line)
    assert not (project.state / "explanations").exists()


@pytest.mark.slow
def test_only_data_differs(project: Project, cell: Callable[[str], Any]) -> None:
    """Also where git keeps the file, and where only DVC does."""
    Path("data.csv").write_text("1\n2\n")
    Path("big").mkdir()
    Path("big/.gitignore").write_text("*.csv\n")
    Path("big/more.csv").write_text("10")
    train = f"{READ}\nmore = float(open('big/more.csv').read())\nscore = total * more"
    cell(f"%%mlops run a\n{train}")
    Path("data.csv").write_text("3\n4\n")
    cell(f"%%mlops run b\n{train}")
    Path("big/more.csv").write_text("20")
    cell(f"%%mlops run c\n{train}")
    found = why("a", "b")
    assert parts(found) == {"data": 40.0}
    assert (found.replays, same(found)) == (2, ["code", "parameters", "environment"])
    assert [line[:9] for line in found.metrics[0].effects[2].what] == ["data.csv "]
    found = why("a", "c")
    assert parts(found) == {"data": 110.0}
    assert (found.replays, found.known) == (1, 1)


@pytest.mark.slow
def test_code_of_a_module_and_a_constant_in_a_call(
    project: Project, cell: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(project.root)
    Path("steps.py").write_text("def grow(v, by=1):\n    return v + by\n")
    Path("notes.md").write_text("one")
    cell("import importlib, steps")
    cell("%%mlops run a\nscore = steps.grow(2.0, by=3) * 1")
    # Longer, or Python would take the bytecode of the same second for it.
    Path("steps.py").write_text("def grow(v, by=1):\n    return v * by  # times\n")
    Path("notes.md").write_text("two")
    cell("importlib.reload(steps)")
    cell("%%mlops run b\nscore = steps.grow(2.0, by=5) * 1")
    del sys.modules["steps"]
    found = why("a", "b")
    assert parts(found) == {"code": 1.0, "parameters": 2.0, "interaction": 2.0}
    effects = {part.factor: part.what for part in found.metrics[0].effects}
    assert effects["code"] == ["steps.py"]
    assert effects["parameters"] == ["by 3 → 5"]


@pytest.mark.slow
def test_new_code_that_needs_the_new_data_is_one_factor_with_it(
    project: Project, cell: Callable[[str], Any]
) -> None:
    load = "import pandas as pd\ntable = pd.read_csv('table.csv')"
    Path("table.csv").write_text("a\n1\n2\n")
    cell(load)
    cell("%%mlops run old\nrate = 2.0\nscore = table.a.sum() * rate")
    Path("table.csv").write_text("a,age\n1,5\n2,6\n")
    cell(load)
    cell("%%mlops run new\nrate = 3.0\nscore = (table.a + table.age).sum() * rate")
    found = why("old", "new")
    assert parts(found) == {"code + data": 22.0, "parameters": 3.0, "interaction": 11.0}
    told = next(note for note in found.notes if "separated" in note)
    assert told.startswith("code and data cannot be separated: Cell [2] failed: AttributeError")
    assert same(found) == ["environment"]


@pytest.mark.slow
def test_luck_is_a_factor_of_its_own_where_nobody_seeded(
    project: Project, cell: Callable[[str], Any]
) -> None:
    cell("import random\nrandom.seed(1)")
    cell("%%mlops run a\nshift = 1.0\nscore = shift + random.random()")
    cell("%%mlops run b\nshift = 5.0\nscore = shift + random.random()")
    found = why("a", "b")
    a, b = (float(runs.get(name).metrics["score"] or 0) for name in "ab")
    assert parts(found)["parameters"] == pytest.approx(4.0)
    assert parts(found)["random state"] == pytest.approx(b - a - 4.0)
    assert parts(found)["interaction"] == pytest.approx(0.0)


@pytest.mark.slow
def test_noise_is_said_and_never_attributed(project: Project, cell: Callable[[str], Any]) -> None:
    cell("import os")
    noise = "int.from_bytes(os.urandom(2)) / 65536"
    cell(f"%%mlops run a\nshift = 1.0\nscore = shift + {noise}")
    _another_kernel(cell)
    cell("import os")
    cell(f"%%mlops run b\nshift = 1.5\nscore = shift + {noise}")
    found = why("a", "b")
    assert [*parts(found)] == ["parameters", "not reproduced"]
    assert found.notes[0].startswith("a gives another result in the replay: score 1.")
    assert found.notes[2].startswith("effects below ")
    assert found.shown_change.noise > 0
    again = why("a", "b", fresh=True)
    assert again.replays == found.replays == 2
    assert parts(again) != parts(found)


@pytest.mark.slow
def test_runs_of_two_kernels_and_a_longer_history(
    project: Project, cell: Callable[[str], Any]
) -> None:
    """What the second notebook looked at in between is no difference."""
    Path("data.csv").write_text("1\n2\n")
    cell(READ)
    cell("%%mlops run a\nscore = total * len('ab')")
    _another_kernel(cell)
    cell("wrong = 1")
    cell("1 / 0")
    cell(READ)
    cell("total * 2")
    cell("other = total * 3")
    cell("%%mlops run b\nscore = total * len('abcd')")
    found = why("a", "b")
    assert parts(found) == {"parameters": 6.0}
    assert found.replays == 2


@pytest.mark.slow
def test_a_run_that_cannot_be_done_again_is_said(
    project: Project, cell: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _prompt: "4")
    cell("count = int(input('how many? '))")
    cell("%%mlops run a\nscore = count * 0.5")
    cell("%%mlops run b\nscore = count * 0.7")
    with pytest.raises(BackendFailed) as caught:
        why("a", "b")
    assert str(caught.value) == (
        "Run 'a' cannot be replayed: Cell [1] asks for input(), and what was typed is not recorded. "
        "More about it: %mlops run reproduce a"
    )


@pytest.mark.slow
def test_the_environment_is_swapped_where_the_packages_differ(
    project: Project, cell: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run's package is installed by the real uv, from a wheel."""
    wheels = [
        made.wheel(tmp_path / "wheels", "mlopsprobe", version, mlopsprobe=f"value = {value}\n")
        for version, value in (("1.0", 2.0), ("2.0", 5.0))
    ]
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    with monkeypatch.context() as then:
        made._installed(tmp_path / "then", wheels[0], then)
        cell("import mlopsprobe")
        cell("%%mlops run a\nrate = 3.0\nscore = mlopsprobe.value * rate")
    sys.modules.pop("mlopsprobe")
    made._installed(tmp_path / "now", wheels[1], monkeypatch)
    cell("import mlopsprobe")
    cell("%%mlops run b\nrate = 7.0\nscore = mlopsprobe.value * rate")
    found = why("a", "b")
    assert parts(found) == {"parameters": 8.0, "environment": 9.0, "interaction": 12.0}
    assert found.metrics[0].effects[3].what == ["mlopsprobe 1.0 → 2.0"]
    # With the packages of now, what A's replay is off is the environment's, and said to be so.
    found = why("a", "b", env="current")
    assert parts(found) == {"parameters": 20.0, "environment": 9.0}
    assert found.metrics[0].effects[-1].kind == "not swapped"
    assert "the environment was not swapped" in " ".join(found.notes)


def _another_kernel(cell: Callable[[str], Any]) -> None:
    """Begin a history anew, in an empty namespace."""
    shell = cell.shell  # type: ignore[attr-defined]
    shell.run_line_magic("unload_ext", "jupyter_mlops")
    shell.reset()
    shell.run_line_magic("load_ext", "jupyter_mlops")
