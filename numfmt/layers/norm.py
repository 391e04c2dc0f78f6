"""LayerNorm and RMSNorm, every operation rounded to a format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .._checks import check_in
from ..formats import Format, cast
from ..kernels import layer_steps as kernels
from .rows import layer_format, over_rows, parameters
from .stepwise import Steps
from .sums import check_order, total

DIVISIONS = ("divide", "reciprocal", "rsqrt")
MEANS = ("divide", "multiply")


def _check_eps(eps: float) -> float:
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 <= eps < float("inf"):
        raise ValueError(f"eps={eps!r} is not allowed; it must be a finite number from 0")
    return float(eps)


def _column(mean: np.ndarray | None, x: np.ndarray) -> np.ndarray:
    return np.zeros((x.shape[0], 1), np.float32) if mean is None else mean


def _row(given: np.ndarray | None, x: np.ndarray, neutral: float) -> np.ndarray:
    return np.full(x.shape[1], neutral, np.float32) if given is None else given


class _Norm(ABC):
    """What both norms share: formats, order of sums, the mean and the division by the root."""

    def __init__(
        self,
        weight: Any,
        bias: Any,
        *,
        eps: float,
        fmt: Format | str,
        internal: Format | str | None,
        rounding: str | None,
        sum: str,
        mean: str,
        division: str,
        cast_before_weight: bool,
    ) -> None:
        self.fmt = layer_format(fmt)
        self.steps = Steps(self.fmt if internal is None else internal, rounding)
        self.eps = _check_eps(eps)
        self.sum = check_order(sum, self.steps)
        check_in("mean", mean, MEANS)
        check_in("division", division, DIVISIONS)
        self.mean, self.division, self.cast_before_weight = mean, division, bool(cast_before_weight)
        self._last = Steps(self.fmt, rounding) if cast_before_weight else self.steps
        self.weight = parameters(weight, self._last.format, "weight")
        self.bias = parameters(bias, self._last.format, "bias", None if self.weight is None else self.weight.size)

    @property
    def features(self) -> int | None:
        """Length of the last axis; None where neither weight nor bias says."""
        held = self.weight if self.weight is not None else self.bias
        return None if held is None else held.size

    def __call__(self, x: Any) -> Any:
        """x: (..., n), rounded to `fmt` -> values of `fmt`, the same shape and kind of array.

        Raises ValueError for another or an empty last axis, and where a step gives NaN that the format has not.
        """
        return over_rows(x, self.fmt, self._rows, length=self.features, serial=self.sum == "exact")

    @abstractmethod
    def _rows(self, x: np.ndarray) -> np.ndarray:
        """Normalized rows."""

    def _mean(self, x: np.ndarray) -> np.ndarray:
        s, n = total(x, self.steps, self.sum), x.shape[1]
        if self.mean == "multiply":
            return self.steps.multiply(s, self.steps.divide(self.steps.constant(1), self.steps.constant(n)))
        return self.steps.divide(s, self.steps.constant(n))

    def _squares(self, x: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
        """(x - mean)**2; None: x**2."""
        steps = self.steps
        if (facts := steps.fused) is not None:
            out = np.empty_like(x)
            kernels.squares(x, _column(mean, x), out, facts)
            return out
        if mean is not None:
            x = steps.subtract(x, mean)
        return steps.multiply(x, x)

    def _normalised(self, x: np.ndarray, mean: np.ndarray | None, variance: np.ndarray) -> np.ndarray:
        """x - mean over the root of variance + eps, then weight and bias, rounded to `fmt`."""
        steps, last = self.steps, self._last
        t = steps.add(variance, steps.constant(self.eps))
        if self.division == "rsqrt":
            root = steps.function("rsqrt", t)
        else:
            root = steps.sqrt(t)
            if self.division == "reciprocal":
                root = steps.divide(steps.constant(1), root)
        inner, outer = steps.fused, last.fused
        if inner is not None and outer is not None:
            y = np.empty_like(x)
            kernels.quotients(x, _column(mean, x), root, self.division == "divide", y, inner)
            if self.cast_before_weight:
                y = last.cast(y)
            if self.weight is not None or self.bias is not None:
                kernels.affine(y, _row(self.weight, x, 1.0), _row(self.bias, x, -0.0), outer)
            return y if last.format == self.fmt else np.asarray(cast(y, self.fmt))
        if mean is not None:
            x = steps.subtract(x, mean)
        y = steps.divide(x, root) if self.division == "divide" else steps.multiply(x, root)
        if self.cast_before_weight:
            y = last.cast(y)
        if self.weight is not None:
            y = last.multiply(y, self.weight)
        if self.bias is not None:
            y = last.add(y, self.bias)
        return np.asarray(cast(y, self.fmt))

    def _program(self, first: list[str], numerator: str, variance: str) -> str:
        inner, outer = self.steps.format, self.fmt
        lines = [f"x = {outer}(x)", *first, f"t = {variance} + eps"]
        lines += {
            "divide": ["r = sqrt(t)", f"y = {numerator} / r"],
            "reciprocal": ["r = sqrt(t)", "r = 1 / r", f"y = {numerator} * r"],
            "rsqrt": ["r = rsqrt(t)", f"y = {numerator} * r"],
        }[self.division]
        lines += [f"y = {outer}(y)"] * self.cast_before_weight
        where = f"  # in {outer}" if self.cast_before_weight else ""
        lines += [f"y = y * weight{where}"] * (self.weight is not None) + [f"y = y + bias{where}"] * (self.bias is not None)
        return "\n".join([f"# each line rounded to {inner}; sums: {self.sum}", *lines, f"y = {outer}(y)"])

    def _mean_text(self, name: str, of: str) -> list[str]:
        return [f"{name} = sum({of})", f"{name} = {name} / n" if self.mean == "divide" else f"{name} = {name} * (1 / n)"]

    def __repr__(self) -> str:
        n = "any" if self.features is None else self.features
        return f"{type(self).__name__}({n}, fmt={self.fmt}, internal={self.steps.format}, sum={self.sum}, eps={self.eps:g})"


class RMSNorm(_Norm):
    """x / sqrt(mean(x**2) + eps) * weight over the last axis, each line of `program` rounded to `internal`.

    weight: (n,) or None. fmt: format of input and output. internal: format of the steps, None for `fmt`; the input is rounded to
    both, the weight to that in which it is multiplied. rounding: of the operations, None for the format's own, in
    which inputs, parameters and the result are converted.
    sum: order of sums (`numfmt.layers.sums.total`): "sequential", "pairwise", "chunkN", "lanesN", "exact", "torch".
    mean: "divide" by n, or "multiply" by 1 / n. division: "divide" x by the root, "reciprocal" (1 / root, then a product), or
    "rsqrt" (one rounding, then a product). cast_before_weight: the quotient is rounded to `fmt` and multiplied there.

    Raises ValueError for eps below 0, unknown options, weights of a wrong shape.
    Source: Zhang and Sennrich, arXiv 1910.07467; `huggingface` is LlamaRMSNorm.
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        eps: float = 1e-6,
        fmt: Format | str = "float32",
        internal: Format | str | None = None,
        rounding: str | None = None,
        sum: str = "sequential",
        mean: str = "divide",
        division: str = "divide",
        cast_before_weight: bool = False,
    ) -> None:
        super().__init__(
            weight, None, eps=eps, fmt=fmt, internal=internal, rounding=rounding, sum=sum, mean=mean, division=division,
            cast_before_weight=cast_before_weight,
        )  # fmt: skip

    @classmethod
    def huggingface(cls, weight: Any = None, *, eps: float = 1e-6, fmt: Format | str = "bfloat16") -> RMSNorm:
        """LlamaRMSNorm of Hugging Face transformers on a CPU: float32 inside, torch's order of the sum on one thread, 1 / root
        then a product, the quotient rounded to `fmt` and multiplied by the weight there. The same bits as torch on x86, on one
        thread."""
        return cls(weight, eps=eps, fmt=fmt, internal="float32", sum="torch", division="reciprocal", cast_before_weight=True)

    @classmethod
    def torch(cls, weight: Any = None, *, eps: float = 1e-6, fmt: Format | str = "bfloat16") -> RMSNorm:
        """F.rms_norm of torch on a CPU: as `huggingface`, but weighted in float32 and rounded to `fmt` at the end. The same bits as
        torch on x86, on one thread."""
        return cls(weight, eps=eps, fmt=fmt, internal="float32", sum="torch", division="reciprocal")

    def _rows(self, x: np.ndarray) -> np.ndarray:
        x = self.steps.cast(x)
        return self._normalised(x, None, self._mean(self._squares(x, None)))

    @property
    def program(self) -> str:
        """The steps in order."""
        return self._program(["q = x * x", *self._mean_text("m", "q")], "x", "m")


