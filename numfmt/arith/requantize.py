"""Accumulators to the output scale: x * multiplier rounded to an integer, as each software stack and device does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import restore_like, to_numpy
from .._checks import unknown

if TYPE_CHECKING:
    import pandas as pd

_LOW, _HIGH = -(1 << 31), (1 << 31) - 1
_SINGLE = ("fp32_lrint", "fbgemm_fixed", "qnnpack_q31", "qnnpack_precise")
_HAWQ = ("hawqv3", "exact_half_even", "hawq_float64_emulation")


@dataclass(frozen=True)
class Convention:
    """What a stack does. run(x int64, multiplier float64, of one shape) -> int64."""

    name: str
    run: Callable[[np.ndarray, np.ndarray], np.ndarray]
    rule: str
    source: str
    status: str


def requantize(acc: Any, real_multiplier: Any, convention: str = "tflite_double") -> Any:
    """round(acc * real_multiplier) in the arithmetic of a convention, not clipped, without zero point.

    acc: integers of 32 bits, any shape. real_multiplier: floats that broadcast to it (one a channel: shape (channels,) against the
    last axis); each convention makes its own integer or float32 multiplier of them. convention: a name of `nf.requantizations()`.
    Returns int64 in the shape of the broadcast, a tensor for a tensor.

    Raises ValueError for accumulators beyond 32 bits, multipliers that are not finite or not above zero, multipliers outside the
    convention's range, and left shifts that leave 32 bits (undefined in the C code).
    Source: see `nf.requantizations()`; gemmlowp, TensorFlow Lite Micro, TOSA, TVM, QNNPACK, FBGEMM, HAWQ-V3.
    """
    if convention not in _BY_NAME:
        raise unknown("convention", convention, list(_BY_NAME))
    array, _ = to_numpy(acc, "acc")
    if array.dtype.kind not in "iu" and not np.array_equal(np.rint(array), array):
        raise ValueError(f"acc has dtype {array.dtype} and holds values that are not integers; pass the integer accumulators")
    x = array.astype(np.int64)
    if x.size and (int(x.min()) < _LOW or int(x.max()) > _HIGH):
        raise ValueError(f"acc runs from {x.min()} to {x.max()}; a 32-bit accumulator holds {_LOW} to {_HIGH}")
    m = to_numpy(real_multiplier, "real_multiplier")[0].astype(np.float64)
    if not (np.isfinite(m).all() and (m > 0).all()):
        raise ValueError("real_multiplier must be finite and above zero; a negative scale belongs into the sign of the weights")
    try:
        x, m = np.broadcast_arrays(x, m)
    except ValueError:
        raise ValueError(f"real_multiplier has shape {m.shape}; it must broadcast to acc's {x.shape}") from None
    return restore_like(acc, _BY_NAME[convention].run(x, m))


def real_multiplier(in_scale: Any, weight_scale: Any, out_scale: Any, convention: str) -> np.ndarray:
    """in_scale * weight_scale / out_scale in float64, formed as the software of a convention forms it; arrays broadcast.

    HAWQ, I-BERT: the product rounded to float32, then divided by the float32 output scale in float64; PyTorch, FBGEMM, QNNPACK:
    float32 throughout; others float64 throughout (scales of a .tflite file are float32: pass np.float32).
    """
    left, right, out = (np.asarray(s, np.float64) for s in (in_scale, weight_scale, out_scale))
    if convention in _SINGLE:
        ratio = (left.astype(np.float32) * right.astype(np.float32)) / out.astype(np.float32)
        return np.asarray(ratio, np.float64)
    if convention in _HAWQ:
        return np.asarray((left * right).astype(np.float32).astype(np.float64) / out.astype(np.float32).astype(np.float64))
    return np.asarray(left * right / out)


def requantizations() -> pd.DataFrame:
    """Every convention of `requantize`: name, rule, source, status."""
    import pandas as pd

    return pd.DataFrame([{"name": c.name, "rule": c.rule, "source": c.source, "status": c.status} for c in CONVENTIONS])


def q31(m: np.ndarray, flush: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(q, shift): m = q * 2**(shift - 31), 2**30 <= q < 2**31 rounded half away; (0, 0) below 2**-32 if `flush`."""
    fraction, shift = np.frexp(m)
    q = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    carry = q == 1 << 31
    q, shift = np.where(carry, q >> 1, q), shift.astype(np.int64) + carry
    if flush:
        tiny = shift < -31
        q, shift = np.where(tiny, 0, q), np.where(tiny, 0, shift)
    return q, shift


