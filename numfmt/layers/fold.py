"""Batch normalization folded into the weights and bias before it, in float32 in a stated order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._arrays import to_numpy
from .._checks import check_in

_F = np.float32


class Folded(NamedTuple):
    """weight, bias: float32. factor: float32 (O,), what the weight's scale is still to be multiplied by (ones if folded in)."""

    weight: np.ndarray
    bias: np.ndarray
    factor: np.ndarray


def fold_batch_norm(
    weight: Any,
    bias: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    var: Any,
    eps: float = 1e-5,
    *,
    order: str = "hawqv3",
    into: str = "weight",
    batch_count: int | None = None,
) -> Folded:
    """gamma * (conv(x) + bias - mean) / sqrt(var + eps) + beta as one convolution.

    weight: (O, ...). bias: (O,) or None. gamma (None: ones), beta (None: zeros), mean, var: (O,). Everything float32, each line
    rounded once:
    order "hawqv3": r = sqrt(var + eps); g = gamma / r; weight * g; bias' = (bias - mean) * g + beta.
    order "torch" (torch.nn.utils.fuse_conv_bn_weights): r = 1 / sqrt(var + eps) in two roundings; g = gamma * r; weight * g;
    bias' = (bias - mean) * r * gamma + beta.
    into: "weight"; or "scale", as HAWQ's path without folding: the weight stays, its scale is multiplied by g (`factor`), negative
    where gamma is, and with it the multiplier of the rescale.
    batch_count: values a channel in a batch whose biased variance `var` is; HAWQ's path without folding then normalizes by the
    unbiased one, var * n / (n - 1), unlike the frameworks' batch normalization.

    Raises ValueError for shapes that do not fit, values that are not finite, and variances below -eps.
    """
    check_in("order", order, ("hawqv3", "torch"))
    check_in("into", into, ("weight", "scale"))
    w = _single(weight, "weight", None)
    if w.ndim < 2:
        raise ValueError(f"weight has shape {w.shape}; it must be (outputs, inputs, ...)")
    shape = (w.shape[0],)
    b, g, shift, m, v = (
        _single(x, what, shape, default)
        for x, what, default in (
            (bias, "bias", 0),
            (gamma, "gamma", 1),
            (beta, "beta", 0),
            (mean, "mean", None),
            (var, "var", None),
        )
    )
    if batch_count is not None:
        if batch_count < 2:
            raise ValueError(f"batch_count={batch_count} is not allowed; an unbiased variance needs 2 values or more")
        v = (v.astype(np.float64) * (batch_count / (batch_count - 1))).astype(_F)
    wide = v + _F(eps)
    if (wide <= 0).any():
        raise ValueError(f"var + eps reaches {wide.min()}; it must be above zero: check var and eps={eps}")
    root = np.sqrt(wide)
    if order == "hawqv3":
        factor = g / root
        made = (b - m) * factor + shift
    else:
        inverse = _F(1) / root
        factor = g * inverse
        made = (b - m) * inverse * g + shift
    if into == "scale":
        return Folded(w, made, factor)
    return Folded(w * factor.reshape(-1, *[1] * (w.ndim - 1)), made, np.ones(shape, _F))


def _single(x: Any, what: str, shape: tuple[int, ...] | None, default: int | None = None) -> np.ndarray:
    if x is None:
        if default is None:
            raise ValueError(f"{what} is missing; give one value an output channel")
        assert shape is not None
        return np.full(shape, default, _F)
    with np.errstate(over="ignore"):
        array = to_numpy(x, what)[0].astype(_F)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{what} has shape {array.shape}; it must be {shape}, one value an output channel")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} holds values that are no finite float32; replace them first")
    return array
