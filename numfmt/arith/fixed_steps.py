"""Accumulators of ap_fixed type: each step quantizes and overflows as the type says (hls4ml's and Vitis HLS's arithmetic)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import to_numpy
from ..blocks import QuantizedTensor
from ..formats import Fixed, Overflow, Rounding, decode, encode, parse
from ..kernels import fixed_steps as kernels
from .unit import Unit

_WIDEST = 62  # bits of any intermediate number


@dataclass(frozen=True)
class FixedAccumulator(Unit):
    """acc = format(acc + format(x * w)) at each k, k upward from format(c); with `full`, acc = format(acc + x * w).

    format: a fixed-point type whose written modes apply at each assignment (`ap_fixed<16,6>`: truncation and wrap, the defaults of
    the headers). Operands are unscaled fixed-point tensors (`nf.from_codes(words, "ap_fixed<8,3>")`, or a bare fixed scheme).
    Source: hls4ml 1.3.0, nnet_dense_latency.h and nnet_conv2d_latency.h (product cast first); UG1399 (`full`).
    """

    format: Fixed
    full: bool = False

    def __post_init__(self) -> None:
        if self.format.bits > _WIDEST:
            raise ValueError(f"accumulator {self.format} is not allowed: it has {self.format.bits} bits; use at most {_WIDEST}")

    def __str__(self) -> str:
        return f"{self.format}" + ("+full" if self.full else "")

    def product(self, a: Any, b: Any, c: Any, returns: str) -> Any:
        """`nf.matmul` of two fixed-point tensors: values in float64 (exact), or the accumulator's words."""
        left, right = _raw(a, "a"), _raw(b, "b")
        (x, fx), (w, fw) = left, right
        if x.ndim != 2 or w.ndim != 2:
            raise ValueError(f"a has shape {x.shape} and b {w.shape}; a fixed-point accumulator takes two matrices")
        if x.shape[1] != w.shape[0]:
            raise ValueError(f"a sums over {x.shape[1]} elements and b over {w.shape[0]}; the inner dimensions must be equal")
        start = self._start(c, (x.shape[0], w.shape[1]))
        total = self.accumulate(x, w, start, fx.frac_bits + fw.frac_bits, fx.bits + fw.bits)
        words = encode_raw(total, self.format)
        return words if returns == "codes" else decode(words, self.format).astype(np.float64)

    def reason(self, a: str, b: str) -> tuple[str, str]:
        """The kernel, and why it gives the type's bits."""
        return "full_products" if self.full else "cast_products", f"{self}: 64-bit integers, the type's modes at each k"

    def run_values(self, a: np.ndarray, b: np.ndarray, formats: tuple[str, str]) -> np.ndarray:
        """Refused: a fixed-point accumulator has no scales."""
        raise ValueError(f"{self} takes unscaled fixed-point tensors; the scales of its operands lie in their types")

    def accumulate(self, x: np.ndarray, w: np.ndarray, start: np.ndarray, frac_bits: int, bits: int) -> np.ndarray:
        """Raw accumulators (M, N) of raw operands (M, K) and (K, N), int64, whose products have `frac_bits` of `bits` bits.

        Raises ValueError where an intermediate number needs more than 62 bits.
        """
        shift = frac_bits - self.format.frac_bits
        right, up = max(shift, 0), max(-shift, 0)
        widest = max(bits + up, self.format.bits + (right if self.full else 0)) + 1
        if widest > _WIDEST:
            raise ValueError(f"{self} needs {widest} bits for products of {bits} bits; use narrower types (at most {_WIDEST})")
        base, negative, odd = addends(self.format.rounding, right)
        kind, low, high = overflow_kind(self.format)
        out = np.array(start, np.int64)
        run = kernels.full_products if self.full else kernels.cast_products
        a, b = np.ascontiguousarray(x, np.int64), np.ascontiguousarray(w, np.int64)
        run(a, b, out, right, up, base, negative, odd, kind, low, high, np.int64(self.format.bits))
        return out

    def _start(self, c: Any, shape: tuple[int, int]) -> np.ndarray:
        if c is None:
            return np.zeros(shape, np.int64)
        values = c.dequantize() if isinstance(c, QuantizedTensor) and c.scheme.scaled else c
        if isinstance(c, QuantizedTensor) and not c.scheme.scaled:
            values = c._in_place(c.row_values(), c.shape[c.axis])
        words = encode(to_numpy(values, "c")[0], self.format)
        try:
            return np.broadcast_to(raw_integers(words, self.format), shape)
        except ValueError:
            raise ValueError(f"c has shape {np.shape(words)}; it must broadcast to the result's {shape}") from None


