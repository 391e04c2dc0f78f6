"""ap_fixed layers that compute each element by itself: casts, ReLU, batch normalization, sums of two tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..arith.fixed_rule import WIDEST, raw_integers
from ..blocks import QuantizedTensor
from ..formats import Fixed, Format, encode
from ..formats import fixed_ops as ops
from .fixed_layer import FixedLayer, optional_type
from .fixed_tensor import CHUNK, empty, layer_type, raw_of, store, tensor, words_of


class FixedCast(FixedLayer):
    """y = result_t(x): the input of a network, or hls4ml's linear activation. Takes floats (each one exact number) too.

    Source: hls4ml 1.3.0, nnet_activation.h `linear`; the test bench's cast of its inputs.
    """

    def __init__(self, result_t: str | Format) -> None:
        self.result: Fixed = layer_type(result_t, "result_t")

    def types(self, x: Fixed) -> dict[str, Fixed]:
        """input_t, result_t."""
        return {"input_t": x, "result_t": self.result}

    def result_format(self, given: Format | None) -> Fixed:
        """result_t, whatever comes in."""
        return self.result

    def __call__(self, x: Any) -> QuantizedTensor:
        """x: a fixed-point tensor or an array of numbers, any shape. Raises ValueError for NaN."""
        if not isinstance(x, QuantizedTensor):
            return tensor(encode(to_numpy(x, "x")[0], self.result, nan="ap_fixed"), self.result)
        words, fmt = words_of(x)
        return _each(words, fmt, self.result)


class FixedReLU(FixedLayer):
    """y = x > 0 ? result_t(x) : 0. Source: hls4ml 1.3.0, nnet_activation.h `relu`. result_t "auto": the type of x."""

    def __init__(self, result_t: str | Format | None = "auto") -> None:
        self.result = optional_type(result_t, "result_t")

    def types(self, x: Fixed) -> dict[str, Fixed]:
        """input_t, result_t."""
        return {"input_t": x, "result_t": self.result or x}

    def __call__(self, x: Any) -> QuantizedTensor:
        """x: a fixed-point tensor of any shape."""
        words, fmt = words_of(x)
        return _each(words, fmt, self.types(fmt)["result_t"], positive=True)


def _each(words: np.ndarray, fmt: Fixed, result: Fixed, positive: bool = False) -> QuantizedTensor:
    """Each element assigned to `result`, in pieces."""
    out = empty(words.shape, result)
    source, into = np.ascontiguousarray(words).reshape(-1), out.reshape(-1)
    for first in range(0, source.size, CHUNK):
        raw = raw_integers(source[first : first + CHUNK], fmt)
        if positive:
            np.maximum(raw, 0, out=raw)
        store(raw, fmt.frac_bits, result, into[first : first + CHUNK])
    return tensor(out, result)


class FixedBatchNorm(FixedLayer):
    """y = result_t(x * scale + bias), one assignment of the exact number; scale and bias one a channel.

    scale, bias: fixed-point tensors (C,). axis: of the channels in x (-1: NHWC and features; 1: NCHW).
    result_t "auto": the type that holds the exact number (hls4ml's infer_precision.py).
    Source: hls4ml 1.3.0, nnet_batchnorm.h `normalize`. `from_moments` folds trained moments as hls4ml does.
    """

    def __init__(self, scale: Any, bias: Any, *, result_t: str | Format | None = "auto", axis: int = -1) -> None:
        self._scale, self.scale_t = raw_of(scale, "scale")
        self._bias, self.bias_t = raw_of(bias, "bias")
        if self._scale.ndim != 1 or self._scale.shape != self._bias.shape:
            raise ValueError(f"scale has shape {self._scale.shape} and bias {self._bias.shape}; both must be (channels,)")
        self.result, self.axis = optional_type(result_t, "result_t"), axis

    def types(self, x: Fixed) -> dict[str, Fixed]:
        """input_t, scale_t, bias_t, result_t."""
        result = self.result
        if result is None:
            exact = ops.result("add", ops.result("multiply", x, self.scale_t), self.bias_t)
            result = layer_type(f"ap_{'' if exact.signed else 'u'}fixed<{exact.width},{exact.int_bits}>", "inferred result_t")
        return {"input_t": x, "scale_t": self.scale_t, "bias_t": self.bias_t, "result_t": result}

    def __call__(self, x: Any) -> QuantizedTensor:
        """x: a fixed-point tensor with the channels along `axis`."""
        words, fmt = words_of(x)
        axis = self.axis % words.ndim if -words.ndim <= self.axis < words.ndim else -1
        if axis < 0 or words.shape[axis] != self._scale.size:
            raise ValueError(f"x has shape {words.shape}; axis {self.axis} must have {self._scale.size} channels")
        result = self.types(fmt)["result_t"]
        out = empty(words.shape, result)
        source, into = np.moveaxis(words, axis, -1), np.moveaxis(out, axis, -1)
        frac = fmt.frac_bits + self.scale_t.frac_bits
        more = max(0, self.bias_t.frac_bits - frac)
        down = max(0, frac - self.bias_t.frac_bits)
        wide = max(fmt.bits + self.scale_t.bits + more, self.bias_t.bits + down) + 1 > WIDEST
        kind = object if wide else np.int64
        scale, bias = self._scale.astype(kind) << more, self._bias.astype(kind) << down
        for part in _slabs(source.shape):
            raw = raw_integers(source[part], fmt).astype(kind) * scale + bias
            store(raw, frac + more, result, into[part])
        return tensor(out, result)

    @classmethod
    def from_moments(
        cls,
        gamma: Any,
        beta: Any,
        mean: Any,
        variance: Any,
        *,
        epsilon: float = 1e-3,
        scale_t: str | Format,
        bias_t: str | Format,
        result_t: str | Format | None = "auto",
        axis: int = -1,
    ) -> FixedBatchNorm:
        """scale = gamma / sqrt(variance + epsilon), bias = beta - scale * mean in float64, then assigned to their types."""
        g, b, m, v = (
            to_numpy(a, n)[0].astype(np.float64)
            for a, n in ((gamma, "gamma"), (beta, "beta"), (mean, "mean"), (variance, "variance"))
        )
        scale = g / np.sqrt(v + epsilon)
        made = (FixedCast(t)(a) for a, t in ((scale, scale_t), (b - scale * m, bias_t)))
        return cls(*made, result_t=result_t, axis=axis)

    def _shape(self) -> str:
        return f"{self._scale.size} channels"

    def _facts(self) -> str:
        return f"scale_t={self.scale_t}, bias_t={self.bias_t}, {super()._facts()}"


class FixedAdd(FixedLayer):
    """y = result_t(a + b), one assignment of the exact sum. result_t "auto": the type that holds it.

    Source: hls4ml 1.3.0, nnet_merge.h `add`.
    """

    def __init__(self, result_t: str | Format | None = "auto") -> None:
        self.result = optional_type(result_t, "result_t")

    def types(self, x: Fixed, other: Fixed | None = None) -> dict[str, Fixed]:
        """input_t, other_t (that of x where not given), result_t."""
        other = other or x
        result = self.result
        if result is None:
            exact = ops.result("add", x, other)
            result = layer_type(f"ap_{'' if exact.signed else 'u'}fixed<{exact.width},{exact.int_bits}>", "inferred result_t")
        return {"input_t": x, "other_t": other, "result_t": result}

    def __call__(self, x: Any, other: Any = None) -> QuantizedTensor:
        """x, other: fixed-point tensors of one shape, or of shapes that broadcast; types may differ."""
        if other is None:
            raise ValueError("other=None is not allowed; FixedAdd takes two tensors: layer(a, b)")
        (a, fa), (b, fb) = words_of(x), words_of(other, "other")
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            raise ValueError(f"x has shape {a.shape} and other {b.shape}; they must broadcast") from None
        result = self.types(fa, fb)["result_t"]
        out = empty(shape, result)
        a, b = np.broadcast_to(a, shape), np.broadcast_to(b, shape)
        frac = max(fa.frac_bits, fb.frac_bits)
        ups = frac - fa.frac_bits, frac - fb.frac_bits
        kind = object if max(fa.bits + ups[0], fb.bits + ups[1]) + 1 > WIDEST else np.int64
        for part in _slabs(shape):
            left, right = raw_integers(a[part], fa).astype(kind), raw_integers(b[part], fb).astype(kind)
            store((left << ups[0]) + (right << ups[1]), frac, result, out[part])
        return tensor(out, result)


def _slabs(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Indices that cut an array into pieces of some CHUNK elements along its leading axes."""
    found: list[tuple[Any, ...]] = [()]
    for n, length in enumerate(shape):
        rest = int(np.prod(shape[n + 1 :], dtype=np.int64))
        if length * rest <= CHUNK:
            break
        step = max(1, CHUNK // max(1, rest))
        found = [(*at, slice(s, min(s + step, length))) for at in found for s in range(0, length, step)]
        if step > 1:
            break
    return found
