"""HiFloat8, fitted biases, powers of two and logarithms: every code and every decision point, by exact comparison."""

import itertools
import math
from bisect import bisect_left, bisect_right
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.formats import shift, tuned
from numfmt.formats.exponentials import power_of_two
from numfmt.formats.powers import integer_root, power_floor, rounded_power

from .reference import irregular as ref

MODES = [str(m) for m in nf.Rounding][:10]


@pytest.fixture(autouse=True, scope="module")
def sixty_digits():
    with localcontext() as context:
        context.prec = 60
        yield


def around(cuts):
    """Floats at and beside the decision points, in both widths, of both signs; specials."""
    out = [0.0, -0.0, math.inf, -math.inf, 5e-324, -5e-324, 1e-45, 1e300, -1e300]
    for cut in cuts:
        x = float(cut)
        near = np.float32(min(max(x, -3e38), 3e38))
        out += [x, math.nextafter(x, math.inf), math.nextafter(x, -math.inf), float(near)]
        out += [float(np.nextafter(near, np.float32(np.inf))), float(np.nextafter(near, np.float32(-np.inf)))]
    return np.array([*out, *(-v for v in out)])


def prepared(table):
    """(value, code) ascending, made once for a table."""
    if id(table) not in _PREPARED:
        _PREPARED[id(table)] = (table, sorted((v, c) for c, v in table.items()))
    return _PREPARED[id(table)][1]


_PREPARED = {}


def round_by_table(x, table, mode, tie_cut=lambda a, b: (a + b) / 2):
    """Code that `x`, a Fraction inside the range, gets from a table {code: Fraction} of distinct values."""
    ordered = prepared(table)
    low = ordered[max(bisect_right(ordered, x, key=lambda p: p[0]) - 1, 0)]
    high = ordered[min(bisect_left(ordered, x, key=lambda p: p[0]), len(ordered) - 1)]
    if low[0] >= high[0] or x <= ordered[0][0] or x >= ordered[-1][0]:
        return high[1] if x >= ordered[-1][0] or low[0] == high[0] else low[1]
    negative = x < 0
    inner, outer = (high, low) if negative else (low, high)
    if mode in ("down", "up"):
        return (low if mode == "down" else high)[1]
    if mode in ("toward_zero", "away"):
        return (inner if mode == "toward_zero" else outer)[1]
    if mode == "to_odd":
        return (outer if inner[1] % 2 == 0 else inner)[1]
    cut = tie_cut(low[0], high[0])
    if x != cut:
        return (low if x < cut else high)[1]
    tie = {
        "ties_even": outer if inner[1] % 2 else inner, "ties_away": outer, "ties_zero": inner,
        "ties_up": high, "ties_down": low,
    }  # fmt: skip
    return tie[mode][1]


def check(f, table, modes, values=None):
    """Encode at every value, midpoint and neighbour; both widths and objects."""
    ordered = sorted(set(table.values()))
    cuts = [*ordered, *((a + b) / 2 for a, b in itertools.pairwise(ordered))]
    x = around(cuts) if values is None else values
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    same = narrow.astype(np.float64) == x
    for mode in modes:
        clipped = [
            min(max(Fraction(v) if math.isfinite(v) else Fraction(ordered[-1] if v > 0 else ordered[0]), ordered[0]), ordered[-1])
            for v in x
        ]
        want = np.array([round_by_table(v, table, mode) for v in clipped])
        got = nf.encode(x, f, rounding=mode, overflow="saturate")
        bad = np.flatnonzero(got != want)
        assert not bad.size, (str(f), mode, x[bad[0]], got[bad[0]], want[bad[0]])
        np.testing.assert_array_equal(nf.encode(narrow[same], f, rounding=mode, overflow="saturate"), want[same])
        some = slice(None) if mode == modes[0] else slice(None, None, 23)
        exact = nf.encode(np.array(x[some].tolist(), object), f, rounding=mode, overflow="saturate")
        np.testing.assert_array_equal(exact, want[some])
    return x.size


