"""Check estimators loaded from a file: the indices that compiled code uses without checks.

C code walks scikit-learn's trees, neighbour trees and support vectors by indices from the file. With a
changed index it reads memory outside of the model, or never ends. scikit-learn itself checks sizes and
types when it sets them; this module checks the indices once, after loading.
"""

from __future__ import annotations

from typing import Any

from .refused import Refused, one_line

_WHAT = "The model"
_LEAF = -1
_TREES = (
    "sklearn.tree.",
    "sklearn.ensemble._forest",
    "sklearn.ensemble._gb",
    "sklearn.ensemble._iforest",
)
_TEXTS = "sklearn.feature_extraction.text"
_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


def check(model: Any) -> None:
    """Raise unless all indices that compiled code uses are inside of the estimator.

    Raises:
        Refused: a node's child is outside of its tree or an earlier node, or sizes do not match.
    """
    with one_line(_WHAT):
        for item in parts(model):
            _check_numbers(item)
            kind = f"{type(item).__module__}.{type(item).__qualname__}"
            if kind == "sklearn.tree._tree.Tree":
                _check_tree(item)
            elif kind == _PREDICTOR:
                _check_predictor(item)
            elif kind.startswith(("sklearn.neighbors._kd_tree.", "sklearn.neighbors._ball_tree.")):
                _check_neighbours(item)
            elif kind.startswith("sklearn.svm."):
                _check_support(item)
            elif kind.startswith(_TREES):
                _check_widths(item)
                if kind.startswith("sklearn.ensemble._gb."):
                    _check_outputs(item)
            elif hasattr(item, "_predictors"):
                _check_features(item)


def forget_caches(model: Any) -> None:
    """Unset the cache folder of an estimator: a pipeline unpickles its steps' results from there.

    Raises:
        Refused: the model opens files that its input names (`CountVectorizer(input="filename")`).
    """
    for item in parts(model):
        if type(item).__module__ == _TEXTS and getattr(item, "input", "content") != "content":
            raise Refused(f"{_WHAT} opens the files that its input names")
        if isinstance(getattr(item, "memory", None), str) and hasattr(item, "get_params"):
            item.memory = None


def parts(model: Any) -> Any:
    """Yield all objects inside a model, each once."""
    import numpy as np

    seen: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, (str, bytes, int, float, type(None), type)):
            continue
        seen[id(item)] = item
        yield item
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, (list, tuple, set, frozenset)):
            waiting += item
        else:
            if isinstance(item, np.ndarray) and item.dtype.hasobject:
                waiting += (
                    np.asarray(item).ravel().tolist()
                )  # a masked array with its hidden elements
            waiting += getattr(item, "__dict__", {}).values()


def _check_numbers(item: Any) -> None:
    """Raise unless the indices of a sparse matrix are inside of it, and a spline's knots fit its degree."""
    kind = f"{type(item).__module__}.{type(item).__qualname__}"
    if kind.startswith("scipy.sparse."):
        _check_sparse(item)
    elif kind == "scipy.interpolate._bsplines.BSpline":
        count = len(item.t) - item.k - 1
        if not 0 <= item.k < count or len(item.c) < count or not (item.t[1:] >= item.t[:-1]).all():
            raise Refused("A spline of the model has other knots than its degree needs")


def _check_sparse(matrix: Any) -> None:
    form = getattr(matrix, "format", "")
    if form in {"csr", "csc", "bsr"}:
        matrix.check_format(full_check=True)
        good = True
    elif form == "coo":
        good = all(
            len(places) == len(matrix.data)
            and (not len(places) or (places.min() >= 0 and places.max() < size))
            for places, size in zip((matrix.row, matrix.col), matrix.shape, strict=True)
        )
    else:
        good = form == "dia" and matrix.data.shape[:1] == matrix.offsets.shape
    if not good:
        raise Refused("A sparse matrix of the model has places outside of it")


def _check_outputs(estimator: Any) -> None:
    """Raise unless a boosting model has one tree with one output for each of its columns."""
    import numpy as np

    trees = estimator.estimators_
    columns = estimator.n_trees_per_iteration_
    good = (
        type(trees) is np.ndarray
        and trees.ndim == 2
        and trees.shape[1] == columns
        and all(tree.tree_.value.shape[1:] == (1, 1) for tree in trees.ravel().tolist())
    )
    if good and columns > 1:
        row = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
        good = estimator._raw_predict_init(row).shape == (1, columns)  # noqa: SLF001
    if not good:
        raise Refused("The trees of the model differ in number from its outputs")


