"""Which casts to fixed point the SIMD kernel may do, and the blocks that it hands back done again."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.fixed_simd import BLOCK, reduce_blocks, round_fixed
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
_CLAMPS = (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC)


def _step(name: str, work: np.dtype) -> float:
    if name == _ABOVE:
        return float(np.nextafter(work.type(0.5), work.type(1)))
    return {_HALF: 0.5, _ANY: float(np.finfo(work).smallest_subnormal), _NEVER: 2.0}[name]


def arithmetic(fmt: Fixed, source: np.dtype) -> np.dtype | None:
    """The float type in which x * 2**frac_bits and every raw integer of `fmt` are exact; None where there is none.

    The product may overflow (to an infinity, which is out of range as it should be) but must not underflow.
    """
    significant, frac = fmt.width - int(fmt.signed), fmt.frac_bits
    single = source == np.float32
    if fmt.width == 0:
        return None
    if single and significant <= 24 and 0 <= frac <= 126:
        return np.dtype(np.float32)
    if significant <= 53 and frac <= 1022 and (frac >= 0 or (single and frac >= -800)):
        return np.dtype(np.float64)
    return None


@lru_cache(maxsize=1024)
def _facts(fmt: Fixed, source: np.dtype, target: np.dtype, rounding: Rounding, overflow: Overflow) -> tuple[Any, ...] | None:
    """Arguments of `round_fixed` after x and out, up to the mode; None where only the exact kernel will do."""
    work = arithmetic(fmt, source)
    codes = target.kind == "u"
    if work is None or (codes and fmt.width > (32 if fmt.signed else 31)):
        return None
    low = -fmt.max_int if overflow is Overflow.SATURATE_SYMMETRIC and fmt.signed and fmt.width > 1 else fmt.min_int
    first, last = (-inf, inf) if overflow in _CLAMPS else (fmt.min_int, fmt.max_int)
    up, down = (_step(name, work) for name in _STEPS.get(rounding, (_NEVER, _NEVER)))
    make = work.type
    factor = np.int32((1 << fmt.width) - 1 if fmt.width < 32 else -1) if codes else make(fmt.quantum)
    scale = make(2.0**fmt.frac_bits)
    return (scale, factor, make(low), make(fmt.max_int), make(first), make(last), make(up), make(-down), rounding.number)


def round_blocks(fmt: Fixed, x: np.ndarray, out: np.ndarray, modes: Modes, words: np.ndarray, slowly: Slowly) -> int:
    """Codes (unsigned out) or values (float out) of x. `slowly` does what is not for the SIMD kernel. Returns refusals."""
    facts = _facts(fmt, x.dtype, out.dtype, modes.rounding, modes.overflow)
    if facts is None:
        return slowly(x, out, modes, words)
    scale, factor, *_, above, below, mode = facts
    dirty = np.empty(-(-x.size // BLOCK), np.uint8)
    random_width = modes.random.width if modes.random else 1
    round_fixed(*(x, out, *facts, words, random_width, dirty))
    if not dirty.any():
        return 0
    wraps = modes.overflow is Overflow.WRAP and fmt.sat_bits == 0
    if wraps or modes.overflow is Overflow.SATURATE_ZERO:
        modulus = 2.0**fmt.width if wraps else 0.0
        steps = float(above), float(below)
        reduce_blocks(*(
            x, out, np.float64(scale), factor if out.dtype.kind == "u" else np.float64(factor), float(fmt.min_int),
            float(fmt.max_int), modulus, *steps, mode, words, random_width, dirty,
        ))  # fmt: skip
    refused = 0
    for block in np.flatnonzero(dirty):
        part = slice(block * BLOCK, (block + 1) * BLOCK)
        refused += slowly(x[part], out[part], modes, words[part] if modes.random else words)
    return refused
