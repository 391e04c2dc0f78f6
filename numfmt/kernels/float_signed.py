"""Every rounding for the usual formats: signed and with a zero.

`same` says that the format differs from the carrier in its mantissa bits alone: then the dropped bits of the input's own word
decide. Otherwise the method and the names are those of `float_lanes`, of which these loops are the shorter form.
"""

from __future__ import annotations

import numpy as np

from .float_lanes import (
    CODE_SHIFT,
    EMIN,
    INEXACT_NEG,
    INEXACT_POS,
    INF_POS,
    KEEP,
    MASK,
    NAN,
    NEAREST,
    ONE,
    OVER_NEG,
    OVER_POS,
    R_CLAMP,
    R_FACTOR,
    R_HALF,
    R_INF,
    R_INF_POS,
    R_LIMIT,
    R_MAX,
    R_OVER_NEG,
    R_OVER_POS,
    R_PLUS,
    RNE_C,
    SHIFT,
    SIGN,
    SIGN_OF_ZERO,
    SIGN_SHIFT,
    TIE_NEG,
    TIE_ODD,
    TIE_POS,
    TO_ODD,
    TOP_POS,
    TWICE_BIAS,
    away_random,
    away_rule,
    below,
    count_nan,
    larger,
)
from .jit import kernel
from .lanes import add, bits, both, copy_sign, either, from_bits, left, like, right, sub, wide_vectors


@kernel
def _value(v, a, size, top, over, inf, at_inf, plus):
    size = over if size > top else size
    size = at_inf if a == inf else size
    return copy_sign(size, v) + plus


@kernel
def _code(v, a, size, top, over, inf, at_inf, sign_shift, sign, sign_of_zero, nan):
    size = over if size > top else size
    size = at_inf if a == inf else size
    code = either(size, both(right(bits(v), sign_shift), sign_of_zero if size == 0 else sign))
    return nan if v != v else code


@kernel
def _split(a, keep):
    """(kept, dropped) bits of a magnitude's word."""
    word = bits(a)
    kept = both(word, keep)
    return kept, sub(word, kept)


@kernel
def _scaled(dropped, factor, random, limit, half, to_nearest, one):
    """`away_random` for the dropped bits as an integer; factor is 2**N over their unit."""
    share = like(dropped, limit) * factor
    share = np.rint(share) if to_nearest else share
    return like(share >= (limit - like(random, limit)) - half, one)


@kernel
def cast_signed(x, out, words, reals, check, same):
    """out = x rounded; x, out: float32 or float64. Returns how many elements are NaN if `check`."""
    wide_vectors()
    mask, emin, shift, one, code_shift, keep = words[MASK], words[EMIN], words[SHIFT], words[ONE], words[CODE_SHIFT], words[KEEP]
    inexact_pos, inexact_neg, nearest = words[INEXACT_POS], words[INEXACT_NEG], words[NEAREST]
    tie_pos, tie_neg, tie_odd, to_odd = words[TIE_POS], words[TIE_NEG], words[TIE_ODD], words[TO_ODD]
    clamp, top, over, inf, at_inf, plus = (
        reals[R_CLAMP], reals[R_MAX], reals[R_OVER_POS], reals[R_INF], reals[R_INF_POS], reals[R_PLUS]
    )  # fmt: skip
    over_neg = reals[R_OVER_NEG]  # differs where a directed mode stops at the largest value on one side
    most = sub(one, one)
    if same:
        unit = left(one, code_shift)
        for i in range(x.size):
            v = like(x[i], clamp)
            a = abs(v)
            most = larger(most, bits(a))
            kept, dropped = _split(a, keep)
            odd = both(right(kept, code_shift), one)
            away = away_rule(
                dropped, unit, odd, bits(v) < 0, one, inexact_pos, inexact_neg, nearest, tie_pos, tie_neg, tie_odd, to_odd
            )
            size = from_bits(add(kept, left(away, code_shift)))
            out[i] = _value(v, a, a if a != a else size, top, over_neg if bits(v) < 0 else over, inf, at_inf, plus)
    else:
        for i in range(x.size):
            v = like(x[i], clamp)
            a = abs(v)
            most = larger(most, bits(a))
            low, rest, unit, word, exponent = below(a, mask, emin, shift, one, clamp)
            odd = both(add(low, right(sub(exponent, emin), code_shift)), one)
            away = away_rule(
                rest, unit, odd, bits(v) < 0, one, inexact_pos, inexact_neg, nearest, tie_pos, tie_neg, tie_odd, to_odd
            )
            out[i] = _value(
                v, a, from_bits(add(low, away)) - from_bits(word), top, over_neg if bits(v) < 0 else over, inf, at_inf, plus
            )
    return count_nan(x) if check and most > mask else 0


