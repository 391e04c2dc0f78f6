"""float32 to the powers of two 2**-127 .. 2**127, code = exponent + 127 (OCP E8M0): arithmetic on the exponent field.

The field of a normal float32 is the code of the power below it, and its fraction is what is dropped. A subnormal one, doubled
and less one binade, looks the same for code 0; what is smaller than 2**-127 counts as 2**-127. Names as in `float_lanes`.
"""

from __future__ import annotations

from .float_lanes import (
    INEXACT_POS,
    INF_NEG,
    INF_POS,
    MASK,
    NAN,
    NEAREST,
    ONE,
    OVER_NEG,
    OVER_POS,
    TIE_ODD,
    TIE_POS,
    TO_ODD,
    TOP_POS,
    ZERO_POS,
    away_rule,
    count_nan,
    larger,
)
from .jit import kernel
from .lanes import above, add, bits, both, from_bits, left, like, right, sub, wide_vectors


@kernel
def _field(size, unit):
    """The word of a magnitude as 2**23 * code + what is dropped."""
    size = size if size >= unit else sub(add(size, size), unit)
    return size if size > 0 else sub(unit, unit)


@kernel
def _code(v, size, code, mask, top, over_pos, over_neg, inf_pos, inf_neg, zero, nan):
    negative = bits(v) < 0
    code = over_pos if code > top else code
    code = over_neg if negative else code
    code = (inf_neg if negative else inf_pos) if size == mask else code
    code = zero if size == 0 else code
    return nan if size > mask else code


@kernel
def _even(v, size, one, unit, places, half, top, over_pos, over_neg, last, nan):
    """The code to nearest even, where an infinity becomes what other large values become, and zero is NaN."""
    word = _field(size, unit)
    code = right(add(add(word, half), both(right(word, places), one)), places)
    code = over_pos if code > top else code
    code = over_neg if bits(v) < 0 else code
    return nan if above(sub(size, one), last) else code


@kernel
def encode_powers(x, out, words, check, even):
    """out = codes of x rounded as the facts say, to nearest even if `even`. x: float32; out: uint8. Returns NaNs if `check`."""
    wide_vectors()
    mask, one, top, nan, zero = words[MASK], words[ONE], words[TOP_POS], words[NAN], words[ZERO_POS]
    inexact, nearest, tie, tie_odd, to_odd = words[INEXACT_POS], words[NEAREST], words[TIE_POS], words[TIE_ODD], words[TO_ODD]
    over_pos, over_neg, inf_pos, inf_neg = words[OVER_POS], words[OVER_NEG], words[INF_POS], words[INF_NEG]
    places, unit, most = like(23, one), like(1 << 23, one), sub(one, one)
    rest, half, last = sub(unit, one), like((1 << 22) - 1, one), sub(mask, one)
    if even:
        for i in range(x.size):
            size = both(bits(x[i]), like(0x7FFFFFFF, one))
            most = larger(most, size)
            out[i] = _even(x[i], size, one, unit, places, half, top, over_pos, over_neg, last, nan)
    else:
        for i in range(x.size):
            size = both(bits(x[i]), like(0x7FFFFFFF, one))
            most = larger(most, size)
            word = _field(size, unit)
            code = right(word, places)
            away = away_rule(
                both(word, rest), unit, both(code, one), False, one, inexact, inexact, nearest, tie, tie, tie_odd, to_odd
            )  # fmt: skip
            out[i] = _code(x[i], size, add(code, away), mask, top, over_pos, over_neg, inf_pos, inf_neg, zero, nan)
    return count_nan(x) if check and most > mask else 0


@kernel
def _value(code, one, unit, places, nan):
    """The float32 of a code; `nan` is no power."""
    word = left(code, places) if code > 0 else right(unit, one)
    return from_bits(like(0x7FC00000, one) if code == nan else word)


@kernel
def cast_powers(x, out, words, check, even):
    """out = x rounded; out: float32. Otherwise as `encode_powers`."""
    wide_vectors()
    mask, one, top, nan, zero = words[MASK], words[ONE], words[TOP_POS], words[NAN], words[ZERO_POS]
    inexact, nearest, tie, tie_odd, to_odd = words[INEXACT_POS], words[NEAREST], words[TIE_POS], words[TIE_ODD], words[TO_ODD]
    over_pos, over_neg, inf_pos, inf_neg = words[OVER_POS], words[OVER_NEG], words[INF_POS], words[INF_NEG]
    places, unit, most = like(23, one), like(1 << 23, one), sub(one, one)
    rest, half, last = sub(unit, one), like((1 << 22) - 1, one), sub(mask, one)
    if even:
        for i in range(x.size):
            size = both(bits(x[i]), like(0x7FFFFFFF, one))
            most = larger(most, size)
            out[i] = _value(_even(x[i], size, one, unit, places, half, top, over_pos, over_neg, last, nan), one, unit, places, nan)
    else:
        for i in range(x.size):
            size = both(bits(x[i]), like(0x7FFFFFFF, one))
            most = larger(most, size)
            word = _field(size, unit)
            code = right(word, places)
            away = away_rule(
                both(word, rest), unit, both(code, one), False, one, inexact, inexact, nearest, tie, tie, tie_odd, to_odd
            )  # fmt: skip
            code = _code(x[i], size, add(code, away), mask, top, over_pos, over_neg, inf_pos, inf_neg, zero, nan)
            out[i] = _value(code, one, unit, places, nan)
    return count_nan(x) if check and most > mask else 0
