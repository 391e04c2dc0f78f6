"""An encoder layer of I-BERT in integers alone: attention, GELU, LayerNorm and every rescale between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._arrays import restore_like, to_numpy
from .._checks import check_int_range
from ..arith.matmul import matmul
from .ibert import int_exp, int_gelu, int_layernorm, int_softmax
from .integer_add import ResidualAdd
from .integer_linear import IntegerLinear
from .integer_quantizers import activation_scale, quantize_bias, quantize_weight, weight_scale
from .integer_requantize import Requantize
from .integer_tensor import integers

_F = np.float32
_DENSE = ("query", "key", "value", "output", "fc1", "fc2")
_NORMS = ("attention_norm", "output_norm")
ACTIVATIONS = ("query", "key", "value", "context", "attention_sum", "attention_norm", "gelu", "output_sum", "output_norm")
_SUM_BITS = 22


class IBertEncoderLayer:
    """Attention and feed-forward with LayerNorm behind each (BERT, RoBERTa), integers in and out.

    tensors: float arrays {query,key,value,output,fc1,fc2}.{weight,bias} and {attention_norm,output_norm}.{weight,bias}; dense
    weights (outputs, inputs). heads: a divisor of the width. in_scale: of the 8-bit input. calibration: integers (..., T, D) on
    which scales that `scales` lacks are found (names: `ACTIVATIONS`), and the shifts of LayerNorm's sum of squares.
    weight_clamp: "ibert" as released (the largest weight becomes 126), or "hawqv3".

    Steps (I-BERT @ 1b09c75): 8-bit weights a channel and 32-bit biases; query, key, value to 8 bits; scores in int32; int_softmax
    to 1 / 256; context to 8 bits; sum with the input in 22 bits (both rescaled apart, no clamp); int_layernorm, its gain in the
    multiplier (negative where the gain is), to 8 bits; fc1, int_gelu on the accumulators of each channel, its negative scale in
    the multiplier, to 8 bits; fc2; sum in 22 bits with the 8-bit input of fc1; int_layernorm; 8 bits. No mask: every position
    attends to all. The released code carries integers in float32 and softmax's inner quantizer divides by the scale twice; here the
    exponentials go to 16 bits by 32767 / int_exp(0).

    Raises ValueError for missing tensors, shapes that do not fit, scales that are not given, gains of zero.
    """

    def __init__(
        self,
        tensors: Mapping[str, Any],
        heads: int,
        in_scale: float,
        *,
        calibration: Any = None,
        scales: Mapping[str, float] | None = None,
        shifts: Mapping[str, int] | None = None,
        weight_clamp: str = "ibert",
    ) -> None:
        self.scales, self.shifts = dict(scales or {}), dict(shifts or {})
        self._tensors = {n: self._tensor(tensors, n) for part in (*_DENSE, *_NORMS) for n in (f"{part}.weight", f"{part}.bias")}
        self.width = self._tensors["query.weight"].shape[-1]
        self._check_shapes()
        check_int_range("heads", heads, 1, self.width)
        if self.width % heads:
            raise ValueError(f"heads={heads} does not divide the width {self.width}")
        missing = [n for n in ACTIVATIONS if n not in self.scales]
        if missing and calibration is None:
            raise ValueError(f"scales lacks {', '.join(missing)}; give them, or calibration integers to find them on")
        self.heads, self.in_scale, self.weight_clamp = heads, _F(in_scale), weight_clamp
        self.stages: dict[str, Any] = {}
        self._fixed = False
        if calibration is not None:
            self._run(self._checked(calibration))
        self._fixed = True

    @property
    def out_scale(self) -> float:
        """Scale of the result."""
        return self.scales["output_norm"]

    def __call__(self, x: Any) -> Any:
        """x: integers (..., T, D) of in_scale -> int8 (..., T, D) of out_scale, the kind of array that came in."""
        return restore_like(x, self._run(self._checked(x)))

    def _checked(self, x: Any) -> np.ndarray:
        array = integers(x)[0]
        if array.ndim < 2 or array.shape[-1] != self.width or not array.size:
            raise ValueError(f"x has shape {array.shape}; it must be (..., positions, {self.width}), not empty")
        return array

    def _run(self, x: np.ndarray) -> np.ndarray:
        q, k, v = (self._dense(name, x, self.in_scale) for name in ("query", "key", "value"))
        q, k, v = (self._split(self._act(n, h, self.in_scale)) for n, h in (("query", q), ("key", k), ("value", v)))
        scores = matmul(q, np.swapaxes(k, -1, -2), "int32")
        root = _F(np.sqrt(_F(self.width // self.heads)))
        score_scale = float(_F(self.scales["query"]) * _F(self.scales["key"]) / root)
        largest = int(int_exp(np.zeros(1, np.int64), score_scale)[0][0])
        weights, part = int_softmax(np.asarray(scores, np.int64), score_scale, 32767 / largest)
        context = np.asarray(matmul(weights, v, "int32"), np.int64)
        context = np.swapaxes(context, -2, -3).reshape(x.shape)
        context = self._act("context", context, _F(part) * _F(self.scales["value"]), weighted=False)
        h = self._dense("output", context, self.scales["context"])
        h = self._sum("attention_sum", "output", h, self.scales["context"], x, self.in_scale)
        h = self._norm("attention_norm", h)
        residual = h
        h = self._dense("fc1", h, self.scales["attention_norm"])
        scale = _F(self.scales["attention_norm"]) * self.stages["fc1"][1]
        h, made = int_gelu(h, scale)
        h = self._act("gelu", h, made, weighted=False)
        h = self._dense("fc2", h, self.scales["gelu"])
        h = self._sum("output_sum", "fc2", h, self.scales["gelu"], residual, self.scales["attention_norm"])
        return self._norm("output_norm", h).astype(np.int8)

    def _dense(self, name: str, x: np.ndarray, in_scale: Any) -> np.ndarray:
        """int32 accumulators of a dense layer."""
        if name not in self.stages:
            weight = self._tensors[f"{name}.weight"]
            scale = weight_scale(weight)
            words = quantize_weight(weight, scale, clamp=self.weight_clamp)
            self.stages[name] = IntegerLinear(words, quantize_bias(self._tensors[f"{name}.bias"], scale, in_scale)), scale
        return np.asarray(self.stages[name][0](x), np.int64)

    def _act(self, name: str, acc: np.ndarray, in_scale: Any, *, weighted: bool = True) -> np.ndarray:
        """To 8 bits; the accumulators' scale is in_scale, times the weights' scales of the dense layer `name` if weighted."""
        if name not in self.stages or (weighted and f"{name}.act" not in self.stages):
            weights = self.stages[name][1] if weighted else _F(1)
            found = self._scale(name, acc, np.asarray(in_scale, _F) * weights, 8)
            stage = Requantize(found, 8, convention="ibert", in_scale=in_scale, weight_scale=weights)
            self.stages[f"{name}.act" if weighted else name] = stage
        stage = self.stages[f"{name}.act" if weighted else name]
        return stage.run(acc, acc.ndim - 1).astype(np.int64)

    def _sum(self, name: str, dense: str, acc: np.ndarray, in_scale: Any, other: np.ndarray, other_scale: Any) -> np.ndarray:
        """Branches to 22 bits and added."""
        if name not in self.stages:
            weights = self.stages[dense][1]
            real = acc * (np.asarray(in_scale, _F) * weights) + other * _F(other_scale)
            found = self._scale(name, real, np.ones((), _F), _SUM_BITS)
            self.stages[name] = ResidualAdd((in_scale, weights), other_scale, found, rule="ibert", bits=_SUM_BITS)
        shape = (-1, self.width)
        return np.asarray(self.stages[name](acc.reshape(shape), other.reshape(shape)), np.int64).reshape(acc.shape)

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:
        """LayerNorm to 8 bits."""
        if name not in self.shifts:
            self.shifts[name] = 0 if self._fixed else _shift(x)
        scale = np.sqrt(_F(self.width)) / _F(2.0**30)
        gain, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        shifted = np.floor(bias / gain / scale).astype(np.int64)
        return self._act(name, int_layernorm(x, self.shifts[name]) + shifted, scale * gain, weighted=False)

    def _scale(self, name: str, values: np.ndarray, scale: np.ndarray, bits: int) -> float:
        if name not in self.scales:
            real = values.astype(_F) * scale
            self.scales[name] = float(activation_scale(real.min(), real.max(), bits))
        return self.scales[name]

    def _split(self, x: np.ndarray) -> np.ndarray:
        """(..., T, D) -> (..., heads, T, D / heads)."""
        return np.swapaxes(x.reshape(*x.shape[:-1], self.heads, -1), -2, -3)

    def _check_shapes(self) -> None:
        inner, d = len(self._tensors["fc1.weight"]), self.width
        shapes = dict.fromkeys(_DENSE[:4], (d, d)) | {"fc1": (inner, d), "fc2": (d, inner)}
        expected = {f"{n}.weight": s for n, s in shapes.items()} | {f"{n}.bias": s[:1] for n, s in shapes.items()}
        expected |= {f"{n}.{part}": (d,) for n in _NORMS for part in ("weight", "bias")}
        for name, shape in expected.items():
            if self._tensors[name].shape != shape:
                raise ValueError(f"tensor {name!r} has shape {self._tensors[name].shape}; a layer of width {d} has {shape}")
        for name in _NORMS:
            if (self._tensors[f"{name}.weight"] == 0).any():
                raise ValueError(f"{name}.weight holds zeros; I-BERT divides the bias by the gain")

    def _tensor(self, tensors: Mapping[str, Any], name: str) -> np.ndarray:
        if name not in tensors:
            raise ValueError(
                f"tensor {name!r} is missing; an encoder layer has {', '.join((*_DENSE, *_NORMS))}, weight and bias each"
            )
        made: np.ndarray = to_numpy(tensors[name], name)[0].astype(_F)
        return made

    def __repr__(self) -> str:
        return f"IBertEncoderLayer({self.width}, heads={self.heads})"


def _shift(x: np.ndarray) -> int:
    """The least shift that keeps the largest sum of squares within 32 bits, by I-BERT's formula."""
    y = x - np.rint(x.mean(axis=-1, keepdims=True)).astype(np.int64)
    largest = float((y**2).sum(axis=-1).max())
    return int(np.ceil(np.log2(np.sqrt(largest / 2.0**32)))) if largest >= 2.0**32 else 0
