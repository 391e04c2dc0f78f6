"""Calibration of static scales: what batches of activations say about the scale to impose with `quantize(x, scheme, scales=...)`.

Every function takes batches (arrays of any shapes whose values share one scale) and a per-tensor scheme such as "int8/tensor", and
returns the scale as float32 of shape (1, 1), in the scheme's own arithmetic: what `quantize` would store for a tensor whose
largest magnitude is the observed one. `minmax` serves asymmetric schemes and returns zero points beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..formats import Fixed
from .quantize import quantize
from .rules import range_scale, rounded, scales_of, store
from .rules import zero_points as zero_points_of
from .scheme import Scheme, scheme


def absmax(batches: Iterable[Any], spec: str | Scheme) -> np.ndarray:
    """The largest magnitude of all batches."""
    made = _symmetric(spec)
    return _scale(max(_magnitudes(batches)), made)


def moving_average(batches: Iterable[Any], spec: str | Scheme, rate: float = 0.01) -> np.ndarray:
    """An average of the batches' largest magnitudes: the first is copied, then m += rate * (largest - m), in float64.

    rate: above 0 and up to 1; 0.01 is PyTorch's averaging_constant, HAWQ's momentum of 0.99 the same rule. Raises ValueError.
    """
    made = _symmetric(spec)
    if not 0 < rate <= 1:
        raise ValueError(f"rate={rate} is not allowed; use a number above 0 and up to 1")
    found = _magnitudes(batches)
    mean = found[0]
    for value in found[1:]:
        mean += rate * (value - mean)
    return _scale(mean, made)


def percentile(batches: Iterable[Any], spec: str | Scheme, percent: float = 99.99) -> np.ndarray:
    """The percentile of all magnitudes, linear between neighbours. Holds every magnitude: 8 bytes an element.

    percent: above 0 and up to 100. Raises ValueError.
    """
    made = _symmetric(spec)
    if not 0 < percent <= 100:
        raise ValueError(f"percent={percent} is not allowed; use a number above 0 and up to 100")
    every = np.concatenate([np.abs(b).reshape(-1) for b in _arrays(batches)])
    return _scale(float(np.quantile(every, percent / 100)), made)


def mse(batches: Sequence[Any], spec: str | Scheme, steps: int = 100, least: float = 0.2) -> np.ndarray:
    """The largest magnitude times the factor of least squared error (float64) over all batches, quantized and dequantized.

    steps factors from 1 down to `least`, evenly; equal errors keep the larger one. batches: a sequence, as they are read again.
    Raises ValueError for steps below 1 and `least` outside (0, 1].
    """
    made = _symmetric(spec)
    if steps < 1 or not 0 < least <= 1:
        raise ValueError(f"steps={steps}, least={least} are not allowed; use steps of 1 or more and least above 0, up to 1")
    arrays = list(_arrays(batches))
    top = max(float(np.abs(a).max()) for a in arrays)
    best, kept = np.inf, _scale(top, made)
    for factor in np.linspace(1.0, least, steps):
        scale = _scale(top * float(factor), made)
        error = 0.0
        for array in arrays:
            flat = array.reshape(1, -1)
            error += float(((quantize(flat, made, scales=scale).dequantize() - flat) ** 2).sum())
        if error < best:
            best, kept = error, scale
    return kept


def entropy(batches: Sequence[Any], spec: str | Scheme, bins: int = 2048) -> np.ndarray:
    """The clipping threshold whose quantized distribution of magnitudes diverges least (Kullback-Leibler) from the clipped one.

    Magnitudes are counted in `bins` equal bins up to the largest one (the bin of zeros is left out of both distributions, as
    activations after a ReLU fill it). For each threshold of i bins, from the number of levels up: P is the counts up to i, those
    beyond added to the last; Q is the counts up to i merged into levels of equal width and spread again over the bins that are not
    empty. The threshold is that of the least sum P log(P / Q), the first of equal ones.
    batches: a sequence, as they are read twice. Raises ValueError for elements that are no integers and for too few bins.
    Source: S. Migacz, 8-bit inference with TensorRT, GTC 2017 (recalled; implementations differ in details).
    """
    made = _symmetric(spec)
    fmt = made.candidates[0]
    if not isinstance(fmt, Fixed):
        raise ValueError(f"entropy calibration counts equal steps; {made} has elements {fmt}: use int8/tensor, or nf.observers.mse")
    levels = int(fmt.max) + 1
    if bins < levels:
        raise ValueError(f"bins={bins} is fewer than the {levels} levels of {made}; use more")
    arrays = list(_arrays(batches))
    top = max(float(np.abs(a).max()) for a in arrays)
    if top == 0:
        return _scale(0.0, made)
    counts = np.zeros(bins)
    for array in arrays:
        counts += np.histogram(np.abs(array), bins=bins, range=(0.0, top))[0]
    counts[0] = 0.0
    best, kept = np.inf, bins
    for i in range(levels, bins + 1):
        divergence = _divergence(counts, i, levels)
        if divergence < best:
            best, kept = divergence, i
    return _scale(kept * top / bins, made)


def _divergence(counts: np.ndarray, cut: int, levels: int) -> float:
    """Sum of P log(P / Q) for the counts clipped at bin `cut`; infinite where Q is empty and P is not."""
    p = counts[:cut].copy()
    p[-1] += counts[cut:].sum()
    level = np.arange(cut) * levels // cut
    filled = counts[:cut] > 0
    total = np.bincount(level, counts[:cut], levels)
    share = np.bincount(level, filled, levels)
    q = np.where(filled, (total / np.maximum(share, 1))[level], 0.0)
    used = p > 0
    if not q.sum() or (q[used] == 0).any():
        return np.inf
    p, q = p[used] / p.sum(), q[used] / q.sum()
    return float((p * np.log(p / q)).sum())


def minmax(batches: Iterable[Any], spec: str | Scheme) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of an asymmetric scheme from the least and greatest value of all batches, each of shape (1, 1)."""
    made = scheme(spec)
    if made.granularity.kind != "tensor" or made.rule != "range":
        raise ValueError(f"spec is {made}; minmax takes an asymmetric scheme with one scale, such as int8/tensor+asym")
    low, high = np.inf, -np.inf
    for array in _arrays(batches):
        low, high = min(low, float(array.min())), max(high, float(array.max()))
    lows, highs = _as_read(low, made), _as_read(high, made)
    scales = range_scale(lows, highs, made)
    scales = store(scales, made)
    return scales.astype(np.float32).reshape(1, 1), zero_points_of(lows, highs, scales, made).reshape(1, 1)


