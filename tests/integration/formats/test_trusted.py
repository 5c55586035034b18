"""Which of scikit-learn's own estimators are stored without a pickle: nearly all, the others by name."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.base import is_regressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from jupyter_mlops.model_files.skops_trusted import TRUSTED

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
#: Estimators that skops does not store, or only with types that are not trusted.
PICKLED = {"Birch"}
_PAIR = [("a", LogisticRegression()), ("b", LogisticRegression(C=2))]
_LINES = [("a", LinearRegression()), ("b", LinearRegression(positive=True))]
_SEARCHED: tuple[Any, ...] = (LogisticRegression(), {"C": [1, 2]})
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "ColumnTransformer": ([("a", StandardScaler(), [0, 1])],),
    "FeatureUnion": ([("a", StandardScaler())],),
    "FrozenEstimator": (LogisticRegression().fit([[0], [1]], [0, 1]),),
    "GridSearchCV": _SEARCHED,
    "Pipeline": ([("a", StandardScaler()), ("b", LogisticRegression())],),
    "RandomizedSearchCV": _SEARCHED,
    "SelfTrainingClassifier": (LogisticRegression(),),
    "SparseCoder": (np.eye(4),),
    "StackingClassifier": (_PAIR,),
    "StackingRegressor": (_LINES,),
    "VotingClassifier": (_PAIR,),
    "VotingRegressor": (_LINES,),
}
_SETTINGS: dict[str, dict[str, Any]] = {
    "CCA": {"n_components": 1},
    "GaussianRandomProjection": {"n_components": 2},
    "PLSCanonical": {"n_components": 1},
    "PLSSVD": {"n_components": 1},
    "SparseRandomProjection": {"n_components": 2},
}
_RANDOM = np.random.RandomState(0)
_X = np.abs(_RANDOM.rand(60, 4))
_LABELS = (_X[:, 0] > 0.5).astype(int)
_VALUES = _X[:, 0] + _X[:, 1]
_TEXTS = ["one two three", "two three four"]
_FITTED_ON: dict[str, tuple[Any, ...]] = {
    "ClassifierChain": (_X, np.c_[_LABELS, 1 - _LABELS]),
    "CountVectorizer": (_TEXTS,),
    "DictVectorizer": ([{"a": 1}, {"b": 2}],),
    "FeatureHasher": ([{"a": 1}, {"b": 2}],),
    "HashingVectorizer": (_TEXTS,),
    "IsotonicRegression": (_X[:, 0], _VALUES),
    "KernelCenterer": (_X @ _X.T,),
    "LabelBinarizer": (_LABELS,),
    "LabelEncoder": (_LABELS,),
    "MultiLabelBinarizer": ([["a"], ["b"]],),
    "MultiOutputClassifier": (_X, np.c_[_LABELS, 1 - _LABELS]),
    "MultiOutputRegressor": (_X, np.c_[_VALUES, _VALUES]),
    "PatchExtractor": (_RANDOM.rand(3, 8, 8),),
    "RegressorChain": (_X, np.c_[_VALUES, _VALUES]),
    "TfidfVectorizer": (_TEXTS,),
}


def _fitted(name: str, kind: type[Any]) -> Any:
    settings = dict(_SETTINGS.get(name, {}))
    for parameter in ("estimator", "base_estimator"):
        known = inspect.signature(kind).parameters.get(parameter)
        if known and known.default is inspect.Parameter.empty and name not in _ARGUMENTS:
            settings[parameter] = LinearRegression() if "Regress" in name else LogisticRegression()
    model = kind(*_ARGUMENTS.get(name, ()), **settings)
    labels = hasattr(model, "predict_proba") or "Threshold" in name or not is_regressor(model)
    usual = (
        (_X, np.c_[_VALUES, _VALUES])
        if name.startswith("MultiTask")
        else (_X, _LABELS if labels else _VALUES)
    )
    return model.fit(*_FITTED_ON.get(name, usual))


@pytest.mark.slow
def test_every_estimator_of_scikit_learn_is_stored_by_skops_with_only_trusted_types() -> None:
    pickled = {}
    kinds = all_estimators()
    for name, kind in kinds:
        model = _fitted(name, kind)
        try:
            content = skops.io.dumps(model)
        except Exception as error:
            pickled[name] = str(error)
            continue
        unknown = set(skops.io.get_untrusted_types(data=content))
        if unknown - TRUSTED:
            pickled[name] = ", ".join(sorted(unknown - TRUSTED))
        else:
            skops.io.loads(content, trusted=sorted(unknown))
    print(f"{len(kinds) - len(pickled)} of {len(kinds)} estimators need no pickle; {pickled}")
    assert pickled.keys() == PICKLED, pickled


def test_a_distribution_is_not_trusted_because_loading_it_executes_its_state() -> None:
    from scipy import stats
    from sklearn.model_selection import RandomizedSearchCV

    search = RandomizedSearchCV(LogisticRegression(), {"C": stats.uniform(0.5, 1)}, n_iter=2, cv=2)
    try:
        content = skops.io.dumps(search.fit(_X, _LABELS))
    except Exception:
        return  # it cannot be written at all
    assert {*skops.io.get_untrusted_types(data=content)} - TRUSTED