class LayerNorm(_Norm):
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last axis, each line of `program` rounded to `internal`.

    weight, bias: (n,) or None. variance: "centered" (mean of (x - mean)**2) or "moments" (mean of x**2 minus mean**2, which may
    come out below zero: its root is NaN, as in hardware that does it so). The other arguments are those of `RMSNorm`.

    Raises ValueError as `RMSNorm`. Source: Ba, Kiros, Hinton, arXiv 1607.06450.
    """

    def __init__(
        self,
        weight: Any = None,
        bias: Any = None,
        *,
        eps: float = 1e-5,
        fmt: Format | str = "float32",
        internal: Format | str | None = None,
        rounding: str | None = None,
        sum: str = "sequential",
        mean: str = "divide",
        division: str = "divide",
        variance: str = "centered",
        cast_before_weight: bool = False,
    ) -> None:
        check_in("variance", variance, ("centered", "moments"))
        self.variance = variance
        super().__init__(
            weight, bias, eps=eps, fmt=fmt, internal=internal, rounding=rounding, sum=sum, mean=mean, division=division,
            cast_before_weight=cast_before_weight,
        )  # fmt: skip

    @classmethod
    def torch(cls, weight: Any = None, bias: Any = None, *, eps: float = 1e-5, fmt: Format | str = "bfloat16") -> LayerNorm:
        """F.layer_norm of torch on an x86 CPU, in float32, bfloat16 or float16, with its bits: Welford's update in float32, in
        torch's order of vectors (`TorchLayerNorm`). Raises ValueError for other formats."""
        from .torch_norm import TorchLayerNorm

        return TorchLayerNorm(weight, bias, eps=eps, fmt=fmt)

    def _rows(self, x: np.ndarray) -> np.ndarray:
        steps = self.steps
        x = steps.cast(x)
        mean = self._mean(x)
        if self.variance == "centered":
            return self._normalised(x, mean, self._mean(self._squares(x, mean)))
        square = self._mean(self._squares(x, None))
        return self._normalised(x, mean, steps.subtract(square, steps.multiply(mean, mean)))

    @property
    def program(self) -> str:
        """The steps in order."""
        first = [*self._mean_text("m", "x"), "d = x - m"]
        if self.variance == "centered":
            return self._program([*first, "q = d * d", *self._mean_text("v", "q")], "d", "v")
        return self._program([*first, "q = x * x", *self._mean_text("v", "q"), "p = m * m", "v = v - p"], "d", "v")