def test_hif8_is_the_bit_table():
    table = ref.hif8()
    f = nf.parse("hif8")
    assert sum(isinstance(v, Fraction) for v in table.values()) == 253
    for code, want in table.items():
        got = f.decode_exact(code)
        assert math.isnan(got) if want == ref.NAN else got == want, code
    finite = {c: v for c, v in table.items() if isinstance(v, Fraction)}
    check(f, finite, MODES)


def test_hif8_ends():
    top = 1.25 * 2.0**15
    got = nf.cast([top, np.nextafter(top, 0), -top, 2.0**-23, np.nextafter(2.0**-23, 0), np.inf, np.nan], "hif8")
    np.testing.assert_array_equal(got, [np.inf, 32768, -np.inf, 2.0**-22, 0, np.inf, np.nan])
    assert nf.cast([np.inf, 1e9, -1e9], "hif8", overflow="propagate").tolist() == [np.inf, 32768, -32768]
    assert nf.cast([1e9, -1e9], "hif8", rounding="toward_zero").tolist() == [32768, -32768]


def test_the_two_tables_named_e3m4():
    """Intel's has no infinities and reaches 30; the one of LLVM and ml_dtypes ends at 15.5. The bare name is refused."""
    values = nf.decode(np.arange(128), "e3m4_intel").tolist()
    want = [Fraction(c % 16, 64) if c < 16 else Fraction(16 + c % 16) * Fraction(2) ** ((c >> 4) - 7) for c in range(127)]
    assert values[:127] == want
    assert math.isnan(values[127])
    assert values[126] == 30
    assert nf.parse("float8_e3m4").max == 15.5
    with pytest.raises(ValueError, match="ambiguous"):
        nf.parse("e3m4")


def adaptive(width, e, bias):
    m = width - 1 - e
    half = {0: Fraction(0)}
    for code in range(1, 1 << (width - 1)):
        half[code] = Fraction((1 << m) + code % (1 << m), 1 << m) * Fraction(2) ** ((code >> m) + bias)
    return {**half, **{c + (1 << (width - 1)): -v for c, v in half.items() if c}}


@pytest.mark.parametrize(("width", "e", "bias"), [(8, 3, -7), (6, 2, 3), (4, 2, -10), (5, 3, 0)])
def test_adaptivfloat(width, e, bias):
    f = tuned.AdaptivFloat(width, e, bias)
    table = adaptive(width, e, bias)
    assert all(f.decode_exact(c) == v for c, v in table.items())
    assert nf.decode([1 << (width - 1)], f).tolist() == [0.0]
    check(f, table, MODES)
    m = width - 1 - e
    assert f.min_positive == 2.0**bias * (1 + 2.0**-m)
    assert f.max == 2.0 ** (bias + 2**e - 1) * (2 - 2.0**-m)


def test_adaptivfloat_is_fitted_to_the_largest_magnitude():
    f = tuned.AdaptivFloat.fit(np.array([0.3, -1.7]), 8, 3)
    assert f == tuned.AdaptivFloat(8, 3, -7)
    for x in ([0.0], [np.inf], [np.nan]):
        with pytest.raises(ValueError, match="fit needs a finite one above zero"):
            tuned.AdaptivFloat.fit(x)


@pytest.mark.parametrize(("e", "m", "b"), [(2, 1, 1.0), (2, 1, 0.37), (3, 4, -2.718281828), (1, 2, 12.5)])
def test_llmfp(e, m, b):
    f = tuned.LlmFp(e, m, b)
    unit = Fraction(power_of_two(1 - m - Fraction(b)))
    half = 1 << (e + m)
    table = {
        c: Fraction(float(unit * (c % (1 << m) if c < 1 << m else ((1 << m) + c % (1 << m)) << ((c >> m) - 1))))
        for c in range(half)
    }
    got = [f.decode_exact(c) for c in range(2 * half)]
    assert got[:half] == list(table.values())
    assert math.copysign(1, float(got[half])) == -1
    assert [-v for v in got[half + 1 :]] == got[1:half]
    assert float(unit) == float((Decimal(2).ln() * (1 - m - Decimal(b))).exp())
    x = around([*table.values(), *((a + c) / 2 for a, c in itertools.pairwise(table.values()))])
    x = x[x >= 0]
    x = x[np.copysign(1, x) > 0]
    check(f, table, MODES[:1], x)
    np.testing.assert_array_equal(nf.encode(-x, f), nf.encode(x, f) + half)
    if b == 1.0:
        np.testing.assert_array_equal(nf.decode(np.arange(16), f), nf.decode(np.arange(16), "e2m1"))


