"""Accumulators of ap_fixed type: each step quantizes and overflows as the type says (hls4ml's and Vitis HLS's arithmetic)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..blocks import QuantizedTensor
from ..formats import Fixed, decode, encode, parse
from . import fixed_plan, fixed_rule, fixed_sums
from .fixed_plan import Operand, Plan
from .fixed_rule import encode_raw, raw_integers
from .unit import Unit


@dataclass(frozen=True)
class FixedAccumulator(Unit):
    """acc = format(acc + format(x * w)) at each k, k upward from format(c); with `full`, acc = format(acc + x * w).

    format: a fixed-point type whose written modes apply at each assignment (`ap_fixed<16,6>`: truncation and wrap, the defaults of
    the headers). Operands are unscaled fixed-point tensors (`nf.from_codes(words, "ap_fixed<8,3>")`, or a bare fixed scheme);
    batches as numpy.matmul. Sums without products (K = 0) are format(c), sums without results are empty.
    Source: hls4ml 1.3.0, nnet_dense_latency.h and nnet_conv2d_latency.h (product cast first); UG1399 (`full`).
    """

    format: Fixed
    full: bool = False

    def __post_init__(self) -> None:
        fixed_rule.fits(self.format, "accumulator")
        fixed_rule.addends(self.format.rounding, 1)  # refuses roundings that ap_fixed lacks

    def __str__(self) -> str:
        name = str(self.format)
        if "<" not in name:  # "int8" names an accumulator of integers
            name = f"{'' if self.format.signed else 'u'}fixed<{self.format.width},{self.format.int_bits}>"
        return name + ("+full" if self.full else "")

    def product(self, a: Any, b: Any, c: Any, returns: str) -> Any:
        """`nf.matmul` of two fixed-point tensors: values in float64 (exact), or the accumulator's words."""
        (x, fx), (w, fw) = _words(a, "a"), _words(b, "b")
        lead = _lead(x, w)
        shape = (*lead, x.shape[-2], w.shape[-1])
        start = self.raw_start(c, shape)
        plan = self.choose(x.shape[-1], fx, fw, None if c is None else start)
        if w.ndim == 2:  # one matrix for all: one product
            rows = x.reshape(-1, x.shape[-1])
            total = self.accumulate(rows, w, start.reshape(-1, w.shape[1]), (fx, fw), plan).reshape(shape)
        else:
            total = np.empty(shape, np.int64)
            x, w = np.broadcast_to(x, (*lead, *x.shape[-2:])), np.broadcast_to(w, (*lead, *w.shape[-2:]))
            for at in np.ndindex(*lead):
                total[at] = self.accumulate(x[at], w[at], start[at], (fx, fw), plan)
        words = encode_raw(total, self.format)
        return words if returns == "codes" else decode(words, self.format).astype(np.float64)

    def choose(self, depth: int, fx: Fixed, fw: Fixed, start: np.ndarray | None = None, w: Operand | None = None) -> Plan:
        """The kernel for `depth` products of types fx and fw, and its proof. start: what the accumulators hold before (None: 0).

        w: what is known of the second operand's raw integers beyond its type. Raises ValueError where 62 bits do not suffice.
        """
        first = 0 if start is None or not start.size else max(int(start.max()), -int(start.min()))
        left, right = fixed_plan.of_type(fx), w or fixed_plan.of_type(fw)
        return fixed_plan.plan(self.format, self.full, depth, fx.frac_bits + fw.frac_bits, left, right, first)

    def accumulate(self, x: np.ndarray, w: np.ndarray, start: np.ndarray, formats: tuple[Fixed, Fixed], plan: Plan) -> np.ndarray:
        """Raw accumulators (M, N), int64, of words (or raw integers) x (M, K) and w (K, N) of `formats`, from raw `start`."""
        if 0 in x.shape or 0 in w.shape:
            return np.array(start, np.int64)
        return fixed_sums.accumulate(x, w, start, formats, self.format, plan)

    def explain(self, a: Any, b: Any) -> tuple[str, str]:
        """The kernel of `nf.matmul(a, b)` without c, and why it gives the type's bits."""
        (x, fx), (w, fw) = _words(a, "a"), _words(b, "b")
        _lead(x, w)
        made = self.choose(x.shape[-1], fx, fw)
        return made.kernel, f"{self}: {made.reason}"

    def reason(self, a: str, b: str) -> tuple[str, str]:
        """As `explain`, where only the formats are known: for a thousand products."""
        fx, fw = parse(a), parse(b)
        if not (isinstance(fx, Fixed) and isinstance(fw, Fixed)):
            raise ValueError(f"operands are {a} and {b}; {self} takes unscaled fixed-point tensors")
        made = self.choose(1000, fx, fw)
        return made.kernel, f"{self}, K = 1000: {made.reason}"

    def run_values(self, a: np.ndarray, b: np.ndarray, formats: tuple[str, str]) -> np.ndarray:
        """Refused: a fixed-point accumulator has no scales."""
        raise ValueError(f"{self} takes unscaled fixed-point tensors; the scales of its operands lie in their types")

    def raw_start(self, c: Any, shape: tuple[int, ...]) -> np.ndarray:
        """format(c) as raw integers, broadcast to `shape`. Raises ValueError where it does not broadcast."""
        if c is None:
            return np.zeros(shape, np.int64)
        if isinstance(c, QuantizedTensor) and not c.scheme.scaled and isinstance(c.scheme.candidates[0], Fixed):
            fmt = fixed_rule.fits(c.scheme.candidates[0], "c of type")
            raw = fixed_rule.assigned(raw_integers(np.asarray(c.codes), fmt), fmt.frac_bits, self.format)
        else:
            values = c.dequantize() if isinstance(c, QuantizedTensor) else c
            raw = raw_integers(encode(to_numpy(values, "c")[0], self.format), self.format)
        try:
            return np.broadcast_to(raw, shape)
        except ValueError:
            raise ValueError(f"c has shape {np.shape(raw)}; it must broadcast to the result's {shape}") from None


