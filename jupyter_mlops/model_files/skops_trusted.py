"""Types outside skops' own list that a stored model may hold: exact names, each one reviewed.

The review covers the code that loading runs: skops creates the object without its constructor, then
calls its `__setstate__` or sets its `__dict__`; a function is looked up by its name. The distributions of
scipy.stats are excluded: their `__setstate__` executes a template filled from their state.
"""

from __future__ import annotations

#: Cython classes whose state is arrays and numbers; they check size and type when the state is set.
_ARRAYS = {
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.cluster._bisect_k_means._BisectingTree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
}
#: Plain Python objects with attributes; loading runs no code of theirs.
_PLAIN = {
    "collections.OrderedDict",
    "numpy.dtype",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
}
#: Kernels: numbers, and other kernels.
_KERNELS = {
    f"sklearn.gaussian_process.kernels.{name}"
    for name in (
        "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern", "Product", "RBF",
        "RationalQuadratic", "Sum", "WhiteKernel",
    )
}  # fmt: skip
#: Splitters and scorers of a search: numbers and seeds, and a metric of scikit-learn by its name.
_SEARCH = {
    *(
        f"sklearn.model_selection._split.{name}"
        for name in (
            "GroupKFold", "GroupShuffleSplit", "KFold", "LeaveOneOut", "RepeatedKFold",
            "RepeatedStratifiedKFold", "ShuffleSplit", "StratifiedGroupKFold", "StratifiedKFold",
            "StratifiedShuffleSplit", "TimeSeriesSplit",
        )
    ),
    *(
        f"sklearn.metrics._scorer.{name}"
        for name in ("_CurveScorer", "_MultimetricScorer", "_PassthroughScorer", "_Scorer")
    ),
    *(
        f"sklearn.metrics._classification.{name}"
        for name in (
            "accuracy_score", "balanced_accuracy_score", "brier_score_loss", "f1_score",
            "jaccard_score", "log_loss", "matthews_corrcoef", "precision_score", "recall_score",
        )
    ),
    *(
        f"sklearn.metrics._ranking.{name}"
        for name in ("average_precision_score", "roc_auc_score", "top_k_accuracy_score")
    ),
    *(
        f"sklearn.metrics._regression.{name}"
        for name in (
            "explained_variance_score", "max_error", "mean_absolute_error",
            "mean_absolute_percentage_error", "mean_gamma_deviance", "mean_poisson_deviance",
            "mean_squared_error", "mean_squared_log_error", "median_absolute_error", "r2_score",
            "root_mean_squared_error", "root_mean_squared_log_error",
        )
    ),
}  # fmt: skip
#: Functions from arrays to arrays that an estimator refers to.
_FUNCTIONS = {
    "numpy.mean",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "sklearn.cluster._kmeans._kmeans_single_lloyd",
    "sklearn.feature_selection._univariate_selection.f_classif",
}
#: Boosters parse their trees from text (LightGBM) or UBJSON (XGBoost) in C++; their estimators hold
#: parameters.
_BOOSTERS = {
    "lightgbm.basic.Booster",
    *(f"lightgbm.sklearn.LGBM{name}" for name in ("Classifier", "Model", "Ranker", "Regressor")),
    "xgboost.core.Booster",
    *(
        f"xgboost.sklearn.XGB{name}"
        for name in ("Classifier", "Model", "RFClassifier", "RFRegressor", "Ranker", "Regressor")
    ),
}

TRUSTED = frozenset(_ARRAYS | _PLAIN | _KERNELS | _SEARCH | _FUNCTIONS | _BOOSTERS)