def shifted(v: np.ndarray, t: np.ndarray, ties: str) -> np.ndarray:
    """v / 2**t rounded to an integer. ties: "up", "away", "even". |v| < 2**62 + 2**61, t >= 0; from 63 on the result is 0."""
    t = np.asarray(t)
    short = np.clip(t, 1, 62)
    half = np.int64(1) << (short - 1)
    if ties == "away":
        found = np.where(v < 0, -((-v + half) >> short), (v + half) >> short)
    else:
        found = (v + half) >> short
        if ties == "even":
            found -= ((v & ((half << 1) - 1)) == half) & (found & 1 == 1)
    return np.where(t == 0, v, np.where(t > 62, 0, found))


def _left(x: np.ndarray, shift: np.ndarray, name: str) -> np.ndarray:
    """x << max(shift, 0), refused beyond 32 bits."""
    up = np.maximum(shift, 0)
    if (up > 31).any() and (x[up > 31] != 0).any():
        raise ValueError(f"a multiplier of 2**31 or more shifts acc out of 32 bits under {name}; use a smaller multiplier")
    wide = x << np.minimum(up, 31)
    if wide.size and (int(wide.min()) < _LOW or int(wide.max()) > _HIGH):
        raise ValueError(f"acc shifted left leaves 32 bits under {name}, which its C code leaves undefined; use tvm_upward")
    return wide


