"""Fixed point against the exact model: every format of up to 6 bits under every mode, then wide ones at random."""

import math
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.formats import fixed_ops as fx

from .reference import fixed as ref

DETERMINISTIC = [str(m) for m in nf.Rounding][:10]
STOCHASTIC = [str(m) for m in nf.Rounding][10:]
SATURATING = ["saturate", "saturate_symmetric", "saturate_zero"]
BITS = 3  # random bits, all their values


def overflow_modes(width, signed):
    """(mode, saturation bits)."""
    wraps = [("wrap", n) for n in range(width + 1)]
    if signed:
        wraps += [("wrap_sign_magnitude", n) for n in range(width + 1)]
    return [(m, 0) for m in SATURATING] + wraps


@cache
def telling(width):
    """Values in units of the last bit: quarters over three ranges, float32 and float64 neighbours of halves and wholes."""
    top = 3 << max(width, 1)
    points = [k / 4 for k in range(-4 * (2 << width) - 3, 4 * (2 << width) + 4)]
    near = {2.0**k - part for k in range(width + 1) for part in (0, 0.5, 1)}
    for p in sorted(near | {-v for v in near} | {0.5, -0.5, 1.5, -1.5, 0.0}):
        for make in (np.float32, np.float64):
            points += [float(np.nextafter(make(p), make(s * np.inf))) for s in (1, -1)]
    points += [float(s * v) for s in (1, -1) for v in (top, 2.0**40 + 2.0**20, 2.0**70, 2.0**-60, 1e-30, 0.0)]
    return np.array(points)


@cache
def rounded(width, mode, random=None):
    bits = BITS if random is not None else None
    return [ref.rounded(Fraction(t), mode, bits, random) for t in telling(width).tolist()]


def expected(width, signed, mode, overflow, n, random=None):
    """Raws at the telling values; the place of the binary point plays no part in units of the last bit."""
    pairs = zip(rounded(width, mode, random), telling(width).tolist(), strict=True)
    return np.array([ref.brought_into_range(v, Fraction(t), width, signed, overflow, n) for v, t in pairs])


def check(f, units, want, random=None):
    """Codes and values of float32 and float64 input, the whole array, the part in range and the exact kernel."""
    x64 = np.ldexp(units, -f.frac_bits)
    exact = np.ldexp(x64, f.frac_bits) == units  # not so for the smallest subnormals
    x64, units, want = x64[exact], units[exact], want[exact]
    x32 = x64.astype(np.float32)
    single = x32 == x64
    options = {} if random is None else {"random_bits": random, "random_width": BITS}
    modes = nf.formats.modes.resolve(f, *[None] * 3, **(options or {"random_bits": None}), shape=())
    for x, keep in ((x64, slice(None)), (x32, single)):
        x, raws = x[keep], want[keep]
        got = nf.encode(x, f, **options)
        np.testing.assert_array_equal(fx.raw(got, f), raws, err_msg=str(f))
        values = np.ldexp(raws.astype(np.float64), -f.frac_bits)
        cast = nf.cast(x, f, **options)
        np.testing.assert_array_equal(cast, values, err_msg=str(f))
        assert not np.signbit(cast[cast == 0]).any()
        inside = (units[keep] >= f.min_int) & (units[keep] <= f.max_int)
        np.testing.assert_array_equal(nf.cast(x[inside], f, **options), values[inside], err_msg=str(f))
        np.testing.assert_array_equal(nf.encode(x[inside], f, **options), got[inside], err_msg=str(f))
        slow = np.empty(x.size, f.code_dtype)
        words = np.full(x.size, 0 if random is None else random, np.uint32)
        assert f._encode_slowly(x, slow, modes, words) == 0
        np.testing.assert_array_equal(slow, got)
        np.testing.assert_array_equal(nf.decode(got, f), values)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", range(5))
def test_every_small_format_under_every_mode(width, signed):
    """The binary point moves nothing but the scale of values: all its places for two bits, some for the others."""
    sweep(width, signed, range(-3, 10) if width == 2 else (-3, 2) if width == 4 else (-3, 0, 9))


@pytest.mark.exhaustive
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", range(7))
def test_every_format_of_six_bits_under_every_mode(width, signed):
    sweep(width, signed, range(-3, 10))


def sweep(width, signed, places):
    for overflow, n in overflow_modes(width, signed):
        for mode in DETERMINISTIC:
            want = expected(width, signed, mode, overflow, n)
            for int_bits in places:
                check(nf.Fixed(width, int_bits, signed, mode, overflow, n), telling(width), want)
        for mode in STOCHASTIC if n < 2 else ():
            for random in range(1 << BITS):
                want = expected(width, signed, mode, overflow, n, random)
                check(nf.Fixed(width, places[0], signed, mode, overflow, n), telling(width), want, random)


