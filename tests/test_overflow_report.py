"""nf.overflow_report: every count against plain fractions, element by element; its run is matmul's own."""

from fractions import Fraction
from math import isfinite, isinf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

from .reference import datapaths as ref

FORMATS = {"fp16": ref.FP16, "bf16": ref.BF16, "fp32": ref.FP32, "e4m3fn": ref.E4M3FN, "e5m2": ref.E5M2}


def smallest(sums, terms):
    """The smallest two's complement type of all partial sums, and the largest size; the finest bit is that of the terms."""
    fine = [t for t in terms if t]
    if not fine:
        return "int2", 0.0
    unit = min(Fraction(t.numerator & -t.numerator, t.denominator) for t in fine)
    places = max(0, unit.denominator.bit_length() - 1)
    whole = [int(s * 2**places) for s in [*sums, Fraction(0)]]
    bits = 2
    while not -(2 ** (bits - 1)) <= min(whole) <= max(whole) < 2 ** (bits - 1):
        bits += 1
    return (f"fixed<{bits},{bits - places}>" if places else f"int{bits}"), float(max(map(abs, [*sums, Fraction(0)])))


def float_counts(a, b, fmt, fused, mode):
    """truncated, flushed, rounded, absorbed, saturated, overflowed, partial sums, terms."""
    counts, sums, terms = [0] * 6, [], []
    for x in a:
        for y in b.T:
            total, exact = 0.0, Fraction(0)
            for p, q in zip(x.tolist(), y.tolist(), strict=True):
                product = Fraction(p) * Fraction(q)
                exact += product
                sums.append(exact)
                terms.append(product)
                term = float(product) if fused else ref.multiply(p, q, fmt, mode)
                if not fused and not isinf(term) and Fraction(term) != product and abs(product) <= fmt.max:
                    counts[0] += 1
                    counts[1] += term == 0
                elif not fused and (isinf(term) or Fraction(term) != product):
                    counts[5 if isinf(term) else 4] += 1
                after = ref.fma(p, q, total, fmt, mode) if fused else ref.add(total, term, fmt, mode)
                if isfinite(total) and isfinite(term):
                    wide = Fraction(total) + Fraction(term)
                    if isinf(after):
                        counts[5] += 1
                    elif Fraction(after) != wide:
                        beyond = abs(wide) > fmt.max and abs(after) == fmt.max
                        counts[4 if beyond else 2] += 1
                    counts[3] += term != 0 and after == total
                total = after
    return counts, sums, terms


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(["", "+fma", "+rz", "+fma+rd"]),
    st.integers(0, 9),
    st.sampled_from([1, 60, 3000]),
    st.integers(0, 2**32 - 1),
)
def test_float_steps(name, option, depth, scale, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(s) * scale * 2.0 ** rng.integers(-12, 2, s) for s in ((2, depth), (depth, 3)))
    a, b = (nf.cast(np.where(rng.random(x.shape) < 0.1, 0, x).astype(np.float32), "float16") for x in (a, b))
    fused, mode = "fma" in option, option.rpartition("+")[2] if "+r" in option else "rne"
    found = nf.overflow_report(a, b, name + option)
    counts, sums, terms = float_counts(a, b, FORMATS[name], fused, mode)
    got = [found.truncated_terms, found.flushed_terms, found.rounded_sums, found.absorbed_terms, found.saturations, found.overflows]
    assert got == counts
    assert (found.exact_accumulator, found.largest_partial_sum) == smallest(sums, terms)
    assert (found.elements, found.products) == (6, 6 * depth)