def _tflite_double(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    q, shift = q31(m)
    doubled = shifted(_left(x, shift, "tflite_double") * q, np.full(x.shape, 31), "up")
    return shifted(doubled, np.maximum(-shift, 0), "away")


def _tflite_single(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    q, shift = q31(m)
    large = shift > 30
    q, shift = np.where(large, _HIGH, q), np.where(large, 30, shift)
    return shifted(x * q, 31 - shift, "up")


def _tosa(x: np.ndarray, m: np.ndarray, double: bool) -> np.ndarray:
    q, shift = q31(m)
    t = 31 - shift
    if ((t < 2) | (t > 62)).any():
        raise ValueError(
            "real_multiplier needs a shift outside 2 to 62, the range of TOSA's RESCALE; use a multiplier within 2**29"
        )
    limit = np.int64(1) << (t - 1)
    if ((x < -limit) | (x >= limit)).any():
        raise ValueError("acc leaves -2**(shift-1) to 2**(shift-1) - 1, which TOSA's RESCALE requires; use a smaller multiplier")
    v = x * q
    if double:
        v = v + np.where(t > 31, np.where(x >= 0, 1 << 30, -(1 << 30)), 0)
    return shifted(v, t, "up")


def _tvm(x: np.ndarray, m: np.ndarray, nearest: bool) -> np.ndarray:
    q, shift = q31(m, flush=False)
    t = 31 + np.maximum(-shift, 0)
    if (shift > 0).any():
        exact = x.astype(object) * q.astype(object) * (1 << np.maximum(shift, 0).astype(object))
        if any(abs(v) >= 1 << 62 for v in exact.reshape(-1)):
            raise ValueError("acc times the multiplier leaves 64 bits under tvm; use a smaller multiplier")
    v = (x << np.minimum(np.maximum(shift, 0), 62)) * q
    return shifted(v, t, "away" if nearest else "up")


def _exact(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    """HAWQ-V3's dyadic number b / 2**c with b = 31 bits: one rounding, ties to even."""
    q, shift = q31(m, flush=False)
    t = 31 - shift
    if (t < 0).any():
        raise ValueError("real_multiplier of 2**31 or more is not allowed for dyadic rescaling; use a smaller one")
    return shifted(x * q, t, "even")


def _hawq_float64(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    fraction, exponent = np.frexp(m)
    b = np.floor(fraction * 2.0**31 + 0.5)
    product = x.astype(np.float64) * b
    return np.rint(np.ldexp(product, exponent.astype(np.int64) - 31)).astype(np.int64)


def _single_words(m: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        words = m.astype(np.float32)
    if ((words < 2.0**-32) | (words >= 1)).any():
        raise ValueError(f"real_multiplier must lie in [2**-32, 1) for {name}")
    return words.view(np.uint32).astype(np.int64)


def _qnnpack_q31(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    words = _single_words(m, "qnnpack_q31")
    q = ((words & 0x7FFFFF) | 0x800000) << 7
    shift = 127 + 31 - 32 - (words >> 23)
    doubled = shifted(x * q, np.full(x.shape, 31), "up")
    return shifted(doubled, shift, "away")


def _qnnpack_precise(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    words = _single_words(m, "qnnpack_precise")
    q = ((words << 8) | 0x80000000) & 0xFFFFFFFF
    t = (127 + 31 - (words >> 23)).astype(np.uint64)
    size = np.abs(x).astype(np.uint64) * q.astype(np.uint64)
    rounded = ((size + (np.uint64(1) << (t - np.uint64(1)))) >> t).astype(np.int64)
    return np.where(x < 0, -rounded, rounded)


def _fp32(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        y = x.astype(np.float32) * m.astype(np.float32)
    if not (np.abs(y) < 2.0**62).all():
        raise ValueError("acc times the multiplier leaves 64 bits under fp32_lrint; use a smaller multiplier")
    return np.rint(y).astype(np.int64)


def _reduced(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    q, shift = q31(m)
    if (shift > 7).any():
        raise ValueError("real_multiplier must be below 2**7 for tflite_int64_reduced")
    r = np.where(q < 0x7FFF0000, (q + (1 << 15)) >> 16, 0x7FFF)
    return shifted(x * r, 15 - shift, "up")


def _fbgemm_fixed(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        words = m.astype(np.float32)
    if ((words >= 1) | (words < 2.0**-32)).any():
        raise ValueError("real_multiplier must lie in [2**-32, 1) for fbgemm_fixed")
    fraction, exponent = np.frexp(words)
    q = np.rint(fraction.astype(np.float64) * 2.0**31).astype(np.int64)
    return shifted(x * q, 31 - exponent.astype(np.int64), "up")


_TFLM = "TensorFlow Lite Micro @ 90b983c, common.cc, quantization_util.cc"
_TOSA = "TOSA reference model, quant_util.h"
_TVM = "TVM @ 0fc067a, relay/qnn/util.cc"
_QNN = "QNNPACK, requantization/"
CONVENTIONS = (
    Convention(
        "tflite_double",
        _tflite_double,
        "31-bit multiplier; doubling high product, ties up; then a shift, ties away",
        _TFLM,
        "measured",
    ),
    Convention("tflite_single", _tflite_single, "31-bit multiplier; one shift, ties up", _TFLM, "measured"),
    Convention("tflite_int64_reduced", _reduced, "15-bit multiplier; one shift, ties up (int16 activations)", _TFLM, "measured"),
    Convention("tosa_single_round", lambda x, m: _tosa(x, m, False), "one shift, ties up, range required", _TOSA, "measured"),
    Convention("tosa_double_round", lambda x, m: _tosa(x, m, True), "tflite_double in closed form", _TOSA, "measured"),
    Convention("tvm_upward", lambda x, m: _tvm(x, m, False), "64 bits throughout, one shift, ties up", _TVM, "measured"),
    Convention("tvm_tonearest", lambda x, m: _tvm(x, m, True), "64 bits throughout, one shift, ties away", _TVM, "measured"),
    Convention(
        "exact_half_even",
        _exact,
        "dyadic b / 2**c, one rounding, ties to even",
        "HAWQ-V3 @ 1616df6, quant_utils.py, in exact integers",
        "measured",
    ),
    Convention("hawqv3", _exact, "the same as exact_half_even", "HAWQ-V3 @ 1616df6, quant_utils.py, in exact integers", "measured"),
    Convention(
        "hawq_float64_emulation",
        _hawq_float64,
        "dyadic, product and shift in float64",
        "HAWQ-V3 @ 1616df6, quant_utils.py",
        "measured",
    ),
    Convention(
        "qnnpack_q31", _qnnpack_q31, "tflite_double with the multiplier of the float32 scale", _QNN + "q31-scalar.c", "measured"
    ),
    Convention(
        "qnnpack_precise",
        _qnnpack_precise,
        "32-bit multiplier of the float32 scale, ties away",
        _QNN + "precise-scalar.c",
        "measured",
    ),
    Convention(
        "fp32_lrint",
        _fp32,
        "float32 product, ties to even: PyTorch, FBGEMM, ONNX Runtime",
        "FBGEMM QuantUtils.h; PyTorch requantization.h",
        "measured",
    ),
    Convention(
        "fbgemm_fixed",
        _fbgemm_fixed,
        "31-bit multiplier of the float32 scale, one shift, ties up",
        "FBGEMM, src/QuantUtils.cc",
        "read",
    ),
)
_BY_NAME = {c.name: c for c in CONVENTIONS}