def formats(max_width=64):
    @st.composite
    def build(draw):
        width = draw(st.integers(0, max_width))
        signed = draw(st.booleans())
        overflow, n = draw(st.sampled_from(overflow_modes(width, signed)))
        place = draw(st.one_of(st.integers(-80, 130), st.integers(-10, width + 10)))
        return nf.Fixed(width, place, signed, draw(st.sampled_from(DETERMINISTIC)), overflow, n)

    return build()


def model(value, f, **random):
    return ref.cast(value, f.width, f.int_bits, f.signed, str(f.rounding), str(f.overflow), f.sat_bits, **random)


def near(f):
    """Floats about the range of f, where modes matter, and any others."""
    unit, edge = f.quantum, math.ldexp(1.0, min(f.int_bits, 1000))
    return st.one_of(
        st.floats(-2 * edge, 2 * edge, allow_nan=False),
        st.integers(-(2**54), 2**54).map(lambda k: k * unit / 4),
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(allow_nan=False, allow_infinity=False, width=32),
    )


@settings(max_examples=150, deadline=None)
@given(st.data(), formats())
def test_wide_formats_take_floats(data, f):
    x = np.array(data.draw(st.lists(near(f), min_size=1, max_size=8)))
    want = [model(Fraction(v), f) for v in x.tolist()]
    codes = nf.encode(x, f)
    assert fx.raw(codes, f).tolist() == want, (f, x)
    exact = [Fraction(v) * Fraction(2) ** -f.frac_bits for v in want]
    assert [Fraction(v) for v in nf.cast(x, f).tolist()] == exact, (f, x)
    assert [Fraction(v) for v in nf.decode(codes, f).tolist()] == exact
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    single = single[np.isfinite(single)]
    assert fx.raw(nf.encode(single, f), f).tolist() == [model(Fraction(float(v)), f) for v in single]
    out = np.empty(single.size, f.value_dtype)
    f.cast_array(single, out, nf.formats.modes.resolve(f))
    assert [Fraction(v) * Fraction(2) ** f.frac_bits for v in out.tolist()] == [model(Fraction(float(v)), f) for v in single]


@settings(max_examples=100, deadline=None)
@given(st.data(), formats())
def test_wide_formats_take_integers_and_fractions(data, f):
    signed = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6))
    unsigned = data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6))
    modes = nf.formats.modes.resolve(f)
    for values, dtype in ((signed, np.int64), (unsigned, np.uint64)):
        want = [model(Fraction(v), f) for v in values]
        assert fx.raw(nf.encode(np.array(values, dtype), f), f).tolist() == want
        out = np.empty(len(values), f.code_dtype)
        assert f.encode_integers(np.array(values, dtype), out, modes) == 0
        assert fx.raw(out, f).tolist() == want
    ratios = [Fraction(v, 3**5 * 2**70) * Fraction(2) ** f.int_bits for v in signed]
    array = np.array([*ratios, None], object)[:-1]
    assert fx.raw(nf.encode(array, f), f).tolist() == [model(v, f) for v in ratios]


@settings(max_examples=150, deadline=None)
@given(st.data(), formats(), formats())
def test_one_fixed_format_to_another(data, a, b):
    raws = data.draw(st.lists(st.integers(a.min_int, a.max_int), min_size=1, max_size=8))
    raws += [a.min_int, a.max_int, 0]
    unit = Fraction(2) ** -a.frac_bits
    want = [model(v * unit, b) for v in raws]
    array = np.array(raws, np.int64 if a.max_int < 2**63 else np.uint64)
    assert fx.cast(array, a, b).tolist() == want, (a, b, raws)
    assert fx.convert_fixed(fx.codes(array, a), a, b).tolist() == fx.codes(fx.cast(array, a, b), b).tolist()


