"""skops files whose numbers make compiled code leave its memory: refused, and the same models unchanged are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn.ensemble import (  # fmt: skip
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from sklearn.svm import SVC

from jupyter_mlops.model_files import skops_file
from jupyter_mlops.model_files.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(90, 6))
Y = (X[:, 0] > 0).astype(int)
THREE = np.digitize(X[:, 1], [-0.4, 0.4])
TEXTS = ["red fox", "blue fox", "red bird", "blue bird"]


def _masked(model: Any) -> None:
    hidden = np.empty(len(model.estimators_), object)
    hidden[:] = model.estimators_
    for tree in hidden:
        state = tree.tree_.__getstate__()
        state["nodes"]["left_child"][0] = state["nodes"]["right_child"][0] = 2**40
        tree.tree_.__setstate__(state)
    model.estimators_ = np.ma.MaskedArray(hidden)


def _sparse(kind: str, places: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.coef_ = getattr(sparse, f"{kind}_matrix")(model.coef_)
        getattr(model.coef_, places)[:] = 2**30

    return change


def _row_pointers(model: Any) -> None:
    model.support_vectors_.indptr[1:-1] = 2**30


def _one_row_of_trees(model: Any) -> None:
    model.estimators_ = model.estimators_.reshape(1, -1)


def _more_columns(model: Any) -> None:
    model.estimators_ = np.hstack([model.estimators_] * 3)
    model.n_trees_per_iteration_ = model.estimators_.shape[1]


def _fewer_classes_at_first(model: Any) -> None:
    model.init_ = GradientBoostingClassifier(n_estimators=2).fit(X, Y).init_


def _spline(**values: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for spline in model[0].bsplines_:
            for name, value in values.items():
                setattr(spline, name, value)

    return change


def _opens(model: Any) -> None:
    model[0].input = "filename"


def _boosted(y: Any, **options: Any) -> Any:
    kind = GradientBoostingRegressor if y.dtype.kind == "f" else GradientBoostingClassifier
    return kind(n_estimators=5, max_depth=2, **options).fit(X, y)


def _splined() -> Any:
    return make_pipeline(SplineTransformer(), LogisticRegression()).fit(X, Y)


def _reads(vectorizer: Any) -> Any:
    return make_pipeline(vectorizer, LogisticRegression()).fit(TEXTS, [0, 1, 0, 1])


_FOREST = lambda: RandomForestClassifier(3).fit(X, Y)  # noqa: E731
_LINEAR = lambda: LogisticRegression().fit(X, Y)  # noqa: E731
ATTACKS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "trees in a masked array": (_FOREST, _masked),
    "csr columns": (_LINEAR, _sparse("csr", "indices")),
    "csc rows": (_LINEAR, _sparse("csc", "indices")),
    "csc pointers": (_LINEAR, _sparse("csc", "indptr")),
    "coo columns": (_LINEAR, _sparse("coo", "col")),
    "support vectors": (lambda: SVC().fit(sparse.csr_matrix(X), Y), _row_pointers),
    "all trees in one row": (lambda: _boosted(X[:, 0]), _one_row_of_trees),
    "a column too many": (lambda: _boosted(THREE), _more_columns),
    "fewer classes at first": (lambda: _boosted(THREE), _fewer_classes_at_first),
    "a spline's degree": (_splined, _spline(k=2**25)),
    "a spline's knots": (_splined, _spline(t=np.linspace(1, 0, 10))),
    "a spline's coefficients": (_splined, _spline(c=np.zeros((1, 5)))),
    "files of CountVectorizer": (lambda: _reads(CountVectorizer()), _opens),
    "files of TfidfVectorizer": (lambda: _reads(TfidfVectorizer()), _opens),
    "files of HashingVectorizer": (lambda: _reads(HashingVectorizer(n_features=16)), _opens),
}


def test_numbers_outside_of_a_model_are_refused(trials: Trials) -> None:
    for name, (make, change) in ATTACKS.items():
        model = make()
        change(model)
        content = skops.io.dumps(model)
        loaded = name
        with pytest.raises(Refused):
            loaded = skops_file.load(content)
        assert loaded is name
    trials("numbers in a skops file that lead compiled code astray", len(ATTACKS), "refused")


@pytest.mark.parametrize(
    ("make", "rows"),
    [
        *((make, TEXTS if name.startswith("files") else X) for name, (make, _) in ATTACKS.items()),
        (lambda: _LINEAR().sparsify(), X),
        (lambda: _boosted(Y, init="zero"), X),
        (lambda: _boosted(THREE, init="zero"), X),
        (lambda: _boosted(THREE, init=LogisticRegression()), X),
        (lambda: GridSearchCV(_FOREST(), {"max_depth": [1, 2], "n_estimators": [2]}, cv=2).fit(X, Y), X),
    ],
)  # fmt: skip
def test_ordinary_models_are_loaded(make: Callable[[], Any], rows: Any) -> None:
    model = make()
    if isinstance(model, SVC):
        rows = sparse.csr_matrix(rows)
    loaded = skops_file.load(skops.io.dumps(model))
    assert np.array_equal(loaded.predict(rows), model.predict(rows))
