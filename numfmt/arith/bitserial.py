"""Weights as bit-serial terms, and a matrix product on BitMoD's processing element."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from .._checks import check_int_range
from ..blocks import QuantizedTensor, Scheme
from ..formats import Codebook, Fixed, Float, Format
from ..kernels import bitserial as kernels
from ..kernels.bitserial_options import run_with_options


@lru_cache(maxsize=128)
def term_table(fmt: Format) -> tuple[np.ndarray, tuple[int, ...], float]:
    """(terms (T, codes) uint8, bsig of each term, code value that one unit of the decoder stands for).

    Signed integers are recoded by radix-4 Booth digits; other formats must have values that are a sum of at most two powers of
    two in the decoder's 5-bit fixed point (I3 I2 I1 I0 . F0). Terms stand in increasing bsig, the order of the published counter.
    Raises ValueError for formats the decoder cannot take.
    Source: BitMoD, HPCA 2025, section IV-A and equation 4.
    """
    if isinstance(fmt, Fixed) and fmt.signed and fmt.frac_bits == 0 and fmt.bits <= 8:
        count = -(-fmt.bits // 2)
        rows = [_booth(int(v), count) for v in fmt.values()]
        return np.array(rows, np.uint8).T.copy(), tuple(2 * t for t in range(count)), 1.0
    if isinstance(fmt, Codebook | Float) and fmt.bits <= 6:
        values = fmt.values()
        if np.isfinite(values).all():
            unit = 0.5 if fmt.largest_magnitude <= 8 else 1.0
            found = [_two_ones(v / unit) for v in values.tolist()]
            rows = [row for row in found if row is not None]
            if len(rows) == len(found):
                return np.array(rows, np.uint8).T.copy(), (0, 1), unit
    raise ValueError(
        f"format {fmt} cannot be decoded into bit-serial terms: use int3 to int8, e2m1, or a format whose values are sums of "
        "at most two powers of two, such as the BitMoD mixtures"
    )


def _booth(value: int, count: int) -> list[int]:
    digits = []
    previous = 0
    for t in range(count):
        low, high = (value >> (2 * t)) & 1, (value >> (2 * t + 1)) & 1
        digit = previous + low - 2 * high
        previous = high
        digits.append(_term(digit < 0, 1 if abs(digit) == 2 else 0, digit != 0))
    return digits


def _two_ones(units: float) -> list[int] | None:
    """(low term of weight 1, high term of weight 2) of a value in units of the decoder's last bit; None where it has none."""
    magnitude = abs(units)
    if magnitude != int(magnitude) or magnitude > 31:
        return None
    rest = int(magnitude)
    negative = units < 0
    high = rest.bit_length() - 1 if rest >> 1 else -1
    if high >= 1:
        rest -= 1 << high
    low = rest.bit_length() - 1
    if low >= 0:
        rest -= 1 << low
    if rest or low > 3:
        return None
    return [_term(negative, max(low, 0), low >= 0), _term(negative, max(high - 1, 0), high >= 1)]


def _term(negative: bool, exponent: int, present: bool) -> int:
    return (exponent | 4 | (8 if negative else 0)) if present else 0


def decodes(made: Scheme) -> bool:
    """Whether the element's decoder takes every candidate of a scheme, all with the same term positions."""
    try:
        tables = [term_table(f) for f in made.candidates]
    except ValueError:
        return False
    return made.way.plain and made.rule != "range" and len({(t[1], t[2]) for t in tables}) == 1


def weight_terms(weights: QuantizedTensor) -> tuple[np.ndarray, np.ndarray, float]:
    """Terms (T, K, N) of a weight tensor whose rows are (N, K), the bsig of each term, and the decoder's unit."""
    tables = [term_table(f) for f in weights.scheme.candidates]
    if len({(t[1], t[2]) for t in tables}) != 1:
        raise ValueError(f"the candidates of {weights.scheme} need different bit-serial decoders; use one family of formats")
    if not weights.scheme.way.plain:
        raise ValueError(f"the values of {weights.scheme} depend on more than their own code, which the bit-serial element decodes")
    if weights.row_zero_points is not None:
        raise ValueError(f"the bit-serial element has no zero point; quantize symmetrically instead of {weights.scheme}")
    stacked = np.stack([t[0] for t in tables])  # (candidates, T, codes)
    codes = weights.row_codes
    if weights.row_choice is None:
        terms = stacked[0][:, codes]
    else:
        choice = weights._spread(weights.row_choice)
        terms = np.moveaxis(stacked[choice, :, codes], -1, 0)
    return np.ascontiguousarray(np.swapaxes(terms, 1, 2)), np.array(tables[0][1], np.int32), tables[0][2]


