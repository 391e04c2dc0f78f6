"""Rounding floats to narrower floats, branch-free, so that the loops over it become SIMD code.

The carrier is float32 (words int32) or float64 (words int64): each function serves both, by the types of its arguments.

A magnitude a with exponent e is rounded at unit = 2**(max(e, emin) - t), t the mantissa bits of the target, by adding
magic = 2**(max(e, emin) + p - t), p = 23 or 52 the mantissa bits of the carrier: the units of the sum's last bit are then the units
of the target, so the hardware's addition rounds to nearest even, and the integer below a / unit stands in the sum's low bits.
Conditions (numfmt.formats.float_facts checks them): 1 <= t + 1 < p - 1; 2**(emin - t) is a normal number of the carrier;
emax + 1 + p - t is a finite exponent. A NaN stays NaN in every step, because each comparison with it is false.
"""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .lanes import above, add, bits, both, copy_sign, differ, either, from_bits, like, right, sub, whole, wide_vectors


@kernel
def count_nan(x):
    """How many elements are NaN."""
    wide_vectors()
    found = 0
    for i in range(x.size):
        found += x[i] != x[i]
    return found


@kernel
def larger(x, y):
    """The larger of two integers of one type. Of magnitudes' words, the largest is above the word of infinity if one is NaN."""
    return x if x > y else y


# Places in `words` and `reals`, the facts of a format under given modes. Those of EVEN_* serve the loops to nearest even.
(MASK, EMIN, SHIFT, ONE, TWICE_BIAS, CODE_SHIFT, CODE_OFFSET, INEXACT_POS, INEXACT_NEG, NEAREST, TIE_POS, TIE_NEG, TIE_ODD, TO_ODD,
 TOP_POS, TOP_NEG, OVER_POS, OVER_NEG, INF_POS, INF_NEG, ZERO_POS, ZERO_NEG, NAN, SIGN, SIGN_OF_ZERO, SIGN_SHIFT, KEEP, HALF,
 RNE_C, OVER, MOST_RANDOM, D_SHIFT, D_WIDTH, D_KEEP, D_CUT, D_TWICE) = range(36)  # fmt: skip
(R_CLAMP, R_LEAST, R_PLUS, R_INF, R_TOP_POS, R_TOP_NEG, R_OVER_POS, R_OVER_NEG, R_INF_POS, R_INF_NEG, R_ZERO_POS, R_ZERO_NEG,
 R_FROM, R_OVER, R_LIMIT, R_HALF, R_MAX, R_FACTOR, R_FLOOR) = range(19)  # fmt: skip


@kernel
def below(a, mask, emin, shift, one, clamp):
    """(word of the integer below a / unit in the magic's last bits, rest of a, unit, word of the magic, exponent word used)."""
    a = clamp if clamp < a else a
    exponent = both(bits(a), mask)
    exponent = exponent if exponent > emin else emin
    word = add(exponent, shift)
    magic = from_bits(word)
    total = a + magic
    low = sub(bits(total), like(total - magic > a, one))
    rest = a - (from_bits(low) - magic)
    unit = from_bits(add(word, one)) - magic
    return low, rest, unit, word, exponent


@kernel
def away_rule(rest, unit, odd, negative, one, inexact_pos, inexact_neg, nearest, tie_pos, tie_neg, tie_odd, to_odd):
    """1 where the magnitude goes to the neighbour away from zero, else 0. All flags are words 0 or 1; odd: parity of the code."""
    twice = rest + rest
    inexact = like(rest > 0, one)
    more = like(twice > unit, one)
    tie = like(twice == unit, one)
    whenever = either(inexact_neg if negative else inexact_pos, both(to_odd, sub(one, odd)))
    at_tie = either(tie_neg if negative else tie_pos, both(tie_odd, odd))
    return either(both(inexact, whenever), either(both(more, nearest), both(tie, at_tie)))


@kernel
def away_share(share, random, most_random, half, limit, to_nearest, one):
    """1 where a magnitude goes away from zero whose dropped part is share / 2**N: P3109's StochasticA, B, C.

    share is exact; random below limit = 2**N, most_random = 2**N - 1. half: 1/2 rounds the share to nearest, ties upward (B);
    2 leaves its floor (A, C); to_nearest rounds it to nearest even first (C).
    """
    share = share if share < limit else limit - limit  # NaN
    share = np.rint(share) if to_nearest else share
    floor = whole(share)
    rest = share - np.floor(share)
    return like(above(add(floor, like(rest >= half, one)), differ(random, most_random)), one)


