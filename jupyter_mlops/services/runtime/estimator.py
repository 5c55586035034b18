"""Make a scikit-learn estimator faster for small batches.

For one row, scikit-learn spends most of its time outside the model: it creates and checks a DataFrame, and a forest
sets up a thread pool. Each shortcut is used only if it does the same arithmetic in the same order. The shortcut for a
forest is also compared with the estimator's own answers when the model is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .schema import Schema

#: Their `predict` returns the most probable class, so one pass over the trees gives both results.
LIKELIEST = {
    "BaggingClassifier",
    "DecisionTreeClassifier",
    "ExtraTreesClassifier",
    "RandomForestClassifier",
}
_FORESTS = {
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
}
#: Estimators in these modules convert a frame like `to_numpy()`, and only check its column names.
_PLAIN = (
    "sklearn.decomposition.",
    "sklearn.discriminant_analysis",
    "sklearn.ensemble._forest",
    "sklearn.ensemble._gb",
    "sklearn.linear_model.",
    "sklearn.naive_bayes",
    "sklearn.neighbors.",
    "sklearn.neural_network.",
    "sklearn.preprocessing._data",
    "sklearn.svm.",
    "sklearn.tree.",
)


def single_threaded(estimator: Any) -> Any:
    """Disable the estimator's thread pools: batches are parallel enough, and a pool slows each call."""
    if not hasattr(estimator, "set_params"):
        return estimator
    pools = [name for name in estimator.get_params() if name.split("__")[-1] == "n_jobs"]
    return estimator.set_params(**dict.fromkeys(pools, 1)) if pools else estimator


def takes_array(estimator: Any, schema: Schema) -> bool:
    """Return whether the estimator gives the same answers for an array as for a DataFrame."""
    dtypes = {column.dtype for column in schema.columns}
    return "float64" in dtypes and dtypes <= {"float64", "int64", "int32"} and _is_plain(estimator)


def _is_plain(estimator: Any) -> bool:
    if type(estimator).__module__ == "sklearn.pipeline" and hasattr(estimator, "steps"):
        return all(step in (None, "passthrough") or _is_plain(step) for _, step in estimator.steps)
    if hasattr(estimator, "_sklearn_output_config"):
        return False
    return type(estimator).__module__.startswith(_PLAIN)


def forget_names(estimator: Any) -> None:
    """Remove the estimator's column names: the schema has already ordered the values."""
    for step in [estimator, *(step for _, step in getattr(estimator, "steps", []))]:
        if "feature_names_in_" in getattr(step, "__dict__", {}):
            del step.feature_names_in_


def forest(estimator: Any, example: Any) -> Callable[[Any], Any] | None:
    """Return a function that computes a forest's `predict_proba` (or `predict`) from its trees, or None.

    The trees are added in the estimator's own order, so the sums are equal to the last bit.
    """
    if type(estimator).__name__ not in _FORESTS or estimator.n_outputs_ != 1:
        return None
    if type(estimator).__module__ != "sklearn.ensemble._forest":
        return None
    classifies = hasattr(estimator, "predict_proba")
    own = estimator.predict_proba if classifies else estimator.predict
    trees = [tree.tree_ for tree in estimator.estimators_]
    width = estimator.n_classes_ if classifies else 1

    def answer(features: Any) -> Any:
        with np.errstate(over="ignore"):
            narrow = np.ascontiguousarray(features, dtype=np.float32)
        if not np.isfinite(narrow).all():
            # Missing or too large values: use the estimator itself.
            return own(features)
        total = np.zeros((len(narrow), width))
        for tree in trees:
            total += tree.predict(narrow)[:, :width]
        total /= len(trees)
        return total if classifies else total[:, 0]

    return answer if np.array_equal(answer(example), own(example)) else None