def addends(rounding: Rounding, shift: int) -> tuple[np.int64, np.int64, np.int64]:
    """(base, negative, odd) of `kernels.rounded` for a quantization. Raises ValueError for those that ap_fixed lacks."""
    one = (1 << shift) - 1
    half = (1 << shift) >> 1
    table = {
        Rounding.DOWN: (0, 0, 0),  # AP_TRN
        Rounding.TOWARD_ZERO: (0, one, 0),  # AP_TRN_ZERO
        Rounding.TIES_UP: (half, 0, 0),  # AP_RND
        Rounding.TIES_ZERO: (half - 1, 1, 0),  # AP_RND_ZERO
        Rounding.TIES_DOWN: (half - 1, 0, 0),  # AP_RND_MIN_INF
        Rounding.TIES_AWAY: (half, -1, 0),  # AP_RND_INF
        Rounding.TIES_EVEN: (half - 1, 0, 1),  # AP_RND_CONV
        Rounding.UP: (one, 0, 0),
    }
    if rounding not in table:
        raise ValueError(f"rounding {rounding} is not allowed at each step; use one of {', '.join(map(str, table))}")
    found = (0, 0, 0) if shift == 0 else table[rounding]
    return np.int64(found[0]), np.int64(found[1]), np.int64(found[2])


def overflow_kind(fmt: Fixed) -> tuple[int, np.int64, np.int64]:
    """The loops' kind of overflow, and the range."""
    low, high = np.int64(fmt.min_int), np.int64(fmt.max_int)
    if fmt.overflow == Overflow.SATURATE:
        return kernels.CLAMP, low, high
    if fmt.overflow == Overflow.SATURATE_SYMMETRIC:
        return kernels.CLAMP, -high if fmt.signed else low, high
    if fmt.overflow == Overflow.SATURATE_ZERO:
        return kernels.ZERO, low, high
    if fmt.overflow == Overflow.WRAP and not fmt.sat_bits:
        return (kernels.WRAP_SIGNED if fmt.signed else kernels.WRAP_UNSIGNED), low, high
    raise ValueError(f"accumulator {fmt}: overflow {fmt.overflow} with {fmt.sat_bits} saturated bits is not built at each step")


def raw_integers(words: np.ndarray, fmt: Fixed) -> np.ndarray:
    """Two's complement of code words, int64."""
    raw = words.astype(np.int64)
    if fmt.signed and fmt.bits < 64:
        lost = 64 - fmt.bits
        raw = (raw << lost) >> lost
    return raw


def encode_raw(raw: np.ndarray, fmt: Fixed) -> np.ndarray:
    """Code words of raw integers in range."""
    mask = (1 << fmt.bits) - 1
    words: np.ndarray = (raw & mask).astype(fmt.code_dtype)
    return words


def _raw(x: Any, what: str) -> tuple[np.ndarray, Fixed]:
    if not isinstance(x, QuantizedTensor) or x.scheme.scaled or not isinstance(x.scheme.candidates[0], Fixed):
        raise ValueError(
            f"{what} is no unscaled fixed-point tensor; pass nf.from_codes(words, 'ap_fixed<8,3>') or nf.quantize(x, 'fixed<8,3>')"
        )
    fmt = x.scheme.candidates[0]
    return raw_integers(np.asarray(x.codes), fmt), fmt


def _made(match: re.Match[str]) -> FixedAccumulator:
    fmt = parse(match[1])
    if not isinstance(fmt, Fixed):
        raise ValueError(f"accumulator {match[1]!r} is no fixed-point type")
    return FixedAccumulator(fmt, bool(match[2]))


def named() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    source = "hls4ml 1.3.0, nnet_dense_latency.h; ap_fixed headers"
    return {
        "fixed<16,6,down,wrap>": (
            "products and sums truncated and wrapped at each step",
            source,
            "measured",
        ),
        "fixed<16,6,ties_up,saturate>": ("products and sums rounded and saturated at each step", source, "measured"),
        "fixed<16,6,down,wrap>+full": ("the exact product joins before the one assignment of each step", source, "measured"),
    }


RULES: list[tuple[str, Any]] = [(r"(?i)((?:ap_|ac_)?u?fixed<[^<>]*>)(\+full)?", _made)]