@settings(deadline=None, max_examples=80)
@given(st.integers(2, 20), st.booleans(), st.integers(0, 12), st.integers(-90, 90), st.integers(0, 2**32 - 1))
def test_integers(width, saturate, depth, start, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-20, 20, (2, depth)), rng.integers(-20, 20, (depth, 3))
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    c = min(max(start, low), high)
    found = nf.overflow_report(a, b, f"int{width}" + ("+saturate" if saturate else ""), c=np.array(c))
    left, sums = 0, [Fraction(c)]
    for x in a:
        for y in b.T:
            total, exact = c, c
            for p, q in zip(x.tolist(), y.tolist(), strict=True):
                wide, exact = total + p * q, exact + p * q
                total = min(max(wide, low), high) if saturate else ref.wrap(wide, width)
                left += total != wide
                sums.append(Fraction(exact))
    assert (found.saturations, found.wraps) == ((left, 0) if saturate else (0, left))
    kind, largest = smallest(sums, [Fraction(1)] if depth or c else [])
    assert found.largest_partial_sum == largest
    assert found.exact_accumulator == kind or not (a @ b).any()
    exact = nf.matmul(a, b, found.exact_accumulator, c=np.array(c))
    np.testing.assert_array_equal(exact, a @ b + c)


def aligned_counts(a, b, terms, bits):
    """Of aligned<terms,bits,rz>: terms cut, terms cut to nothing, block sums that were rounded."""
    cut = gone = rounded = 0
    for x in a:
        for y in b.T:
            total = Fraction(0)
            for k in range(0, len(x), terms):
                parts = [Fraction(float(p)) * Fraction(float(q)) for p, q in zip(x[k : k + terms], y[k : k + terms], strict=True)]
                tops = [top(p) + top(q) for p, q in zip(x[k : k + terms], y[k : k + terms], strict=True) if p and q]
                tops += [top(float(total))] if total else []
                if not tops:
                    continue
                unit = Fraction(2) ** (max(tops) - bits)
                kept = [int(t / unit) * unit for t in parts]  # towards zero
                cut += sum(k != p for k, p in zip(kept, parts, strict=True))
                gone += sum(k == 0 != p for k, p in zip(kept, parts, strict=True))
                wide = sum(kept) + int(total / unit) * unit
                made = ref.round_real(wide, ref.FP32, "rz")
                rounded += Fraction(made) != wide
                total = Fraction(made)
    return cut, gone, rounded


def top(x):
    """Exponent of a float16 operand as the alignment takes it: of subnormals the least normal one; else of a float32 sum."""
    return int(np.frexp(x)[1]) - 1 if not 0 < abs(x) < 2.0**-14 else -14


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([1, 4, 8]), st.integers(11, 30), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_aligned_sums(terms, bits, depth, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(s) * 2.0 ** rng.integers(-6, 6, s) for s in ((2, depth), (depth, 2)))
    a, b = a.astype(np.float16), b.astype(np.float16)
    found = nf.overflow_report(a, b, f"aligned<{terms},{bits},rz>")
    want = aligned_counts(a, b, terms, bits)
    assert (found.truncated_terms, found.flushed_terms, found.rounded_sums) == want