def fixed_type(x: Any, what: str) -> Fixed:
    """The type of an unscaled fixed-point tensor. Raises ValueError for anything else."""
    if not isinstance(x, QuantizedTensor) or x.scheme.scaled or not isinstance(x.scheme.candidates[0], Fixed):
        raise ValueError(
            f"{what} is no unscaled fixed-point tensor; pass nf.from_codes(words, 'ap_fixed<8,3>') or nf.quantize(x, 'fixed<8,3>')"
        )
    return fixed_rule.fits(x.scheme.candidates[0], f"{what} of type")


def _words(x: Any, what: str) -> tuple[np.ndarray, Fixed]:
    fmt = fixed_type(x, what)
    words = np.asarray(x.codes)
    if words.ndim < 2:
        raise ValueError(f"{what} has shape {words.shape}; it needs at least two axes")
    return words, fmt


def _lead(x: np.ndarray, w: np.ndarray) -> tuple[int, ...]:
    """The batch axes of the result."""
    if x.shape[-1] != w.shape[-2]:
        raise ValueError(f"a sums over {x.shape[-1]} elements and b over {w.shape[-2]}; the inner dimensions must be equal")
    try:
        return np.broadcast_shapes(x.shape[:-2], w.shape[:-2])
    except ValueError:
        raise ValueError(f"a has shape {x.shape} and b {w.shape}: their batch axes differ") from None


def _made(match: re.Match[str]) -> FixedAccumulator:
    fmt = parse(match[1])
    if not isinstance(fmt, Fixed):
        raise ValueError(f"accumulator {match[1]!r} is no fixed-point type")
    return FixedAccumulator(fmt, bool(match[2]))


_HLS4ML = "hls4ml 1.3.0, nnet_dense_latency.h and nnet_conv2d_latency.h; run with its ap_fixed headers"


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    return {
        "hls4ml": (
            "hls4ml's default accumulator: products and sums truncated and wrapped at each step (fixed<16,6,down,wrap>)",
            _HLS4ML,
            "measured",
        ),
        "fixed<16,6,down,wrap>": ("products and sums truncated and wrapped at each step", _HLS4ML, "measured"),
        "fixed<16,6,ties_up,saturate>": ("products and sums rounded and saturated at each step", _HLS4ML, "measured"),
        "fixed<16,6,down,wrap>+full": ("the exact product joins before the one assignment of each step", _HLS4ML, "measured"),
    }


def _hls4ml(match: re.Match[str]) -> FixedAccumulator:
    return FixedAccumulator(parse("ap_fixed<16,6>"))  # type: ignore[arg-type]


RULES: list[tuple[str, Any]] = [
    (r"(?i)((?:ap_|ac_)?u?fixed<[^<>]*>|ap_u?int<[^<>]*>)(\+full)?", _made),
    (r"(?i)hls4ml", _hls4ml),
]
