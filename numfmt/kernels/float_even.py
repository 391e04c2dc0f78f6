"""The most used casts, in as few operations as they take: formats with a zero, to nearest even.

Unsigned formats clip at R_FLOOR = 0. From R_FROM on (the least magnitude that overflows under the rule) the result is R_OVER (its
code OVER); the facts' other entries have the meanings of `float_lanes`, whose method is used.
"""

from __future__ import annotations

from .float_lanes import (
    CODE_SHIFT,
    EMIN,
    HALF,
    KEEP,
    MASK,
    NAN,
    ONE,
    OVER,
    R_FLOOR,
    R_FROM,
    R_MAX,
    R_OVER,
    R_PLUS,
    SHIFT,
    SIGN,
    SIGN_OF_ZERO,
    SIGN_SHIFT,
    count_nan,
    larger,
)
from .jit import kernel
from .lanes import add, bits, both, copy_sign, either, from_bits, like, right, sub, wide_vectors


@kernel
def even_value(v, a, mask, emin, shift, clamp, plus, start_over, over):
    """v, of magnitude a, rounded to nearest even."""
    held = clamp if clamp < a else a
    exponent = both(bits(held), mask)
    magic = from_bits(add(exponent if exponent > emin else emin, shift))
    size = (held + magic) - magic
    size = over if a >= start_over else size
    return copy_sign(size, v) + plus


@kernel
def cast_even(x, out, words, reals, check):
    """out = x rounded to nearest even; x, out: float32 or float64. Returns how many elements are NaN if `check`."""
    wide_vectors()
    mask, emin, shift, one = words[MASK], words[EMIN], words[SHIFT], words[ONE]
    clamp, plus, start_over, over = reals[R_MAX], reals[R_PLUS], reals[R_FROM], reals[R_OVER]
    floor = reals[R_FLOOR]
    most = sub(one, one)
    for i in range(x.size):
        v = like(x[i], clamp)
        v = floor if v < floor else v
        a = abs(v)
        most = larger(most, bits(a))
        out[i] = even_value(v, a, mask, emin, shift, clamp, plus, start_over, over)
    return count_nan(x) if check and most > mask else 0


@kernel
def encode_even(x, out, words, reals, check):
    """out = codes of x rounded to nearest even; out: unsigned."""
    wide_vectors()
    mask, emin, shift, one, code_shift = words[MASK], words[EMIN], words[SHIFT], words[ONE], words[CODE_SHIFT]
    nan, over_code, sign, sign_of_zero, sign_shift = words[NAN], words[OVER], words[SIGN], words[SIGN_OF_ZERO], words[SIGN_SHIFT]
    clamp, start_over, floor = reals[R_MAX], reals[R_FROM], reals[R_FLOOR]
    most = sub(one, one)
    for i in range(x.size):
        v = like(x[i], clamp)
        v = floor if v < floor else v
        a = abs(v)
        most = larger(most, bits(a))
        held = clamp if clamp < a else a
        exponent = both(bits(held), mask)
        exponent = exponent if exponent > emin else emin
        word = add(exponent, shift)
        size = add(sub(bits(held + from_bits(word)), word), right(sub(exponent, emin), code_shift))
        size = over_code if a >= start_over else size
        code = either(size, both(right(bits(v), sign_shift), sign_of_zero if size == 0 else sign))
        out[i] = nan if v != v else code
    return count_nan(x) if check and most > mask else 0


@kernel
def cast_even_same(x, out, words, reals, check):
    """`cast_even` for formats with the exponent range of the carrier: only mantissa bits go, so integer addition rounds."""
    wide_vectors()
    mask, one, code_shift, half, keep = words[MASK], words[ONE], words[CODE_SHIFT], words[HALF], words[KEEP]
    clamp, plus, start_over, over = reals[R_MAX], reals[R_PLUS], reals[R_FROM], reals[R_OVER]
    most = sub(one, one)
    for i in range(x.size):
        v = like(x[i], clamp)
        a = abs(v)
        most = larger(most, bits(a))
        word = bits(clamp if clamp < a else a)
        size = from_bits(both(add(add(word, half), both(right(word, code_shift), one)), keep))
        size = over if a >= start_over else size
        size = a if a != a else size
        out[i] = copy_sign(size, v) + plus
    return count_nan(x) if check and most > mask else 0


@kernel
def encode_even_same(x, out, words, reals, check):
    """Codes of `cast_even_same`."""
    wide_vectors()
    mask, one, code_shift, half = words[MASK], words[ONE], words[CODE_SHIFT], words[HALF]
    nan, over_code, sign, sign_of_zero, sign_shift = words[NAN], words[OVER], words[SIGN], words[SIGN_OF_ZERO], words[SIGN_SHIFT]
    clamp, start_over = reals[R_MAX], reals[R_FROM]
    most = sub(one, one)
    for i in range(x.size):
        v = like(x[i], clamp)
        a = abs(v)
        most = larger(most, bits(a))
        word = bits(clamp if clamp < a else a)
        size = right(add(add(word, half), both(right(word, code_shift), one)), code_shift)
        size = over_code if a >= start_over else size
        code = either(size, both(right(bits(v), sign_shift), sign_of_zero if size == 0 else sign))
        out[i] = nan if v != v else code
    return count_nan(x) if check and most > mask else 0
