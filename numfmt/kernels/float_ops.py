"""Sums and products of float32 rounded to nearest even into a narrower format, in one loop: no array between the two steps.

The facts are those of `float_even.cast_even`; formats that hold NaN, so that nothing has to be counted.
"""

from __future__ import annotations

from .float_even import even_value
from .float_lanes import EMIN, MASK, R_FLOOR, R_FROM, R_MAX, R_OVER, R_PLUS, SHIFT
from .jit import kernel
from .lanes import wide_vectors
from .odd import product_single, sum_single


@kernel
def add_even(x, y, out, sign, words, reals):
    """out = x + sign * y; x, y, out: float32; sign: np.float32(1) or np.float32(-1)."""
    wide_vectors()
    mask, emin, shift = words[MASK], words[EMIN], words[SHIFT]
    clamp, plus, start_over, over, floor = reals[R_MAX], reals[R_PLUS], reals[R_FROM], reals[R_OVER], reals[R_FLOOR]
    for i in range(out.size):
        v = sum_single(x[i], sign * y[i], False)
        v = floor if v < floor else v
        out[i] = even_value(v, abs(v), mask, emin, shift, clamp, plus, start_over, over)


@kernel
def multiply_even(x, y, out, words, reals):
    """out = x * y; x, y, out: float32."""
    wide_vectors()
    mask, emin, shift = words[MASK], words[EMIN], words[SHIFT]
    clamp, plus, start_over, over, floor = reals[R_MAX], reals[R_PLUS], reals[R_FROM], reals[R_OVER], reals[R_FLOOR]
    for i in range(out.size):
        v = product_single(x[i], y[i])
        v = floor if v < floor else v
        out[i] = even_value(v, abs(v), mask, emin, shift, clamp, plus, start_over, over)