@kernel
def away_random(rest, unit, random, most_random, half, limit, to_nearest, one, twice_bias):
    """`away_share` of rest / unit * 2**N, which is exact, or so small that it decides nothing."""
    return away_share(
        rest * from_bits(sub(twice_bias, bits(unit))) * limit, random, most_random, half, limit, to_nearest, one
    )  # fmt: skip


@kernel
def _value(v, size, a, plus, inf, least, top_pos, top_neg, over_pos, over_neg, inf_pos, inf_neg, zero_pos, zero_neg):
    """The rounded magnitude `size` of v under the overflow rule, with its sign."""
    negative = bits(v) < 0
    size = least if size < least else size
    y = copy_sign(size, v) + plus
    y = (over_neg if negative else over_pos) if size > (top_neg if negative else top_pos) else y
    y = (inf_neg if negative else inf_pos) if a == inf else y
    return (zero_neg if negative else zero_pos) if a == 0 else y


@kernel
def cast_any(x, out, words, reals, check):
    """out = x rounded as the facts say; x, out: float32 or float64, of one size. Returns how many are NaN if `check`."""
    wide_vectors()
    mask, emin, shift, one = words[MASK], words[EMIN], words[SHIFT], words[ONE]
    code_shift, offset = words[CODE_SHIFT], words[CODE_OFFSET]
    inexact_pos, inexact_neg, nearest = words[INEXACT_POS], words[INEXACT_NEG], words[NEAREST]
    tie_pos, tie_neg, tie_odd, to_odd = words[TIE_POS], words[TIE_NEG], words[TIE_ODD], words[TO_ODD]
    clamp, least, plus, inf = reals[R_CLAMP], reals[R_LEAST], reals[R_PLUS], reals[R_INF]
    top_pos, top_neg, over_pos, over_neg = reals[R_TOP_POS], reals[R_TOP_NEG], reals[R_OVER_POS], reals[R_OVER_NEG]
    inf_pos, inf_neg, zero_pos, zero_neg = reals[R_INF_POS], reals[R_INF_NEG], reals[R_ZERO_POS], reals[R_ZERO_NEG]
    most = sub(one, one)
    for i in range(x.size):
        v = like(x[i], clamp)
        a = abs(v)
        most = larger(most, bits(a))
        low, rest, unit, word, exponent = below(a, mask, emin, shift, one, clamp)
        odd = both(add(add(low, right(sub(exponent, emin), code_shift)), offset), one)
        negative = bits(v) < 0
        away = away_rule(rest, unit, odd, negative, one, inexact_pos, inexact_neg, nearest, tie_pos, tie_neg, tie_odd, to_odd)
        size = from_bits(add(low, away)) - from_bits(word)
        out[i] = _value(v, size, a, plus, inf, least, top_pos, top_neg, over_pos, over_neg, inf_pos, inf_neg, zero_pos, zero_neg)
    return count_nan(x) if check and most > mask else 0


@kernel
def cast_random(x, out, random, random_shift, words, reals, check):
    """`cast_any` for the stochastic roundings. random >> random_shift: each element's random bits."""
    wide_vectors()
    mask, emin, shift, one, twice_bias = words[MASK], words[EMIN], words[SHIFT], words[ONE], words[TWICE_BIAS]
    clamp, least, plus, inf = reals[R_CLAMP], reals[R_LEAST], reals[R_PLUS], reals[R_INF]
    top_pos, top_neg, over_pos, over_neg = reals[R_TOP_POS], reals[R_TOP_NEG], reals[R_OVER_POS], reals[R_OVER_NEG]
    inf_pos, inf_neg, zero_pos, zero_neg = reals[R_INF_POS], reals[R_INF_NEG], reals[R_ZERO_POS], reals[R_ZERO_NEG]
    limit, half = reals[R_LIMIT], reals[R_HALF]
    rne_c, most_random = words[RNE_C] != 0, words[MOST_RANDOM]
    random_shift = like(random_shift, one)
    most = sub(one, one)
    for i in range(x.size):
        v = like(x[i], clamp)
        a = abs(v)
        most = larger(most, bits(a))
        low, rest, unit, word, _ = below(a, mask, emin, shift, one, clamp)
        away = away_random(rest, unit, right(like(random[i], one), random_shift), most_random, half, limit, rne_c, one, twice_bias)
        size = from_bits(add(low, away)) - from_bits(word)
        out[i] = _value(v, size, a, plus, inf, least, top_pos, top_neg, over_pos, over_neg, inf_pos, inf_neg, zero_pos, zero_neg)
    return count_nan(x) if check and most > mask else 0


