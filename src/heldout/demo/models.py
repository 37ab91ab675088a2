"""The demo's classifiers, weak and strong, as a table; scikit-learn is imported to fit them.

Weak ones are weak by what they are (a tree of two questions, a network of one unit) or by what they
see (the ink of one row): all train on the same 600 images.
"""

from __future__ import annotations

import importlib
import inspect
import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.demo.data import BRIGHTEST, TRAINED_ON
from heldout.demo.draws import generator

FloatArray = NDArray[np.float64]

FEATURES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "pixels": lambda x: x.reshape(-1, 64),
    "top half": lambda x: x[:, :4].reshape(-1, 32),
    "bottom half": lambda x: x[:, 4:].reshape(-1, 32),
    "middle 4 x 4": lambda x: x[:, 2:6, 2:6].reshape(-1, 16),
    "4 x 4 means": lambda x: x.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16),
    "2 x 2 means": lambda x: x.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)).reshape(-1, 4),
    "row means": lambda x: x.mean(axis=2),
    "column means": lambda x: x.mean(axis=1),
    "one row": lambda x: x[:, 4],
    "mean": lambda x: x.mean(axis=(1, 2))[:, None],
}


@dataclass(frozen=True, slots=True)
class Classifier:
    """One model: the scikit-learn class behind it, its parameters, and what it sees."""

    name: str
    family: str
    estimator: str
    features: str
    parameters: Mapping[str, Any]

    def metadata(self) -> dict[str, Any]:
        """The row of the store's models."""
        return {
            "model": self.name,
            "family": self.family,
            "estimator": f"sklearn.{self.estimator}",
            "parameters": json.dumps(dict(self.parameters), sort_keys=True),
            "features": self.features,
            "trained_on": TRAINED_ON,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained classifier and what scikit-learn warned of while it was trained."""

    classifier: Classifier
    estimator: Any
    warnings: tuple[str, ...]


def _one(
    name: str, family: str, estimator: str, features: str = "pixels", **parameters: Any
) -> Classifier:
    return Classifier(name, family, estimator, features, parameters)


_LOGISTIC = "linear_model.LogisticRegression"
_RIDGE = "linear_model.RidgeClassifier"
_NEAREST = "neighbors.KNeighborsClassifier"
_TREE = "tree.DecisionTreeClassifier"
_FOREST = "ensemble.RandomForestClassifier"
_NETWORK = "neural_network.MLPClassifier"
_SMALL: Mapping[str, Any] = {"solver": "lbfgs", "max_iter": 5000}
_LARGE: Mapping[str, Any] = {"learning_rate_init": 0.01, "tol": 1e-3, "max_iter": 500}

CLASSIFIERS = (
    _one("constant", "constant", "dummy.DummyClassifier", strategy="most_frequent"),
    _one("logistic", "linear", _LOGISTIC, max_iter=1000),
    _one("logistic-small", "linear", _LOGISTIC, C=0.001, max_iter=1000),
    _one("logistic-cols", "linear", _LOGISTIC, "column means", C=10.0, max_iter=1000),
    _one("logistic-row", "linear", _LOGISTIC, "one row", max_iter=1000),
    _one("logistic-2x2", "linear", _LOGISTIC, "2 x 2 means", C=10.0, max_iter=1000),
    _one("logistic-mean", "linear", _LOGISTIC, "mean", C=100.0, max_iter=1000),
    _one("ridge", "linear", _RIDGE, alpha=1.0),
    _one("ridge-top", "linear", _RIDGE, "top half", alpha=1.0),
    _one("ridge-middle", "linear", _RIDGE, "middle 4 x 4", alpha=1.0),
    _one("lda", "linear", "discriminant_analysis.LinearDiscriminantAnalysis",
         solver="lsqr", shrinkage="auto"),
    _one("perceptron", "linear", "linear_model.Perceptron"),
    _one("sgd-log-loss", "linear", "linear_model.SGDClassifier", loss="log_loss", alpha=1e-3),
    _one("knn-1", "neighbours", _NEAREST, n_neighbors=1),
    _one("knn-5", "neighbours", _NEAREST, n_neighbors=5),
    _one("knn-50", "neighbours", _NEAREST, n_neighbors=50),
    _one("knn-200", "neighbours", _NEAREST, n_neighbors=200),
    _one("knn-5-4x4", "neighbours", _NEAREST, "4 x 4 means", n_neighbors=5),
    _one("knn-5-bottom", "neighbours", _NEAREST, "bottom half", n_neighbors=5),
    _one("knn-5-row", "neighbours", _NEAREST, "one row", n_neighbors=5),
    _one("knn-5-cols", "neighbours", _NEAREST, "column means", n_neighbors=5),
    _one("tree-depth-1", "tree", _TREE, max_depth=1),
    _one("tree-depth-2", "tree", _TREE, max_depth=2),
    _one("tree-depth-3", "tree", _TREE, max_depth=3),
    _one("tree-depth-5", "tree", _TREE, max_depth=5),
    _one("tree", "tree", _TREE),
    _one("extra-tree", "tree", "tree.ExtraTreeClassifier"),
    _one("forest-3", "forest", _FOREST, n_estimators=3),
    _one("forest-10", "forest", _FOREST, n_estimators=10),
    _one("forest-100", "forest", _FOREST, n_estimators=100),
    _one("forest-shallow", "forest", _FOREST, n_estimators=50, max_depth=3),
    _one("extra-100", "forest", "ensemble.ExtraTreesClassifier", n_estimators=100),
    _one("bagged-20", "forest", "ensemble.BaggingClassifier", n_estimators=20),
    _one("stumps-5", "boosting", "ensemble.GradientBoostingClassifier",
         n_estimators=5, max_depth=1),
    _one("boosted-30", "boosting", "ensemble.GradientBoostingClassifier",
         n_estimators=30, max_depth=2),
    _one("hist-boost-30", "boosting", "ensemble.HistGradientBoostingClassifier",
         max_iter=30, max_leaf_nodes=8),
    _one("svm-linear", "svm", "svm.LinearSVC", C=0.1, dual=False),
    _one("svm-cubic", "svm", "svm.SVC", kernel="poly", degree=3),
    _one("svm-rbf", "svm", "svm.SVC", C=10.0),
    _one("svm-rbf-soft", "svm", "svm.SVC", C=0.1),
    _one("bayes-gaussian", "bayes", "naive_bayes.GaussianNB", var_smoothing=1e-2),
    _one("bayes-counts", "bayes", "naive_bayes.MultinomialNB"),
    _one("bayes-binary", "bayes", "naive_bayes.BernoulliNB", binarize=0.5),
    _one("network-1", "network", _NETWORK, hidden_layer_sizes=(1,), alpha=0.1, **_SMALL),
    _one("network-2", "network", _NETWORK, hidden_layer_sizes=(2,), alpha=0.1, **_SMALL),
    _one("network-5", "network", _NETWORK, hidden_layer_sizes=(5,), alpha=0.1, **_SMALL),
    _one("network-100", "network", _NETWORK, hidden_layer_sizes=(100,), **_LARGE),
    _one("network-50-50", "network", _NETWORK, hidden_layer_sizes=(50, 50), **_LARGE),
)  # fmt: skip


def fit(
    classifier: Classifier, images: NDArray[Any], label: NDArray[np.int32], seed: int
) -> Fitted:
    """Train on images (n, 8, 8); whatever scikit-learn warns of is kept, not printed."""
    module, _, name = classifier.estimator.rpartition(".")
    make = getattr(importlib.import_module(f"sklearn.{module}"), name)
    parameters = dict(classifier.parameters)
    if "random_state" in inspect.signature(make).parameters:
        draw = generator(seed, "training", classifier.name)
        parameters["random_state"] = int(draw.integers(2**31))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = make(**parameters).fit(_seen(classifier, images), label)
    said = dict.fromkeys(f"{classifier.name}: {_first_line(w.message)}" for w in caught)
    return Fitted(classifier, estimator, tuple(said))


def predict(fitted: Fitted, images: NDArray[Any]) -> tuple[NDArray[np.int32], FloatArray]:
    """Predicted classes (n,), and the probability given to each, NaN where the model has none.

    Probabilities are rounded to 5 digits, which no reader misses and the last bits of a sum,
    which may depend on the order of its terms, seldom reach.
    """
    seen = _seen(fitted.classifier, images)
    predicted = np.asarray(fitted.estimator.predict(seen), np.int32)
    if not hasattr(fitted.estimator, "predict_proba"):
        return predicted, np.full(len(predicted), np.nan)
    place = np.searchsorted(fitted.estimator.classes_, predicted)
    probability = fitted.estimator.predict_proba(seen)[np.arange(len(predicted)), place]
    return predicted, np.round(np.clip(probability, 0.0, 1.0), 5)


def one_thread() -> AbstractContextManager[Any]:
    """Within it, scikit-learn and BLAS use one thread.

    Sums are then made in one order, so that the bits do not depend on the number of cores; for
    600 small images it is faster, too.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


def _seen(classifier: Classifier, images: NDArray[Any]) -> FloatArray:
    return FEATURES[classifier.features](images.astype(np.float64) / BRIGHTEST)


def _first_line(message: object) -> str:
    return str(message).strip().split("\n")[0]
