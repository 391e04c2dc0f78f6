"""A fully connected layer in ap_fixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import check_in
from ..arith.fixed_plan import of_data
from ..arith.fixed_rule import assigned, raw_integers
from ..arith.fixed_steps import FixedAccumulator
from ..blocks import QuantizedTensor
from ..formats import Fixed, Format
from .fixed_infer import infer_accumulator
from .fixed_layer import FixedLayer, optional_type
from .fixed_tensor import empty, raw_of, store, tensor, words_of

_ROWS = 1 << 13  # rows of x summed at a time


class WeightedLayer(FixedLayer):
    """Sums of products with weights, (terms, outputs), and a bias, each step assigned to accum_t, the end to result_t."""

    def __init__(
        self,
        weight: np.ndarray,
        weight_t: Fixed,
        bias: Any,
        accum_t: str | Format | None,
        result_t: str | Format | None,
        full: bool,
    ) -> None:
        self._weight, self.weight_t = weight, weight_t
        self._bias: np.ndarray | None = None
        self.bias_t: Fixed | None = None
        if bias is not None:
            self._bias, self.bias_t = raw_of(bias, "bias")
            if self._bias.shape != weight.shape[-1:]:
                raise ValueError(f"bias has shape {self._bias.shape}; it must be ({weight.shape[-1]},), one value an output")
        self.accum, self.result, self.full = optional_type(accum_t, "accum_t"), optional_type(result_t, "result_t"), full
        self._facts_of_weight = of_data(weight, 0)

    def types(self, x: Fixed) -> dict[str, Fixed]:
        """input_t, weight_t, bias_t (where there is one), accum_t, result_t: "auto" ones as hls4ml infers them."""
        auto = None if self.accum and self.result else infer_accumulator(x, self.weight_t, self._weight.shape[0], self.bias_t)
        found = {"input_t": x, "weight_t": self.weight_t, **({"bias_t": self.bias_t} if self.bias_t else {})}
        accum, result = self.accum or auto, self.result or auto
        assert accum is not None
        assert result is not None
        return found | {"accum_t": accum, "result_t": result}

    def _prepared(self, x: Fixed) -> tuple[FixedAccumulator, Any, np.ndarray, Fixed]:
        """Accumulator, plan, the bias in the accumulator's type, and the type of the result."""
        types = self.types(x)
        acc = FixedAccumulator(types["accum_t"], self.full)
        start = np.zeros(self._weight.shape[1:], np.int64)
        if self._bias is not None and self.bias_t is not None:
            start = assigned(self._bias.copy(), self.bias_t.frac_bits, acc.format)
        return acc, acc.choose(self._weight.shape[0], x, self.weight_t, start, self._facts_of_weight), start, types["result_t"]

    def explain(self, given: Format | None = None) -> str:
        """The types for an input of that type, the kernel, and why it gives their bits."""
        said = super().explain(given)
        if not isinstance(given, Fixed):
            return said
        plan = self._prepared(given)[1]
        return f"{said}; {plan.kernel}: {plan.reason}"

    def _facts(self) -> str:
        bias = f", bias_t={self.bias_t}" if self.bias_t else ""
        return f"weight_t={self.weight_t}{bias}, accum_t={self.accum or 'auto'}{'+full' if self.full else ''}, {super()._facts()}"


class FixedDense(WeightedLayer):
    """y = result_t(sum of x * weight + bias): acc = accum_t(bias), then acc = accum_t(acc + accum_t(x * weight)) in input order.

    weight: a fixed-point tensor, (in, out) as Keras and hls4ml keep it, or (out, in) with layout "oi". bias: (out,) or None.
    accum_t, result_t: types, or "auto" (`infer_accumulator`). full: acc = accum_t(acc + x * weight), no cast of the product.
    Source: hls4ml 1.3.0, nnet_dense_latency.h (the Latency strategy; Resource takes the inputs in another order, which shows with
    saturating or rounding accumulators only).
    """

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        *,
        accum_t: str | Format | None = "auto",
        result_t: str | Format | None = "auto",
        full: bool = False,
        layout: str = "io",
    ) -> None:
        check_in("layout", layout, ("io", "oi"))
        raw, weight_t = raw_of(weight, "weight")
        if raw.ndim != 2:
            raise ValueError(f"weight has shape {raw.shape}; it must be (inputs, outputs), or (outputs, inputs) with layout='oi'")
        super().__init__(np.ascontiguousarray(raw if layout == "io" else raw.T), weight_t, bias, accum_t, result_t, full)

    def __call__(self, x: Any) -> QuantizedTensor:
        """x: (..., in) -> (..., out)."""
        words, fmt = words_of(x)
        inputs, outputs = self._weight.shape
        if words.shape[-1] != inputs:
            raise ValueError(f"x has shape {words.shape}; its last axis must be the layer's {inputs} inputs")
        acc, plan, start, result = self._prepared(fmt)
        rows = words.reshape(-1, inputs)
        out = empty((len(rows), outputs), result)
        for first in range(0, len(rows), _ROWS):
            part = raw_integers(rows[first : first + _ROWS], fmt)
            begin = np.broadcast_to(start, (len(part), outputs))
            store(
                acc.accumulate(part, self._weight, begin, (fmt, self.weight_t), plan),
                acc.format.frac_bits,
                result,
                out[first : first + _ROWS],
            )
        return tensor(out.reshape(*words.shape[:-1], outputs), result)

    def _shape(self) -> str:
        return f"{self._weight.shape[0]} -> {self._weight.shape[1]}"