TYPES = [
    "ap_fixed<10,4>",
    "ap_fixed<10,4,AP_RND,AP_SAT>",
    "ap_fixed<6,2,AP_RND_CONV,AP_SAT_SYM>",
    "ap_fixed<20,9>",
    "ap_fixed<40,20>",
]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(TYPES), st.booleans(), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_fixed_point(kind, full, depth, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.integers(-128, 128, (2, depth)), rng.integers(-128, 128, (depth, 2))
    fmt = nf.parse(kind)
    a, b = nf.from_codes(x & 255, "ap_fixed<8,3>"), nf.from_codes(w & 255, "ap_fixed<8,2>", axis=0)
    found = nf.overflow_report(a, b, kind + ("+full" if full else ""))
    counts = {"beyond": 0, "cut": 0, "gone": 0, "rounded": 0}

    def assigned(value):
        """The type's value, and whether it left the range."""
        made = Fraction(float(nf.cast(np.float64(value), fmt)))  # exact: at most 40 bits
        return made, abs(made - value) >= Fraction(2) ** -fmt.frac_bits

    sums, terms = [], []
    for row in x.tolist():
        for column in w.T.tolist():
            total, exact = Fraction(0), Fraction(0)
            for p, q in zip(row, column, strict=True):
                product = Fraction(p, 2**5) * Fraction(q, 2**6)
                exact += product
                sums.append(exact)
                terms.append(product)
                if full:
                    after, beyond = assigned(total + product)
                    counts["beyond"] += beyond
                    counts["rounded"] += not beyond and after != total + product
                else:
                    term, beyond = assigned(product)
                    counts["beyond"] += beyond
                    counts["cut"] += not beyond and term != product
                    counts["gone"] += not beyond and term == 0 != product
                    after, beyond = assigned(total + term)
                    counts["beyond"] += beyond
                total = after
    assert found.saturations + found.wraps == counts["beyond"]
    assert (found.wraps > 0) <= ("SAT" not in kind)
    assert (found.truncated_terms, found.flushed_terms, found.rounded_sums) == (counts["cut"], counts["gone"], counts["rounded"])
    assert (found.exact_accumulator, found.largest_partial_sum) == smallest(sums, terms)


def test_wide_sums_have_their_smallest_register():
    a, b = np.array([[2.0**100, 1.0, 2.0**-100]], np.float32), np.array([[2.0**20], [-1.0], [2.0**-30]], np.float32)
    found = nf.overflow_report(a, b, "fp32")
    assert found.exact_accumulator == f"fixed<{122 + 130},{122}>"
    assert found.largest_partial_sum == 2.0**120
    assert found.absorbed_terms == 2
    negative = nf.overflow_report(-a, b, "fp32")  # -2**120 is held by one bit less than 2**120, but -2**120 + 1 comes first
    assert negative.exact_accumulator == f"fixed<{121 + 130},{121}>"


def test_specials():
    a = np.array([[np.inf, 1.0], [np.nan, 1.0], [60000.0, 60000.0]], np.float32)
    b = np.array([[1.0], [1.0]], np.float32)
    found = nf.overflow_report(a, b, "fp16")
    assert (found.nans, found.infinities, found.overflows) == (1, 2, 1)
    assert found.largest_partial_sum is None
    assert found.exact_accumulator is None
    assert not found.exact
    assert nf.overflow_report(a[2:], b, "fp32").exact


def test_units_integers_orders_and_scales():
    rng = np.random.default_rng(0)
    i8 = rng.integers(-128, 128, (3, 64)), rng.integers(-128, 128, (64, 2))
    big = np.full((1, 4096 * 40), 127), np.full((4096 * 40, 1), 127)
    path = "h100.mma_m16n8k32_s8_s8_s32"
    assert nf.overflow_report(*(x.astype(np.int8) for x in i8), path).exact
    wraps = nf.overflow_report(*(x.astype(np.int8) for x in big), path)
    assert wraps.wraps == 1
    assert wraps.exact_accumulator == "int33"
    half = rng.standard_normal((3, 64)).astype(np.float16), rng.standard_normal((64, 2)).astype(np.float16)
    chunked = nf.overflow_report(*half, "fp16+chunk16>fp32")
    assert 0 < chunked.rounded_sums < nf.overflow_report(*half, "fp16").rounded_sums
    q, w = nf.quantize(half[0].astype(np.float32), "int8/g16"), nf.quantize(half[1].T.astype(np.float32), "int4/g16")
    scaled = nf.overflow_report(q, w.T, "int12>fp32")
    assert scaled.exact_accumulator.startswith("int")
    assert nf.overflow_report(*half, "h100.wgmma_m64n8k16_f16_f16_f32").truncated_terms > 0
    assert nf.overflow_report(*half, "exact").exact
    assert nf.overflow_report(*half, "fp16").to_frame().rounded_sums[0] > 0
    assert "exact_accumulator" in str(scaled)
    assert nf.overflow_report(*i8, "int16+saturate+table<mitchell8s>").saturations > 0
    assert nf.overflow_report(i8[0], 2.0 ** rng.integers(-3, 8, (64, 2)).astype(np.float32), "int12+shift").wraps > 0
    assert nf.overflow_report(*half, "fp32+lmul").truncated_terms == 0


@pytest.mark.parametrize(
    ("path", "words"),
    [("int32|relu", "output stages"), ("h100.mma_m8n8k4_f64_f64_f64", "float64"), ("cublas.h100.fp8_fast", "cannot be watched")],
)
def test_refusals(path, words):
    with pytest.raises(ValueError, match=words):
        nf.overflow_report(np.ones((2, 4)), np.ones((4, 2)), path)
