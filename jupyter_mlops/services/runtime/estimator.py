"""A scikit-learn estimator that answers small batches without the overhead of large ones.

For one row, most of scikit-learn's time is not the model: a DataFrame is made and checked, and a
forest sets up a pool for its trees. Each shorter way is taken only where it is the same arithmetic
in the same order, and a forest's is compared with the estimator's own answers when it is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .schema import Schema

#: These define `predict` as the likeliest class, so one pass over the trees gives both.
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
#: Estimators here read a frame as `to_numpy()` does, and its column names only to check them.
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
    """Switch off its own thread pools: batches give the parallelism, and a pool costs each call."""
    if not hasattr(estimator, "set_params"):
        return estimator
    pools = [name for name in estimator.get_params() if name.split("__")[-1] == "n_jobs"]
    return estimator.set_params(**dict.fromkeys(pools, 1)) if pools else estimator


def takes_array(estimator: Any, schema: Schema) -> bool:
    """Return whether the values alone, without a frame around them, give the same answers."""
    dtypes = {column.dtype for column in schema.columns}
    return "float64" in dtypes and dtypes <= {"float64", "int64", "int32"} and _is_plain(estimator)


def _is_plain(estimator: Any) -> bool:
    if type(estimator).__module__ == "sklearn.pipeline" and hasattr(estimator, "steps"):
        return all(step in (None, "passthrough") or _is_plain(step) for _, step in estimator.steps)
    if hasattr(estimator, "_sklearn_output_config"):
        return False
    return type(estimator).__module__.startswith(_PLAIN)


def forget_names(estimator: Any) -> None:
    """Remove the column names: the schema has put the values into their order already."""
    for step in [estimator, *(step for _, step in getattr(estimator, "steps", []))]:
        if "feature_names_in_" in getattr(step, "__dict__", {}):
            del step.feature_names_in_


def forest(estimator: Any, example: Any) -> Callable[[Any], Any] | None:
    """Return a forest's `predict_proba` (or `predict`) straight over its trees, or None.

    The trees are added in the estimator's own order, so the sums are the same to the last bit.
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
            # Missing or too large: the estimator knows what it makes of these.
            return own(features)
        total = np.zeros((len(narrow), width))
        for tree in trees:
            total += tree.predict(narrow)[:, :width]
        total /= len(trees)
        return total if classifies else total[:, 0]

    return answer if np.array_equal(answer(example), own(example)) else None