def _symmetric(spec: str | Scheme) -> Scheme:
    made = scheme(spec)
    if made.granularity.kind != "tensor" or made.family != "scaled" or made.rule == "range" or len(made.candidates) > 1:
        raise ValueError(
            f"spec is {made}; static scales serve symmetric schemes with one scale, such as int8/tensor (asymmetric: "
            "nf.observers.minmax)"
        )
    return made


def _arrays(batches: Iterable[Any]) -> Iterable[np.ndarray]:
    """Every batch in float64. Raises ValueError for no batch, an empty one, NaN and infinities."""
    count = 0
    for batch in batches:
        array = to_numpy(batch, "a batch")[0].astype(np.float64)
        if array.size == 0 or not np.isfinite(array).all():
            raise ValueError(f"batch {count} is empty or holds NaN or infinite values; leave it out")
        count += 1
        yield array
    if not count:
        raise ValueError("batches holds no batch; calibration needs at least one")


def _magnitudes(batches: Iterable[Any]) -> list[float]:
    return [float(np.abs(array).max()) for array in _arrays(batches)]


def _as_read(value: float, made: Scheme) -> np.ndarray:
    """A value as `quantize` reads it, in the precision of the scheme's arithmetic, (1,) float64."""
    return rounded(np.array([value]), "float32" if made.arith == "exact" else made.arith)


def _scale(magnitude: float, made: Scheme) -> np.ndarray:
    """The stored scale of a tensor of this largest magnitude, (1, 1) float32."""
    top = _as_read(magnitude, made)
    return scales_of(top.reshape(1, 1), top, made, 0).astype(np.float32).reshape(1, 1)