@kernel
def _code(v, size, a, inf, top_pos, top_neg, over_pos, over_neg, inf_pos, inf_neg, zero_pos, zero_neg, nan, sign, sign_of_zero):
    """The code of the rounded magnitude whose code without sign is `size`."""
    negative = bits(v) < 0
    size = sub(size, size) if size < 0 else size
    none = sub(size, size)
    code = either(size, (sign_of_zero if size == 0 else sign) if negative else none)
    code = (over_neg if negative else over_pos) if size > (top_neg if negative else top_pos) else code
    code = (inf_neg if negative else inf_pos) if a == inf else code
    code = (zero_neg if negative else zero_pos) if a == 0 else code
    return nan if v != v else code


@kernel
def encode_any(x, out, words, reals, check):
    """out = codes of x rounded as the facts say; out: unsigned. Otherwise as `cast_any`."""
    wide_vectors()
    mask, emin, shift, one = words[MASK], words[EMIN], words[SHIFT], words[ONE]
    code_shift, offset = words[CODE_SHIFT], words[CODE_OFFSET]
    inexact_pos, inexact_neg, nearest = words[INEXACT_POS], words[INEXACT_NEG], words[NEAREST]
    tie_pos, tie_neg, tie_odd, to_odd = words[TIE_POS], words[TIE_NEG], words[TIE_ODD], words[TO_ODD]
    top_pos, top_neg, over_pos, over_neg = words[TOP_POS], words[TOP_NEG], words[OVER_POS], words[OVER_NEG]
    inf_pos, inf_neg, zero_pos, zero_neg = words[INF_POS], words[INF_NEG], words[ZERO_POS], words[ZERO_NEG]
    nan, sign, sign_of_zero = words[NAN], words[SIGN], words[SIGN_OF_ZERO]
    clamp, inf = reals[R_CLAMP], reals[R_INF]
    most = sub(one, one)
    for i in range(x.size):
        v = like(x[i], clamp)
        a = abs(v)
        most = larger(most, bits(a))
        low, rest, unit, word, exponent = below(a, mask, emin, shift, one, clamp)
        base = add(sub(right(sub(exponent, emin), code_shift), word), offset)
        negative = bits(v) < 0
        odd = both(add(low, base), one)
        away = away_rule(rest, unit, odd, negative, one, inexact_pos, inexact_neg, nearest, tie_pos, tie_neg, tie_odd, to_odd)
        size = add(add(low, away), base)
        out[i] = _code(
            v, size, a, inf, top_pos, top_neg, over_pos, over_neg, inf_pos, inf_neg, zero_pos, zero_neg,
            nan, sign, sign_of_zero,
        )  # fmt: skip
    return count_nan(x) if check and most > mask else 0


@kernel
def encode_random(x, out, random, random_shift, words, reals, check):
    """`encode_any` for the stochastic roundings. random >> random_shift: each element's random bits."""
    wide_vectors()
    mask, emin, shift, one, twice_bias = words[MASK], words[EMIN], words[SHIFT], words[ONE], words[TWICE_BIAS]
    code_shift, offset = words[CODE_SHIFT], words[CODE_OFFSET]
    top_pos, top_neg, over_pos, over_neg = words[TOP_POS], words[TOP_NEG], words[OVER_POS], words[OVER_NEG]
    inf_pos, inf_neg, zero_pos, zero_neg = words[INF_POS], words[INF_NEG], words[ZERO_POS], words[ZERO_NEG]
    nan, sign, sign_of_zero = words[NAN], words[SIGN], words[SIGN_OF_ZERO]
    clamp, inf, limit, half = reals[R_CLAMP], reals[R_INF], reals[R_LIMIT], reals[R_HALF]
    rne_c, most_random = words[RNE_C] != 0, words[MOST_RANDOM]
    random_shift = like(random_shift, one)
    most = sub(one, one)
    for i in range(x.size):
        v = like(x[i], clamp)
        a = abs(v)
        most = larger(most, bits(a))
        low, rest, unit, word, exponent = below(a, mask, emin, shift, one, clamp)
        away = away_random(rest, unit, right(like(random[i], one), random_shift), most_random, half, limit, rne_c, one, twice_bias)
        size = add(add(sub(add(low, away), word), right(sub(exponent, emin), code_shift)), offset)
        out[i] = _code(
            v, size, a, inf, top_pos, top_neg, over_pos, over_neg, inf_pos, inf_neg, zero_pos, zero_neg,
            nan, sign, sign_of_zero,
        )  # fmt: skip
    return count_nan(x) if check and most > mask else 0