def _check_tree(tree: Any) -> None:
    state = tree.__getstate__()
    nodes, count = state["nodes"], tree.node_count
    if count < 1 or count != len(nodes) or len(state["values"]) != count:
        raise Refused("A tree of the model has fewer or more nodes than its header says")
    inner = nodes["left_child"] != _LEAF
    features = nodes["feature"][inner]
    _lead_down(nodes["left_child"], nodes["right_child"], inner)
    if not (features >= 0).all() or not (features < tree.n_features).all():
        raise Refused("A tree of the model uses a feature that does not exist")


def _check_predictor(predictor: Any) -> None:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    _lead_down(nodes["left"], nodes["right"], inner, marked=False)
    sets = min(len(predictor.raw_left_cat_bitsets), len(predictor.binned_left_cat_bitsets))
    asked = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
    if not len(nodes) or not (asked < sets).all():
        raise Refused("A tree of the model asks for categories that it does not have")


def _lead_down(left: Any, right: Any, inner: Any, *, marked: bool = True) -> None:
    """Raise unless both children of each inner node are later nodes, so that each walk ends in a leaf."""
    import numpy as np

    places = np.arange(len(left))
    for children in (left, right):
        there = children[inner].astype(np.int64)
        if not (there > places[inner]).all() or not (there < len(left)).all():
            raise Refused("A tree of the model has invalid links between its nodes")
        if marked and not (children[~inner] == _LEAF).all():
            raise Refused("A tree of the model has invalid links between its nodes")


def _check_widths(estimator: Any) -> None:
    """Raise unless each tree of an estimator takes as many features as it receives."""
    trees = (
        [estimator] if hasattr(estimator, "tree_") else _flat(getattr(estimator, "estimators_", []))
    )
    parts = getattr(estimator, "estimators_features_", None)
    for place, tree in enumerate(trees):
        if not hasattr(tree, "tree_"):
            continue
        given = len(parts[place]) if parts is not None else estimator.n_features_in_
        if tree.tree_.n_features != given or tree.n_features_in_ != given:
            raise Refused("A tree of the model takes other features than the model")


def _check_features(estimator: Any) -> None:
    for predictor in _flat(estimator._predictors):  # noqa: SLF001
        nodes = predictor.nodes
        if not (nodes["feature_idx"][nodes["is_leaf"] == 0] < estimator.n_features_in_).all():
            raise Refused("A tree of the model uses a feature that does not exist")


def _check_neighbours(tree: Any) -> None:
    import numpy as np

    rows, order, nodes, bounds = (np.asarray(part) for part in tree.get_arrays())
    state = tree.__getstate__()
    count = len(nodes)
    inner = nodes["is_leaf"] == 0
    places = np.arange(count)
    good = (
        len(order) == len(rows) > 0
        and bool((order >= 0).all())
        and bool((order < len(rows)).all())
        and bool((nodes["idx_start"] >= 0).all())
        and bool((nodes["idx_start"] <= nodes["idx_end"]).all())
        and bool((nodes["idx_end"] <= len(rows)).all())
        and bool((2 * places[inner] + 2 < count).all())
        and bounds.shape[1:] == (count, rows.shape[1])
        and state[6] == count
    )
    if not good:
        raise Refused("The neighbours of the model point to rows that do not exist")


def _check_support(estimator: Any) -> None:
    if not hasattr(estimator, "support_vectors_"):
        return
    vectors, counts = estimator.support_vectors_, estimator._n_support  # noqa: SLF001
    rows, columns = vectors.shape
    dual, intercept = estimator._dual_coef_, estimator._intercept_
    classes = len(counts)
    pairs = classes * (classes - 1) // 2
    one = (
        rows == len(estimator.support_)
        and dual.shape[-1] == rows
        and columns == estimator.shape_fit_[1]
    )
    classifies = hasattr(estimator, "classes_")
    good = (
        one
        and bool((counts >= 0).all())
        and (int(counts.sum()) == rows if classifies else True)
        and dual.shape[0] == (classes - 1 if classifies else 1)
        and len(intercept) == (pairs if classifies else 1)
        and all(len(part) in {0, pairs, 1} for part in (estimator._probA, estimator._probB))  # noqa: SLF001
        and estimator.n_features_in_ == columns
    )
    if not good:
        raise Refused("The support vectors of the model differ in number from what it says")


def _flat(items: Any) -> list[Any]:
    """Return the estimators in a list, a list of lists or an array."""
    found: list[Any] = []
    for item in items.ravel().tolist() if hasattr(items, "ravel") else items:
        found += _flat(item) if isinstance(item, (list, tuple)) else [item]
    return found
