"""How alike models' answers are, and what that means for reusing one test set many times."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray, IntArray, as_float, broadcast, check_unit

_ELEMENTS_AT_ONCE = 1 << 24
_LN10 = float(np.log(10.0))


def agreement_matrix(correct: ArrayLike) -> IntArray:
    """The number of examples on which two models are both right or both wrong, for all pairs.

    correct of shape (m, n), 0/1; the result (m, m) has n on its diagonal, and everything about
    pairs follows from it: with k = right answers, both right = (k_i + k_j + agree - n)/2. One
    float32 matrix product over blocks of examples, each exact. Raises BadInput where correct is
    not a matrix of 0 and 1.

    >>> agreement_matrix([[1, 1, 0, 0], [1, 0, 0, 1]]).tolist()
    [[4, 2], [2, 4]]
    """
    matrix = np.asarray(correct)
    if matrix.ndim != 2:
        raise BadInput(
            f"agreement_matrix: correct must be models by examples, but its shape is "
            f"{matrix.shape}."
        )
    if matrix.dtype != np.bool_:
        if not np.isin(matrix, (0, 1)).all():
            raise BadInput("agreement_matrix: correct must hold only 0 and 1 (wrong and right).")
        matrix = matrix.astype(np.bool_)
    models, examples = matrix.shape
    block = max(1, min(_ELEMENTS_AT_ONCE // max(models, 1), (1 << 24) - 1))
    both = np.zeros((models, models), dtype=np.int64)
    for start in range(0, examples, block):
        part = matrix[:, start : start + block].astype(np.float32)
        both += (part @ part.T).astype(np.int64)
    right = both.diagonal()
    agree: IntArray = examples - right[:, None] - right[None, :] + 2 * both
    return agree


def expected_agreement(acc: ArrayLike) -> FloatArray:
    """p_i p_j + (1 - p_i)(1 - p_j) for all pairs: the agreement if errors were independent.

    acc of shape (m,) in [0, 1]; the diagonal is of two independent models of equal accuracy, not
    1. Raises BadInput for other shapes or values.

    >>> expected_agreement([0.9, 0.8]).round(2).tolist()
    [[0.82, 0.74], [0.74, 0.68]]
    """
    p = check_unit("expected_agreement", "acc", acc)
    if p.ndim != 1:
        raise BadInput(f"expected_agreement: acc must be a vector, not of shape {p.shape}.")
    return np.asarray(np.outer(p, p) + np.outer(1.0 - p, 1.0 - p))


def label_agreement(pred: ArrayLike) -> IntArray:
    """The number of examples on which two models predict the same class, for all pairs.

    pred of shape (m, n), whole numbers; the result is (m, m) with n on its diagonal. Equal codes
    agree, so give a model's missing prediction a code of its own. Raises BadInput where pred is
    not a matrix of whole numbers.

    >>> label_agreement([[3, 1, 2], [3, 2, 2]]).tolist()
    [[3, 2], [2, 3]]
    """
    matrix = np.asarray(pred)
    if matrix.ndim != 2 or matrix.dtype.kind not in "iub":
        raise BadInput(
            "label_agreement: pred must be a matrix of whole numbers, models by examples, but it "
            f"is {matrix.dtype} of shape {matrix.shape}."
        )
    models, examples = matrix.shape
    if matrix.size:
        span = (int(matrix.min()), int(matrix.max()))
        matrix = matrix.astype(np.promote_types(*(np.min_scalar_type(v) for v in span)))
    counts = np.zeros((models, models), dtype=np.int64)
    block = 1 << 15
    for start in range(0, examples, block):
        part = np.ascontiguousarray(matrix[:, start : start + block])
        for i in range(models):
            for j in range(i):
                counts[i, j] += np.count_nonzero(part[i] == part[j])
    counts += counts.T
    np.fill_diagonal(counts, examples)
    return counts


def union_bound(n: ArrayLike, k: ArrayLike, alpha: float = 0.05) -> FloatArray:
    """The half-width sqrt(ln(2k/alpha)/(2n)) that holds for k fixed models at once.

    n examples, k models; for models chosen without the test set. Raises BadInput where n < 1,
    k < 1 or alpha is outside (0, 1). Hoeffding (1963) with the union bound.

    >>> union_bound(10000, [1, 100, 10000]).round(6).tolist()
    [0.013581, 0.020364, 0.025396]
    """
    n_, k_ = _positive("union_bound", n=n, k=k)
    return np.asarray(np.sqrt(np.log(2.0 * k_ / _risk("union_bound", alpha)) / (2.0 * n_)))


def similarity_bound(
    n: ArrayLike, k: ArrayLike, c: ArrayLike, eta: ArrayLike, alpha: float = 0.05
) -> FloatArray:
    """The half-width for k models each within eta discordance of one of c representatives.

    Hoeffding for the c with alpha/2: sqrt(ln(4c/alpha)/(2n)); Bernstein for the k paired
    differences with alpha/2: L/(3n) + sqrt((L/(3n))² + 2 eta L/n), L = ln(4k/alpha). Cover and eta
    must be fixed without the test set, or be bounded too. It can be wider than `union_bound`.
    Raises BadInput as `union_bound`, and for c > k or eta outside [0, 1]. After Mania et al.
    (2019), Model similarity mitigates test set overuse; this version is Bernstein's.

    >>> similarity_bound(10000, 10000, 10, [0.01, 0.05]).round(6).tolist()
    [0.023969, 0.030402]
    """
    name = "similarity_bound"
    n_, k_, c_ = _positive(name, n=n, k=k, c=c)
    if np.any(c_ > k_):
        raise BadInput(f"{name}: c representatives cannot be more than the k models.")
    discordance, risk = check_unit(name, "eta", eta), _risk(name, alpha)
    log = np.log(4.0 * k_ / risk) / n_
    representative = np.sqrt(np.log(4.0 * c_ / risk) / (2.0 * n_))
    third = log / 3.0
    return np.asarray(representative + third + np.sqrt(third * third + 2.0 * discordance * log))


def models_before_reuse(
    n: ArrayLike, width: ArrayLike, discordance: ArrayLike, alpha: float = 0.05
) -> tuple[FloatArray, FloatArray]:
    """How many similar models one test set compares: (k, log10 k).

    The largest k such that, for k fixed models of which any two are right on different examples
    with probability at most `discordance`, all k(k-1)/2 differences of accuracy are measured
    within ± width, with probability at least 1 - alpha: Bernstein's k(k-1) exp(-n w²/(2(psi +
    w/3))) <= alpha. psi = E D² for D in {-1, 0, 1} and D <= 1 are what its proof needs, so no
    centring term is missing. k is a float, exact until 2^53 and inf beyond 1e308: then use
    log10 k. Raises BadInput where n < 1 or width, discordance or alpha is outside (0, 1].

    >>> k, log10 = models_before_reuse(50000, 0.01, 0.1)
    >>> float(k), round(float(log10), 2)
    (40091.0, 4.6)
    """
    name = "models_before_reuse"
    n_, w, psi = _reuse(name, n, width, discordance)
    return _pairs_within(n_ * w * w / (2.0 * (psi + w / 3.0)), _risk(name, alpha))


def models_before_reuse_hoeffding(
    n: ArrayLike, width: ArrayLike, alpha: float = 0.05
) -> tuple[FloatArray, FloatArray]:
    """`models_before_reuse` without similarity: Hoeffding's k(k-1) exp(-n w²/2) <= alpha.

    >>> k, log10 = models_before_reuse_hoeffding(50000, [0.01, 0.03])
    >>> k.tolist()
    [1.0, 17191.0]
    """
    name = "models_before_reuse_hoeffding"
    n_, w, _ = _reuse(name, n, width, 1.0)
    return _pairs_within(n_ * w * w / 2.0, _risk(name, alpha))


def _pairs_within(exponent: FloatArray, alpha: float) -> tuple[FloatArray, FloatArray]:
    """The largest k >= 1 with k(k - 1) <= alpha e^exponent, and its log10."""
    log_room = np.log(alpha) + exponent
    with np.errstate(over="ignore"):
        room = np.exp(log_room)
        k = np.maximum(np.floor(0.5 + np.sqrt(0.25 + room)), 1.0)
    huge = log_room > 80.0
    return np.asarray(k), np.where(huge, 0.5 * log_room / _LN10, np.log10(np.where(huge, 1.0, k)))


def _positive(function: str, **named: ArrayLike) -> list[FloatArray]:
    arrays = [as_float(function, name, value) for name, value in named.items()]
    for name, array in zip(named, arrays, strict=True):
        if not np.all(array >= 1.0):
            raise BadInput(f"{function}: {name} must be 1 or more, but it is {array.min():g}.")
    return broadcast(function, tuple(named), arrays)


def _reuse(
    function: str, n: ArrayLike, width: ArrayLike, discordance: ArrayLike
) -> list[FloatArray]:
    (n_,) = _positive(function, n=n)
    w, psi = (
        check_unit(function, "width", width),
        check_unit(function, "discordance", discordance),
    )
    if np.any(w <= 0.0):
        raise BadInput(f"{function}: width must be above 0: no test set measures exactly.")
    return broadcast(function, ("n", "width", "discordance"), [n_, w, psi])


def _risk(function: str, alpha: float) -> float:
    if not 0.0 < alpha < 1.0:
        raise BadInput(f"{function}: alpha, the chance to err, must lie in (0, 1), but is {alpha}.")
    return float(alpha)