def test_llmfp_follows_the_published_rule():
    """k = max(floor(log2|x| + b), 1); x rounded in units of 2**(k - M - b): the same values, up to the last bits of the product."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal(2000) * 3
    for b in (0.37, 1.9, -0.2):
        f = tuned.LlmFp(2, 1, b)
        c = np.clip(x, -f.max, f.max)
        k = np.maximum(np.floor(np.log2(np.abs(c)) + b), 1)
        step = 2.0 ** (k - 1 - b)
        np.testing.assert_allclose(nf.cast(x, f), np.round(c / step) * step, rtol=1e-14)
    assert nf.formats.tuned.LlmFp.fit(6.0).max == pytest.approx(6.0, rel=1e-15)


def signed(half, width):
    return {**half, **{c + (1 << (width - 1)): -v for c, v in half.items() if v}}


@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_powers_of_two(width):
    n = (1 << (width - 1)) - 1
    half = {0: Fraction(0), **{n - j: Fraction(1, 1 << j) for j in range(n)}}
    table = signed(half, width)
    for name in (f"pot{width}", f"pot<{width},value>"):
        f = nf.parse(name)
        assert all(f.decode_exact(c) == v for c, v in table.items())
        assert nf.decode([1 << (width - 1)], f).tolist() == [0]
    powers = [Fraction(1, 1 << j) for j in range(n + 1)]
    x = around([*powers, *(p * 3 / 2 for p in powers), *(Fraction(math.sqrt(2)) * p for p in powers)])
    for value in x.tolist():
        if not 0 < value < math.inf:
            continue
        v = Fraction(value)
        k = math.frexp(value)[1] - 1
        logs = k + (v * v > Fraction(2) ** (2 * k + 1))
        cut = Fraction(3, 2) * Fraction(2) ** k
        values = k + (v > cut)
        if v == cut:  # the even code; the code of 2**k is n + k
            values = k + (n + k) % 2 if -n <= k < 0 else k
        for name, e in ((f"pot{width}", logs), (f"pot<{width},value>", values)):
            want = 0 if e < 1 - n else n + min(e, 0)
            sign = 1 << (width - 1) if want else 0
            assert nf.encode([value, -value], name).tolist() == [want, want | sign], (name, value)
            assert nf.encode(np.array([v, -v], object), name).tolist() == [want, want | sign], (name, value)
    assert nf.cast([0.0, -0.0, np.inf, -np.inf], f"pot{width}").tolist() == [0, 0, 1, -1]


@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_denseshift_has_no_zero(width):
    f = nf.parse(f"denseshift{width}")
    half = {c: Fraction(1 << c) for c in range(1 << (width - 1))}
    table = signed(half, width)
    assert {c: f.decode_exact(c) for c in range(1 << width)} == table
    cuts = [*half.values()] + [v * 3 / 2 for v in half.values()]
    x = around(cuts)
    for mode in MODES[:5]:
        want = []
        for value in x.tolist():
            v = min(
                max(Fraction(value) if math.isfinite(value) else Fraction(10**9 if value > 0 else -(10**9)), -max(half.values())),
                max(half.values()),
            )
            if abs(v) < 1:
                want.append((1 << (width - 1)) if v < 0 else 0)
            else:
                want.append(round_by_table(v, table, mode))
        assert nf.encode(x, f, rounding=mode).tolist() == want, mode
    assert nf.cast([0.0, -0.0, -5e-324], f).tolist() == [1, 1, -1]


def published_apot(bits):
    """The levels as the paper's sets, independent of the product's table."""
    k = {2: (1, 3), 4: (2, 3), 6: (3, 3)}
    sets, size = k[bits]
    terms = [[Fraction(0), *(Fraction(1, 1 << (sets * i + j + 1)) for i in range(size))] for j in range(sets)]
    sums = sorted({sum(t) for t in itertools.product(*terms)})
    return sums, max(sums)


@pytest.mark.parametrize("bits", [2, 4, 6])
def test_additive_powers(bits):
    f = shift.AdditivePowers(bits + 1)
    sums, top = published_apot(bits)
    assert len(sums) == 1 << bits
    inverse = np.float32(1 / float(top))
    want = [float(np.float32(float(s)) * inverse) for s in sums]
    assert nf.decode(np.arange(1 << bits), f).tolist() == want
    table = signed({c: Fraction(v) for c, v in enumerate(want)}, bits + 1)
    check(f, table, MODES[:5])


def test_additive_powers_of_even_widths_have_all_codes():
    for width in (4, 6):
        values = nf.decode(np.arange(1 << (width - 1)), f"apot{width}")
        assert (np.diff(values) > 0).all()
        assert values[-1] == 1
    assert nf.decode(np.arange(8), "apot4").tolist() == [
        float(np.float32(v) * np.float32(1.6)) for v in (0, 0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.625)
    ]


def decimal_power(base, exponent):
    """base**exponent, Decimals, 60 digits."""
    return (base.ln() * exponent).exp()


@pytest.mark.parametrize(("width", "frac"), [(3, 0), (5, 1), (8, 3), (8, 0), (9, 5)])
def test_logarithmic_numbers(width, frac):
    f = nf.parse(f"lns<{width},{frac}>")
    half = 1 << (width - 1)
    offset = 1 << (width - 2)
    values = nf.decode(np.arange(2 * half), f)
    unit = Decimal(1) / Decimal(1 << frac)
    want = [0.0] + [float(decimal_power(Decimal(2), (s - offset) * unit)) for s in range(1, half)]
    assert values[:half].tolist() == want
    np.testing.assert_array_equal(values[half:], -values[:half] + 0.0)
    for s in range(half - 1):
        cut = decimal_power(Decimal(2), (2 * s + 1 - 2 * offset) * unit / 2)
        near = float(cut)
        for value in (near, math.nextafter(near, 0), math.nextafter(near, math.inf)):
            code = s + (Decimal(value) > cut)
            codes = [code, code + half if code else 0]
            assert nf.encode([value, -value], f).tolist() == codes, (s, value)
            assert nf.encode(np.array([Fraction(value), -Fraction(value)], object), f).tolist() == codes


def test_wide_logarithmic_numbers():
    f = nf.parse("lns<16,8>")
    rng = np.random.default_rng(1)
    steps = rng.integers(1, 1 << 15, 200)
    values = nf.decode(steps, f).tolist()
    assert values == [float(decimal_power(Decimal(2), Decimal(int(s) - (1 << 14)) / 256)) for s in steps]
    np.testing.assert_array_equal(nf.encode(np.array(values), f), steps)


@pytest.mark.parametrize(("width", "a"), [(4, 0.5), (3, 0.5), (4, 1.0), (5, 0.35), (8, 0.5), (6, 2.0)])
def test_power_exponents(width, a):
    f = nf.parse(f"nupes<{width},a={a}>")
    top = (1 << (width - 1)) - 1
    power = 1 / Decimal(str(a))
    values = nf.decode(np.arange(1 << width), f)
    want = [0.0] + [float(decimal_power(Decimal(q) / top, power)) if q < top else 1.0 for q in range(1, top + 1)]
    assert values[: top + 1].tolist() == want
    assert values[top + 1] == -1
    np.testing.assert_array_equal(values[top + 2 :], -values[top:0:-1])
    for q in range(top):
        cut = decimal_power((Decimal(2 * q + 1)) / (2 * top), power)
        near = float(cut)
        for value in (near, math.nextafter(near, 0), math.nextafter(near, math.inf)):
            tie = abs(Decimal(value) - cut) < Decimal("1e-50")
            code = q + (q % 2 if tie else int(Decimal(value) > cut))
            assert nf.encode([value, -value], f).tolist() == [code, (-code) % (1 << width)], (q, value)
            assert nf.encode(np.array([Fraction(value)], object), f).tolist() == [code]


def test_a_tie_of_a_power_exponent():
    """0.25**0.5 * 7 = 3.5 exactly: to the even code."""
    assert nf.encode([0.25, -0.25], "nupes<4,a=0.5>").tolist() == [4, 12]


@settings(max_examples=150, deadline=None)
@given(x=st.fractions(min_value=Fraction(1, 10**6), max_value=10**6), e=st.fractions(min_value=-3, max_value=3, max_denominator=12))
def test_powers_are_rounded_correctly(x, e):
    want = decimal_power(Decimal(x.numerator) / Decimal(x.denominator), Decimal(e.numerator) / Decimal(e.denominator))
    low, exact = power_floor(x, e)
    assert Decimal(low) <= want * (1 + Decimal("1e-50"))
    assert Decimal(math.nextafter(low, math.inf)) > want * (1 - Decimal("1e-50"))
    assert not exact or abs(Decimal(low) / want - 1) < Decimal("1e-50")
    assert rounded_power(x, e) == float(want)
    n = x.numerator**3 + 5
    root = integer_root(n, 5)
    assert root**5 <= n < (root + 1) ** 5


NAMES = st.one_of(
    st.just("hif8"),
    st.builds("pot{}".format, st.integers(2, 8)),
    st.builds("pot<{},value>".format, st.integers(2, 8)),
    st.builds("denseshift{}".format, st.integers(2, 8)),
    st.builds("apot{}".format, st.integers(3, 7)),
    st.builds("lns<{},{}>".format, st.integers(3, 10), st.integers(2, 8)),
    st.builds("nupes<{},a={}>".format, st.integers(2, 8), st.integers(1, 40).map(lambda v: v / 20)),
    st.builds("adaptivfloat<{},{},bias={}>".format, st.integers(5, 9), st.integers(1, 3), st.integers(-40, 40)),
    st.builds("llmfp<{},{},b={}>".format, st.integers(1, 4), st.integers(0, 4), st.floats(-20, 20)),
)


@settings(max_examples=150, deadline=None)
@given(name=NAMES, x=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_names_order_and_idempotence(name, x):
    f = nf.parse(name)
    assert nf.parse(str(f)) == f
    y = nf.cast(np.sort(x), f)
    assert (y[1:] >= y[:-1]).all()
    np.testing.assert_array_equal(nf.cast(y, f), y)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nf.encode([math.nan], "pot4"), ["1 value", "pot4"]),
        (lambda: nf.encode(np.array([math.nan], np.float32), "lns<8,3>"), ["1 value", "lns<8,3>"]),
        (lambda: nf.encode(np.array([math.nan, 1], object), "denseshift4"), ["NaN", "denseshift4"]),
        (lambda: nf.parse("pot9"), ["width=9", "8"]),
        (lambda: nf.parse("pot<4,linear>"), ["unknown format"]),
        (lambda: nf.parse("denseshift1"), ["width=1"]),
        (lambda: nf.parse("apot8"), ["width=8", "7"]),
        (lambda: nf.parse("lns<16,2>"), ["frac_bits=2", "5"]),
        (lambda: nf.parse("lns<17,3>"), ["width=17"]),
        (lambda: nf.parse("nupes<4,a=0>"), ["a=0"]),
        (lambda: nf.parse("nupes<4,a=0.12345>"), ["a=0.12345", "3 decimals"]),
        (lambda: nf.parse("nupes<4,a=x>"), ["not a number"]),
        (lambda: nf.parse("llmfp<2,1,b=nan>"), ["bias=nan"]),
        (lambda: nf.parse("llmfp<2,1,b=q>"), ["not a number"]),
        (lambda: nf.parse("adaptivfloat<8,7,bias=0>"), ["exp_bits=7", "6"]),
        (lambda: tuned.LlmFp.fit(-1.0), ["largest=-1.0"]),
        (lambda: nf.encode([1.0], "pot4", rounding="up"), ["up", "ties_even"]),
        (lambda: nf.encode([1.0], "lns<8,3>", overflow="nonsat"), ["nonsat", "saturate"]),
        (lambda: nf.decode([16], "pot4"), ["16", "15"]),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value)