@settings(max_examples=150, deadline=None)
@given(st.data(), formats(), formats())
def test_operations_on_any_two_formats(data, a, b):
    x = data.draw(st.integers(a.min_int, a.max_int))
    y = data.draw(st.integers(b.min_int, b.max_int))
    ta, tb = (a.width, a.int_bits, a.signed), (b.width, b.int_bits, b.signed)
    for op, name in (("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("div", "divide")):
        if op == "div" and y == 0:
            continue
        made = fx.result(name, a, b)
        shape = ref.result_type(op, ta, tb)
        assert (made.width, made.int_bits, made.signed) == (max(shape[0], 0), *shape[1:]), op
        got = getattr(fx, name)(x, y, a, b)
        assert int(got) == ref.operation(op, x, y, ta, tb), (op, a, b, x, y)
        if made.width > 64:  # one rounding from the wide result
            target = nf.Fixed(24, made.int_bits - 3, True, "ties_even", "saturate")
            assert int(fx.cast(got, made, target)) == model(int(got) * Fraction(2) ** -made.frac_bits, target)
    assert int(fx.negate(x, a)) == -x
    left, right = x * Fraction(2) ** -a.frac_bits, y * Fraction(2) ** -b.frac_bits
    assert int(fx.compare(x, y, a, b)) == (left > right) - (left < right)
    shift = data.draw(st.integers(-70, 70))
    assert int(fx.left(x, shift, a)) == ref.operation("shl", x, shift, ta, tb)
    assert int(fx.right(x, shift, a)) == ref.operation("shr", x, shift, ta, tb)
    assert float(fx.to_float64(x, a)) == float(left)


LONG = ("fixed<12,4,{},wrap>", "ufixed<30,10,{},wrap>", "fixed<24,12,{},saturate>", "ufixed<9,12,{},saturate_zero>")


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("spec", LONG)
def test_long_arrays_with_blocks_in_and_out_of_range(spec, kind):
    """The model says what comes of every 16th value, of those about the edges of blocks, and of the tail."""
    long_arrays(spec, kind, np.r_[0:9_000:16, 4080:4112, 8176:8208, 8990:9000])


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("spec", LONG)
def test_every_value_of_long_arrays(spec, kind):
    long_arrays(spec, kind, np.arange(9_000))


def long_arrays(spec, kind, picks):
    """All values as the exact kernel has them; those picked as the model does."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal(9_000).astype(kind)
    x[4096:8192] *= kind(3000)
    for mode in DETERMINISTIC:
        f = nf.parse(spec.format(mode))
        codes, values = nf.encode(x, f), nf.cast(x, f)
        want = [model(Fraction(v), f) for v in x[picks].tolist()]
        assert fx.raw(codes[picks], f).tolist() == want
        np.testing.assert_array_equal(values[picks], np.ldexp(np.array(want, np.float64), -f.frac_bits))
        np.testing.assert_array_equal(values, nf.decode(codes, f))
        slow = np.empty(x.size, f.code_dtype)
        modes = nf.formats.modes.resolve(f, *[None] * 3, random_bits=None, shape=())
        assert f._encode_slowly(x, slow, modes, np.zeros(x.size, np.uint32)) == 0
        np.testing.assert_array_equal(codes, slow)


def test_a_seed_gives_the_same_bits_in_any_cut():
    x = np.random.default_rng(1).standard_normal(200_000).astype(np.float32)
    f = nf.parse("fixed<16,4,stochastic_b,saturate>")
    whole = nf.encode(x, f, seed=5, random_width=11)
    words = nf.formats.modes.RandomBits(11, None, 5).take(0, x.size)
    np.testing.assert_array_equal(whole, nf.encode(x, f, random_bits=words, random_width=11))
    picks = np.r_[0:50, 65500:65600, 199_950:200_000]
    want = [model(Fraction(float(x[i])), f, bits=11, random=int(words[i])) for i in picks]
    assert fx.raw(whole, f)[picks].tolist() == want
    np.testing.assert_array_equal(nf.decode(whole, f), nf.cast(x, f, seed=5, random_width=11))


SPECIALS = {  # of ap_fixed<8,4>, code of +inf and of -inf; None is refused
    "saturate,0": (127, -128), "saturate_symmetric,0": (127, -127), "saturate_zero,0": (0, 0), "wrap,0": (None, None),
    "wrap,1": (None, None), "wrap_sign_magnitude,0": (None, None),
}  # fmt: skip
AS_HEADER = {"saturate,0": (127, -128), "saturate_zero,0": (0, 0), "wrap,0": (0, 0), "saturate_symmetric,0": (127, -127)}


@pytest.mark.parametrize("mode", SPECIALS)
def test_infinities_and_nan(mode):
    overflow, n = mode.split(",")
    f = nf.Fixed(8, 4, True, "down", overflow, int(n))
    for x, want in zip((math.inf, -math.inf), SPECIALS[mode], strict=True):
        for kind in (np.float32, np.float64):
            if want is None:
                with pytest.raises(ValueError, match="cannot hold"):
                    nf.encode(np.array([x], kind), f)
                with pytest.raises(ValueError, match="ap_fixed"):
                    nf.encode(np.array([x, Fraction(1)], object), f)
            else:
                assert fx.raw(nf.encode(np.array([x], kind), f), f) == want
                assert nf.cast(np.array([x], kind), f) == want / 16
    with pytest.raises(ValueError, match="cannot hold"):
        nf.cast(np.array([1.0, math.nan], np.float32), f)
    if mode in AS_HEADER:  # AP_WRAP gives 0, AP_SAT the end of the sign bit's side, AP_SAT_ZERO 0
        x = np.array([math.inf, -math.inf, math.nan, math.copysign(math.nan, -1)])
        got = fx.raw(nf.encode(x, f, nan="ap_fixed"), f).tolist()
        assert got == [*AS_HEADER[mode], *AS_HEADER[mode]]
        assert (nf.cast(x, f, nan="ap_fixed") * 16).tolist() == got
