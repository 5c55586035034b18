"""A model format is two files: its declaration, and the module that loads it in a Bento. Nothing else names it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import formats, models, runs, services
from jupyter_mlops.errors import MlopsError, UsageError
from jupyter_mlops.formats.base import registry
from jupyter_mlops.magics import parser
from jupyter_mlops.services.http_client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
#: Linear models as JSON.
_FORMAT = """
import json
import shutil
from jupyter_mlops.formats import Format, NotKept, PackedModel
import coefficients_file
class Coefficients(Format):
    name = "coefficients"
    help = "linear regressions, as JSON"
    libraries = frozenset({"sklearn"})
    file = "coefficients.json"
    def save(self, found, *, params, metrics):
        from jupyter_mlops.formats.libraries import estimators
        from jupyter_mlops.formats.mlflow_models import model_log
        if not hasattr(found.model, "coef_"):
            raise NotKept("it has no coefficients")
        content = {"slopes": found.model.coef_.tolist(), "start": float(found.model.intercept_)}
        def write(folder, mlflow_model):
            folder.mkdir(parents=True)
            (folder / self.file).write_text(json.dumps(content))
            mlflow_model.signature = estimators.signature(found)
            mlflow_model.add_flavor(self.name, data=self.file)
            mlflow_model.save(str(folder / "MLmodel"))
        model_log.log(write, params=params, metrics=metrics)
    def check(self, folder, flavors):
        coefficients_file.Line(folder / self.file)
    def load(self, folder, *, allow_code):
        return coefficients_file.Line(folder / self.file)
    def pack(self, folder, model, target, *, example, allow_code):
        shutil.copyfile(folder / self.file, target / self.file)
        return PackedModel(self.name, self.file, "coefficients_file", asked="estimator")
FORMAT = Coefficients()
"""
_LOADER = """
import json
import numpy as np
RUNS_CODE = False
class Line:
    def __init__(self, file):
        content = json.loads(file.read_text())
        self.slopes, self.start = np.array(content["slopes"]), float(content["start"])
    def predict(self, X):
        return np.asarray(X) @ self.slopes + self.start
def serve(file, about, device):
    return Line(file)
"""
_CELL = """
import numpy as np
from sklearn.linear_model import LinearRegression
X = np.random.default_rng(0).normal(size=(50, 3))
model = LinearRegression().fit(X, X @ [1.0, 2.0, 3.0] + 4)
"""


@pytest.fixture
def coefficients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[formats.Format]:
    """Register a format that lies outside of the package."""
    place = tmp_path / "modules"
    place.mkdir()
    (place / "coefficients_format.py").write_text(_FORMAT)
    (place / "coefficients_file.py").write_text(_LOADER)
    monkeypatch.syspath_prepend(str(place))
    yield formats.register("coefficients_format")
    registry.unregister("coefficients_format")
    for name in ("coefficients_format", "coefficients_file"):
        sys.modules.pop(name, None)


def test_a_new_format_is_recorded_loaded_and_served_without_any_other_change(
    project: Project, cell: Callable[[str], Any], coefficients: formats.Format
) -> None:
    assert cell(f"%%mlops run line --format coefficients{_CELL}").success
    run = runs.get("line")
    assert run.model is not None
    assert (run.model.flavor, run.model.format, run.model.safe) == ("sklearn", "coefficients", True)
    assert models.load_model("line").predict([[1, 1, 1]]) == pytest.approx([10])
    built = services.build("line", project=project)
    assert built.parity is not None
    assert built.parity.equal
    started = services.start("line", project=project)
    try:
        with Client(started.url, name=built.name) as client:
            said = client.predict(models.training_data("line").head(5))
    finally:
        services.stop("line", project=project)
    names = cell.shell.user_ns  # type: ignore[attr-defined]
    assert said["prediction"] == pytest.approx(names["model"].predict(names["X"][:5]).tolist())


def test_a_process_that_did_not_register_it_does_not_call_it_safe_and_does_not_load_it(
    project: Project, cell: Callable[[str], Any], coefficients: formats.Format
) -> None:
    assert cell(f"%%mlops run line --format coefficients{_CELL}").success
    registry._registered.clear()
    try:
        model = runs.get("line").model
        assert model is not None
        assert (model.format, model.safe) == ("coefficients", False)
        with pytest.raises(MlopsError, match=r"code that its MLmodel file names.*--allow-pickle"):
            models.load_model("line")
    finally:
        formats.register("coefficients_format")


def test_what_it_cannot_hold_is_kept_as_usual_and_the_line_says_why(
    project: Project,
    cell: Callable[[str], Any],
    coefficients: formats.Format,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = "from sklearn.tree import DecisionTreeRegressor\nmodel = DecisionTreeRegressor().fit(X, X[:, 0])"
    assert cell(f"%%mlops run tree --format coefficients{_CELL}{source}").success
    assert "not coefficients but skops: it has no coefficients" in capsys.readouterr().out


def test_the_help_and_the_choices_come_from_the_registry(coefficients: formats.Format) -> None:
    (verb,) = [item for item in parser.nouns()["run"].verbs if item.where == "cell"]
    (arg,) = [item for item in verb.args if item.name == "format"]
    assert arg.choices is not None
    assert {"auto", "skops", "coefficients", "pickle"} <= {*arg.choices}
    assert len({*arg.choices}) == len(arg.choices)
    assert arg.choices == registry.choices()
    assert (arg.choices[0], arg.choices[-1]) == ("auto", "pickle")
    assert arg.choices[-2] == "coefficients"  # in the order in which they are tried
    assert "coefficients: linear regressions, as JSON" in arg.help
    parsed = parser.parse(["run", "line", "--format", "coefficients"], cell=True)
    assert parsed.arguments["format"] == "coefficients"


def test_a_module_without_a_format_and_a_name_that_is_taken_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="json has no FORMAT"):
        formats.register("json")
    (tmp_path / "other_skops.py").write_text(
        "from jupyter_mlops.formats import Format\nclass Skops(Format):\n    name = 'skops'\nFORMAT = Skops()"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="There is a format 'skops' already"):
        formats.register("other_skops")