def activation_fields(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Significand (11 bits), biased exponent and sign of float16 values, int32.

    Zeros and subnormals take exponent 1 and hidden bit 0 (not specified by the paper). Raises ValueError for values that
    float16 cannot hold exactly.
    """
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
    if not np.array_equal(halves.astype(np.float64), values) or not np.isfinite(values).all():
        raise ValueError("the bit-serial element takes finite float16 activations; cast them with nf.cast(x, 'float16') first")
    words = halves.view(np.uint16).astype(np.int32)
    field = (words >> 10) & 31
    significands = (words & 1023) + np.where(field > 0, np.int32(1024), np.int32(0))
    return significands, np.maximum(field, np.int32(1)), words >> 15


@dataclass(frozen=True)
class Options:
    """Widths and rounding of an element of one's own: see `kernels.bitserial_options`. down: terms in decreasing weight."""

    guard: int = kernels.GUARD_BITS
    kept: int = kernels.KEPT_BITS
    nearest: bool = False
    down: bool = False

    def __post_init__(self) -> None:
        check_int_range("guard", self.guard, 0, 24)
        check_int_range("kept", self.kept, 2, 48)

    def __str__(self) -> str:
        words = [f"guard={self.guard}"] * (self.guard != kernels.GUARD_BITS) + [f"kept={self.kept}"] * (
            self.kept != kernels.KEPT_BITS
        )
        return ",".join([*words, *["nearest"] * self.nearest, *["down"] * self.down])


DEFAULT = Options()


def parse_options(text: str) -> Options:
    """The options that `guard=5,kept=20,nearest,down` names. Raises ValueError for others."""
    made: dict[str, Any] = {}
    for word in filter(None, (w.strip() for w in text.split(","))):
        match = re.fullmatch(r"(guard|kept)=(\d+)|(nearest|down)", word)
        if match is None or (match[1] or match[3]) in made:
            raise ValueError(
                f"option {word!r} of a bit-serial element is unknown or named twice; use guard=N, kept=N, nearest, down"
            )
        made[match[1] or match[3]] = int(match[2]) if match[1] else True
    return Options(**made)


def run(
    fields: tuple[np.ndarray, ...], terms: np.ndarray, bsig: np.ndarray, unit: float, rtl: bool, options: Options = DEFAULT
) -> np.ndarray:
    """Sums of one run in code values, (M, N) float64, exact."""
    short = -fields[0].shape[1] % kernels.LANES
    if short:  # absent lanes: zero activations of the smallest exponent
        fields = tuple(np.pad(f, ((0, 0), (0, short)), constant_values=c) for f, c in zip(fields, (0, 1, 0), strict=True))
        terms = np.pad(terms, ((0, 0), (0, short), (0, 0)))
    shape = (fields[0].shape[0], terms.shape[2])
    if options.down:
        terms, bsig = terms[::-1], bsig[::-1].copy()
    significands, exponents, negatives = (np.ascontiguousarray(f) for f in fields)
    terms = np.ascontiguousarray(terms)
    if replace(options, down=False) != DEFAULT:
        held = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        facts = np.int64(options.guard), np.int64(options.kept), options.nearest
        run_with_options(significands, exponents, negatives, terms, bsig, *facts, *held)
        fraction = kernels.FRACTION - kernels.GUARD_BITS + options.guard
        return np.ldexp(held[0].astype(np.float64), (held[1] - fraction).astype(np.int32)) * unit
    mantissas, powers = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    kernels.bitserial_run(significands, exponents, negatives, terms, bsig, rtl, mantissas, powers)
    return np.ldexp(mantissas.astype(np.float64), powers - np.int32(kernels.FRACTION)) * unit