@kernel
def cast_signed_random(x, out, random, random_shift, words, reals, check, same):
    """`cast_signed` for the stochastic roundings. random >> random_shift: each element's random bits."""
    wide_vectors()
    mask, emin, shift, one, code_shift, keep = words[MASK], words[EMIN], words[SHIFT], words[ONE], words[CODE_SHIFT], words[KEEP]
    twice_bias, rne_c = words[TWICE_BIAS], words[RNE_C] != 0
    clamp, top, over, inf, at_inf, plus = (
        reals[R_CLAMP], reals[R_MAX], reals[R_OVER_POS], reals[R_INF], reals[R_INF_POS], reals[R_PLUS]
    )  # fmt: skip
    limit, half, factor = reals[R_LIMIT], reals[R_HALF], reals[R_FACTOR]
    random_shift = like(random_shift, one)
    most = sub(one, one)
    if same:
        for i in range(x.size):
            v = like(x[i], clamp)
            a = abs(v)
            most = larger(most, bits(a))
            kept, dropped = _split(a, keep)
            away = _scaled(dropped, factor, right(like(random[i], one), random_shift), limit, half, rne_c, one)
            size = from_bits(add(kept, left(away, code_shift)))
            out[i] = _value(v, a, a if a != a else size, top, over, inf, at_inf, plus)
    else:
        for i in range(x.size):
            v = like(x[i], clamp)
            a = abs(v)
            most = larger(most, bits(a))
            low, rest, unit, word, _ = below(a, mask, emin, shift, one, clamp)
            away = away_random(rest, unit, right(like(random[i], one), random_shift), one, twice_bias, limit, half, rne_c)
            out[i] = _value(v, a, from_bits(add(low, away)) - from_bits(word), top, over, inf, at_inf, plus)
    return count_nan(x) if check and most > mask else 0


@kernel
def encode_signed(x, out, words, reals, check, same):
    """out = codes of x rounded; out: unsigned."""
    wide_vectors()
    mask, emin, shift, one, code_shift, keep = words[MASK], words[EMIN], words[SHIFT], words[ONE], words[CODE_SHIFT], words[KEEP]
    inexact_pos, inexact_neg, nearest = words[INEXACT_POS], words[INEXACT_NEG], words[NEAREST]
    tie_pos, tie_neg, tie_odd, to_odd = words[TIE_POS], words[TIE_NEG], words[TIE_ODD], words[TO_ODD]
    top, over, at_inf, nan = words[TOP_POS], words[OVER_POS], words[INF_POS], words[NAN]
    sign_shift, sign, sign_of_zero = words[SIGN_SHIFT], words[SIGN], words[SIGN_OF_ZERO]
    clamp, inf = reals[R_CLAMP], reals[R_INF]
    over_neg = words[OVER_NEG]
    most = sub(one, one)
    if same:
        unit = left(one, code_shift)
        for i in range(x.size):
            v = like(x[i], clamp)
            a = abs(v)
            most = larger(most, bits(a))
            kept, dropped = _split(a, keep)
            size = right(kept, code_shift)
            away = away_rule(
                dropped,
                unit,
                both(size, one),
                bits(v) < 0,
                one,
                inexact_pos,
                inexact_neg,
                nearest,
                tie_pos,
                tie_neg,
                tie_odd,
                to_odd,
            )
            out[i] = _code(
                v, a, add(size, away), top, over_neg if bits(v) < 0 else over, inf, at_inf, sign_shift, sign, sign_of_zero, nan
            )
    else:
        for i in range(x.size):
            v = like(x[i], clamp)
            a = abs(v)
            most = larger(most, bits(a))
            low, rest, unit, word, exponent = below(a, mask, emin, shift, one, clamp)
            size = add(sub(low, word), right(sub(exponent, emin), code_shift))
            away = away_rule(
                rest, unit, both(size, one), bits(v) < 0, one, inexact_pos, inexact_neg, nearest, tie_pos, tie_neg, tie_odd, to_odd
            )
            out[i] = _code(
                v, a, add(size, away), top, over_neg if bits(v) < 0 else over, inf, at_inf, sign_shift, sign, sign_of_zero, nan
            )
    return count_nan(x) if check and most > mask else 0


@kernel
def encode_signed_random(x, out, random, random_shift, words, reals, check, same):
    """`encode_signed` for the stochastic roundings. random >> random_shift: each element's random bits."""
    wide_vectors()
    mask, emin, shift, one, code_shift, keep = words[MASK], words[EMIN], words[SHIFT], words[ONE], words[CODE_SHIFT], words[KEEP]
    twice_bias, rne_c = words[TWICE_BIAS], words[RNE_C] != 0
    top, over, at_inf, nan = words[TOP_POS], words[OVER_POS], words[INF_POS], words[NAN]
    sign_shift, sign, sign_of_zero = words[SIGN_SHIFT], words[SIGN], words[SIGN_OF_ZERO]
    clamp, inf, limit, half, factor = reals[R_CLAMP], reals[R_INF], reals[R_LIMIT], reals[R_HALF], reals[R_FACTOR]
    random_shift = like(random_shift, one)
    most = sub(one, one)
    if same:
        for i in range(x.size):
            v = like(x[i], clamp)
            a = abs(v)
            most = larger(most, bits(a))
            kept, dropped = _split(a, keep)
            size = add(
                right(kept, code_shift),
                _scaled(dropped, factor, right(like(random[i], one), random_shift), limit, half, rne_c, one),
            )
            out[i] = _code(v, a, size, top, over, inf, at_inf, sign_shift, sign, sign_of_zero, nan)
    else:
        for i in range(x.size):
            v = like(x[i], clamp)
            a = abs(v)
            most = larger(most, bits(a))
            low, rest, unit, word, exponent = below(a, mask, emin, shift, one, clamp)
            away = away_random(rest, unit, right(like(random[i], one), random_shift), one, twice_bias, limit, half, rne_c)
            size = add(add(sub(low, word), right(sub(exponent, emin), code_shift)), away)
            out[i] = _code(v, a, size, top, over, inf, at_inf, sign_shift, sign, sign_of_zero, nan)
    return count_nan(x) if check and most > mask else 0
