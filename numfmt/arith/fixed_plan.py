"""Which kernel adds fixed-point products, and the inequality that proves it right: bounds of types, and of weights where known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..formats import Fixed, Overflow, Rounding
from ..kernels.fixed_steps import BY_BIT, BY_SIGN, PLAIN
from .fixed_rule import WIDEST

_PLAIN = (Rounding.DOWN, Rounding.TIES_UP, Rounding.TIES_DOWN, Rounding.UP)  # quantizations that do not look at the number

_FLOATS: tuple[tuple[str, type, int], ...] = (("sgemm", np.float32, 24), ("dgemm", np.float64, 53))


@dataclass(frozen=True)
class Operand:
    """What is known of one side of the products: raw integers within low..high, all multiples of 2**zeros.

    total: the largest sum of magnitudes along k, where it is known.
    """

    low: int
    high: int
    zeros: int = 0
    total: int | None = None

    @property
    def largest(self) -> int:
        """The largest magnitude."""
        return max(-self.low, self.high)


@dataclass(frozen=True)
class Plan:
    """How a run of k is added.

    kernel: "sgemm", "dgemm", or free_sum, clamped_sum, cast_sum, full_sum of `kernels.fixed_steps`. lanes: the type of the
    accumulators. right and up: how far products are shifted to the accumulator's binary point, one of them 0. wraps: whether the
    overflow of the type is carried out once, at the end. mode: what the quantization looks at. inside: no product leaves the range
    of the type by itself. reason: why that is right.
    """

    kernel: str
    lanes: type
    right: int
    up: int
    wraps: bool
    mode: int
    inside: bool
    reason: str


def of_type(fmt: Fixed) -> Operand:
    """All raw integers of a type."""
    return Operand(fmt.min_int, fmt.max_int)


def of_data(raw: np.ndarray, axis: int) -> Operand:
    """Raw integers that are known, as weights are; the sums run along `axis`."""
    if not raw.size:
        return Operand(0, 0, 0, 0)
    low, high = int(raw.min()), int(raw.max())
    bits = int(np.bitwise_or.reduce(raw, axis=None))
    total = int(np.abs(raw).sum(axis=axis, dtype=np.int64).max()) if max(-low, high) * raw.shape[axis] < 1 << WIDEST else None
    return Operand(low, high, (bits & -bits).bit_length() - 1 if bits else 0, total)


def plan(acc: Fixed, full: bool, depth: int, frac_bits: int, x: Operand, w: Operand, start: int | None = None) -> Plan:
    """The kernel for `depth` products of x and w with `frac_bits` fraction bits, added in `acc`.

    start: the largest magnitude that the accumulator starts from (None: anything that it holds).
    Raises ValueError where an intermediate number needs more than 62 bits.
    """
    shift = frac_bits - acc.frac_bits
    right, up = max(shift, 0), max(-shift, 0)
    if not x.largest * w.largest:
        right, up = 0, 0
    product = (x.largest * w.largest) << up
    sum_bound = _sum_bound(depth, x, w) << up
    no_rounding = right <= x.zeros + w.zeros or sum_bound == 0
    right = min(right, product.bit_length() + 2)  # below a quarter of a unit all numbers of a sign are rounded alike
    plain = acc.rounding in _PLAIN or no_rounding
    mode = PLAIN if plain else BY_BIT if acc.rounding is Rounding.TIES_EVEN else BY_SIGN
    as_cast = not full or right == 0 or plain  # the order of shift and sum does not show
    low, high = acc.min_int, acc.max_int
    if acc.overflow is Overflow.SATURATE_SYMMETRIC and acc.width > 1:
        low = max(low, -high)
    held = max(-low, high)
    natural = x.low >= 0 and w.low >= 0  # no product below zero
    room = high if natural else min(-low, high)
    cut = -(-product >> right) if no_rounding else (product >> right) + 1  # of one product
    reach = (-(-sum_bound >> right) if no_rounding else (sum_bound >> right) + depth) + (held if start is None else start)
    safe = reach <= room
    waits = acc.overflow is Overflow.WRAP and not acc.sat_bits  # modulo 2**width: any time is as good
    why = (
        f"every |partial sum| <= {reach} <= {room}, so {acc.overflow} never acts"
        if safe
        else f"{acc.overflow} modulo 2**{acc.width} may wait for the end"
    )
    if as_cast and (safe or waits) and no_rounding:
        rest = "no product has bits below the accumulator's"
        for name, lanes, bits in _FLOATS:
            if reach <= 1 << bits:
                why_exact = f"|partial sums| <= {reach} <= 2**{bits}, so any order is exact"
                return Plan(name, lanes, right, up, not safe, PLAIN, True, f"{rest}; {why}; {why_exact}")
    rounding = "no product has bits below the accumulator's" if no_rounding else f"each product {acc.rounding} by 2**-{right}"
    if as_cast and (safe or waits):
        lanes = _lanes(max(product + (1 << right), reach if safe else 0), acc, full)
        return Plan("free_sum", lanes, right, up, not safe, mode, True, f"{rounding}; {why}{_width(lanes)}")
    inside = full or cut <= room
    within = "" if full else f" (|product| <= {cut} <= {room} is in range)" if inside else f" and {acc.overflow}"
    if full and not plain:
        rounding = f"each sum {acc.rounding} by 2**-{right}"
    elif acc.overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC):
        lanes = _lanes(max(product + (1 << right), held + (cut if inside else held)), acc, full)
        why = f"{rounding}{within}, {acc.overflow} at each k{_width(lanes)}"
        return Plan("clamped_sum", lanes, right, up, False, mode, inside, why)
    if full:
        lanes = _lanes(max(product + (2 << right), held + cut + 1), acc, full)
        return Plan("full_sum", lanes, right, up, False, mode, True, f"{rounding}, {acc.overflow} at each k{_width(lanes)}")
    lanes = _lanes(max(product + (1 << right), 2 * held), acc, full)
    why = f"{rounding}{within}, {acc.overflow} at each k{_width(lanes)}"
    return Plan("cast_sum", lanes, right, up, False, mode, inside, why)


def _sum_bound(depth: int, x: Operand, w: Operand) -> int:
    """No sum of magnitudes of products is larger."""
    bounds = [depth * x.largest * w.largest]
    if w.total is not None:
        bounds.append(w.total * x.largest)
    if x.total is not None:
        bounds.append(x.total * w.largest)
    return min(bounds)


def _width(lanes: type) -> str:
    return f"; {np.dtype(lanes).itemsize * 8}-bit integers"


def _lanes(largest: int, acc: Fixed, full: bool) -> type:
    """The narrowest lanes that hold numbers up to `largest`."""
    bits = max(largest.bit_length(), acc.width)
    if bits <= 31:
        return np.int32
    if bits <= WIDEST:
        return np.int64
    raise ValueError(
        f"{acc}{'+full' if full else ''} needs {bits + 1} bits for these operands; use narrower types (at most {WIDEST})"
    )
