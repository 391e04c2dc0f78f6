"""Which casts to fixed point the SIMD kernel may do, and the blocks that it hands back done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.fixed_simd import BLOCK, round_fixed, store_integers
from .base import Overflow, Rounding

if TYPE_CHECKING:
    from .fixed import Fixed
    from .modes import Modes

Slowly = Callable[[np.ndarray, np.ndarray, "Modes", np.ndarray], int]

# Where a dropped part f in (-1, 1) makes the truncated integer step up (f >= first) or down (f <= second). ABOVE is the next
# number after a half in the arithmetic's type, ANY its least positive number, NEVER is out of reach.
_HALF, _ABOVE, _ANY, _NEVER = "half", "above", "any", "never"
_STEPS = {
    Rounding.TIES_AWAY: (_HALF, _HALF),
    Rounding.TIES_ZERO: (_ABOVE, _ABOVE),
    Rounding.TIES_UP: (_HALF, _ABOVE),
    Rounding.TIES_DOWN: (_ABOVE, _HALF),
    Rounding.AWAY: (_ANY, _ANY),
}
_RUN = 16  # blocks: what they need as float64 stays in the L2 cache
_LARGEST = float(np.finfo(np.float64).max)
_CLAMPS = (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC)


def _step(name: str, work: np.dtype) -> float:
    if name == _ABOVE:
        return float(np.nextafter(work.type(0.5), work.type(1)))
    return {_HALF: 0.5, _ANY: float(np.finfo(work).smallest_subnormal), _NEVER: 2.0}[name]


def arithmetic(fmt: Fixed, source: np.dtype, random_width: int = 0) -> np.dtype | None:
    """The float type in which x * 2**frac_bits, raw integers of `fmt` and random integers are exact; None where there is none.

    The product may overflow (to an infinity, which is out of range as it should be) but must not underflow.
    """
    significant, frac = fmt.width - int(fmt.signed), fmt.frac_bits
    single = source == np.float32
    if fmt.width == 0:
        return None
    if single and significant <= 24 and 0 <= frac <= 126 and random_width <= 22:
        return np.dtype(np.float32)
    if significant <= 53 and frac <= 1022 and (frac >= 0 or (single and frac >= -800)):
        return np.dtype(np.float64)
    return None


@lru_cache(maxsize=1024)
def _steps(rounding: Rounding, work: np.dtype, random_width: int) -> tuple[Any, Any, int]:
    """The last arguments of `round_fixed` that say how to round: above, below, mode."""
    if random_width:  # what a dropped part is multiplied by, and what it must reach, before the random integer is taken off
        more = int(rounding is Rounding.STOCHASTIC_B)
        up = 2.0 ** (random_width + more)
        return work.type(up), work.type(up - more), rounding.number
    up, down = (_step(name, work) for name in _STEPS.get(rounding, (_NEVER, _NEVER)))
    return work.type(up), work.type(-down), rounding.number


@lru_cache(maxsize=1024)
def _bounds(fmt: Fixed, work: np.dtype, codes: bool, overflow: Overflow) -> tuple[Any, ...]:
    """Arguments of `round_fixed` from scale to last; codes only in float32, whose integers have at most 25 bits."""
    make = work.type
    first, last = (-inf, inf) if overflow in _CLAMPS else (fmt.min_int, fmt.max_int)
    factor = np.int32((1 << fmt.width) - 1) if codes else make(fmt.quantum)
    return (make(2.0**fmt.frac_bits), factor, *map(make, (_lowest(fmt, overflow), fmt.max_int, first, last)))


def _lowest(fmt: Fixed, overflow: Overflow) -> int:
    return -fmt.max_int if overflow is Overflow.SATURATE_SYMMETRIC and fmt.width > 1 and fmt.signed else fmt.min_int


def round_blocks(
    fmt: Fixed, x: np.ndarray, out: np.ndarray, modes: Modes, words: np.ndarray, shift: int, slowly: Slowly
) -> int:  # fmt: skip
    """Codes (unsigned out) or values (float out) of x; how many were refused.

    words: random integers of the elements, in the bits above `shift`. `slowly` does what is not for the SIMD kernels.
    """
    if np.may_share_memory(x, out):  # blocks done again must find x as it was
        step, refused = _RUN * BLOCK, 0
        for i in range(0, x.size, step):
            some = words[i : i + step] if modes.random else words
            refused += round_blocks(fmt, x[i : i + step].copy(), out[i : i + step], modes, some, shift, slowly)
        return refused
    random_width = modes.random.width if modes.random else 0
    work = arithmetic(fmt, x.dtype, random_width)
    if work is None:
        return slowly(x, out, modes, _integers(words, shift))
    codes = out.dtype.kind == "u"
    if work == np.float32 or not (codes or x.dtype.itemsize > out.dtype.itemsize):
        dirty = np.empty(-(-x.size // BLOCK), np.uint8)
        steps = _steps(modes.rounding, work, random_width)
        round_fixed(*(x, out, *_bounds(fmt, work, codes, modes.overflow), *steps, words, shift, dirty))
        runs = _runs(dirty) if dirty.any() else iter(())
    else:
        runs = (slice(i, i + _RUN * BLOCK) for i in range(0, x.size, _RUN * BLOCK))
    refused = 0
    for part in runs:
        some = words[part] if modes.random else words
        if not _in_double(fmt, x[part], out[part], modes, some, shift):
            refused += slowly(x[part], out[part], modes, _integers(some, shift))
    return refused


def _integers(words: np.ndarray, shift: int) -> np.ndarray:
    return words.astype(np.uint32, copy=False) >> np.uint32(shift)


def _runs(dirty: np.ndarray) -> Iterator[slice]:
    """The elements of marked blocks that stand together, at most _RUN blocks at once."""
    marked = np.flatnonzero(dirty).tolist()
    start = 0
    for k in range(1, len(marked) + 1):
        if k == len(marked) or marked[k] != marked[k - 1] + 1 or k - start == _RUN:
            yield slice(marked[start] * BLOCK, (marked[k - 1] + 1) * BLOCK)
            start = k


def _in_double(fmt: Fixed, x: np.ndarray, out: np.ndarray, modes: Modes, words: np.ndarray, shift: int) -> bool:
    """Round x to integers in float64, then wrap, zero and store them; False where x holds what only the exact kernel can do."""
    overflow, low, high = modes.overflow, float(fmt.min_int), float(fmt.max_int)
    clamp, seen, modulus = (low, high), (low, high), -1.0
    if overflow in _CLAMPS:
        clamp, seen = (float(_lowest(fmt, overflow)), high), (-inf, inf)
    elif overflow is Overflow.SATURATE_ZERO or (overflow is Overflow.WRAP and not fmt.sat_bits):
        clamp, seen = (-inf, inf), (-_LARGEST, _LARGEST)
        modulus = 2.0**fmt.width if overflow is Overflow.WRAP else 0.0
    whole, dirty = np.empty(x.size), np.empty(-(-x.size // BLOCK), np.uint8)
    scale, one = np.float64(2.0**fmt.frac_bits), np.float64(1)
    steps = _steps(modes.rounding, np.dtype(np.float64), modes.random.width if modes.random else 0)
    round_fixed(*(x, whole, scale, one, *clamp, *seen, *steps, words, shift, dirty))
    if dirty.any():
        return False
    store_integers(whole, out, fmt.quantum, np.int64((1 << fmt.width) - 1), low, high, modulus)
    return True
