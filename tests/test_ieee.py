"""The rest of the operation set, L-Mul, conversions and the scoreboard."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.formats import ieee

SOFTFLOAT = np.load(Path(__file__).parent / "vectors" / "softfloat.npz")
SMALL = ["e4m3fn", "e5m2", "e2m1", "float8_e4m3fnuz", "float8_e3m4", "e3m2"]


@pytest.mark.parametrize("name", SMALL)
def test_neighbours_are_the_next_values_of_the_table(name):
    f = nf.parse(name)
    values = np.unique(f.values()[~np.isnan(f.values())])  # infinities included
    up, down = ieee.next_up(values, f), ieee.next_down(values, f)
    np.testing.assert_array_equal(up[:-1], values[1:])
    np.testing.assert_array_equal(down[1:], values[:-1])
    assert up[-1] == values[-1]
    assert down[0] == values[0]
    assert ieee.next_up(np.array([-0.0]), f)[0] == f.min_positive
    if f.has_minus_zero:
        assert math.copysign(1, ieee.next_up(np.array([-f.min_positive]), f)[0]) == -1
        assert math.copysign(1, ieee.next_down(np.array([f.min_positive]), f)[0]) == 1


@pytest.mark.parametrize("name", ["posit8", "posit<8,0>", "nf4", "takum8", "pot4"])
def test_neighbours_in_formats_that_round_to_nearest_only(name):
    f = nf.parse(name)
    values = np.unique(f.values()[~np.isnan(f.values())])
    np.testing.assert_array_equal(ieee.next_up(values, f), np.append(values[1:], values[-1]))
    np.testing.assert_array_equal(ieee.next_down(values, f), np.append(values[0], values[:-1]))
    between = (values[1:] + values[:-1]) / 2
    np.testing.assert_array_equal(ieee.next_up(between, f), values[1:])
    assert np.isnan(ieee.next_up(np.array([np.nan]), f)).all()


def test_neighbours_between_values_and_in_float64():
    assert ieee.next_up(np.array([1.01]), "e4m3fn")[0] == 1.125
    assert ieee.next_down(np.array([1.01]), "e4m3fn")[0] == 1.0
    x = np.array([1.0, -0.0, np.inf, -np.inf, np.nan, 1.7976931348623157e308])
    np.testing.assert_array_equal(ieee.next_up(x, "float64"), [math.nextafter(v, math.inf) for v in x])


@pytest.mark.parametrize("name", ["e4m3fn", "float16", "float64"])
def test_scaleb_is_a_product_by_a_power_of_two(name):
    f = nf.parse(name)
    rng = np.random.default_rng(3)
    x = rng.standard_normal(200) * 2.0 ** rng.integers(-20, 20, 200)
    x = nf.cast(x, f, overflow="saturate").astype(np.float64)
    x[x == 0] = 1.0  # a Fraction has no signed zero
    n = rng.integers(-60, 60, 200)
    for mode in ("ties_even", "up", "toward_zero"):
        got = ieee.scaleb(x, n, f, rounding=mode)
        exact = np.array([Fraction(v) * Fraction(2) ** int(k) for v, k in zip(x.tolist(), n, strict=True)], object)
        assert nf.compare(got, nf.cast(exact, f, rounding=mode), f)
    big = ieee.scaleb(np.array([2.0**-1000, 2.0**1000, 1.0]), np.array([2000, -2000, 5000]), "float64")
    np.testing.assert_array_equal(big, [2.0**1000, 2.0**-1000, math.inf])


def test_logb_and_classes():
    x = np.array([1.0, 0.75, -8.0, 5e-324, 0.0, np.inf])
    np.testing.assert_array_equal(ieee.logb(x), [0, -1, 3, -1074, -math.inf, math.inf])
    codes = np.array([0x7D, 0x7E, 0xFC, 0x84, 0x83, 0x80, 0x00, 0x03, 0x04, 0x7C, 0xFF], np.uint8)
    want = [ieee.CLASSES[i] for i in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1)]
    assert ieee.classify(codes, "e5m2").tolist() == want


@pytest.mark.parametrize("fmt", ["float16", "float32", "float64"])
def test_round_to_integral_equals_softfloat(fmt):
    words = SOFTFLOAT[f"{fmt}_round_to_integral_operands"][0]
    x = nf.decode(words, fmt)
    for mode in ("ties_even", "ties_away", "toward_zero", "down", "up"):
        want = nf.decode(SOFTFLOAT[f"{fmt}_round_to_integral_{mode}"], fmt)
        number = ~np.isnan(want)
        np.testing.assert_array_equal(np.isnan(ieee.round_to_integral(x, fmt, mode)), ~number)
        assert nf.compare(ieee.round_to_integral(x, fmt, mode)[number], want[number], fmt)


def test_integers():
    x = np.array([2.5, -2.5, 1e9, -1e9, 126.99])
    np.testing.assert_array_equal(ieee.to_integer(x, "int8"), [2, -2, 127, -128, 126])
    np.testing.assert_array_equal(ieee.to_integer(x, "int8", "ties_away"), [3, -3, 127, -128, 127])
    np.testing.assert_array_equal(ieee.to_integer(np.array([np.nan, 3.0]), "uint8", nan=255), [255, 3])
    with pytest.raises(ValueError, match="cannot hold"):
        ieee.to_integer(np.array([np.nan]), "int8")
    with pytest.raises(ValueError, match="no value of int8"):
        ieee.to_integer(x, "int8", nan=128)
    with pytest.raises(ValueError, match="needs an integer format"):
        ieee.to_integer(x, "e4m3fn")


def test_extrema_and_predicates():
    nan = math.nan
    x = np.array([1.0, -0.0, nan, 2.0, -3.0])
    y = np.array([2.0, 0.0, 1.0, nan, 2.0])
    low, high = ieee.minimum(x, y, "float32"), ieee.maximum(x, y, "float32")
    np.testing.assert_array_equal(low, [1, -0.0, nan, nan, -3])
    assert math.copysign(1, low[1]) == -1
    assert math.copysign(1, high[1]) == 1
    np.testing.assert_array_equal(ieee.minimum(x, y, "float32", number=True), [1, 0, 1, 2, -3])
    np.testing.assert_array_equal(ieee.maximum(x, y, "float32", magnitude=True, number=True), [2, 0, 1, 2, -3])
    np.testing.assert_array_equal(ieee.compares("unordered", x, y), [False, False, True, True, False])
    np.testing.assert_array_equal(ieee.compares("less_equal", x, y), [True, True, False, False, True])
    with pytest.raises(ValueError, match="predicate='almost'"):
        ieee.compares("almost", x, y)


def test_total_order_is_total():
    codes = np.arange(256, dtype=np.uint8)
    before = ieee.total_order(codes[:, None], codes[None, :], "e5m2")
    order = sorted(range(256), key=lambda c: -int(before[c].sum()))
    assert order[0] == 0xFF  # -NaN of the largest payload first
    assert order[-1] == 0x7F
    values = [v for v in nf.decode(np.array(order, np.uint8), "e5m2") if not math.isnan(v)]
    assert values == sorted(values)
    assert order.index(0x80) + 1 == order.index(0x00)


@pytest.mark.parametrize(
    ("man_bits", "method", "want"),
    [
        (2, "adder", (0.1467, 0.1467, 0.0667, 0.25)), (2, "formula", (0.0864, 0.1111, -0.1020, 0.25)),
        (3, "adder", (0.0493, 0.0524, -0.0303, 0.125)), (3, "formula", (-0.0097, 0.0689, -0.1822, 0.125)),
        (4, "adder", (0.0487, 0.0514, -0.0321, 0.125)), (4, "formula", (-0.0218, 0.0694, -0.2008, 0.125)),
        (7, "adder", (0.0041, 0.0266, -0.0729, 0.0625)), (7, "formula", (-0.0628, 0.0751, -0.2323, 0.0625)),
    ],
)  # fmt: skip
def test_lmul_error_table(man_bits, method, want):
    error = nf.lmul_error(man_bits, method)
    for name, value in zip(("mean", "mean_abs", "min", "max"), want, strict=True):
        assert abs(error[name] - value) < 6e-5, (man_bits, method, name)


@pytest.mark.parametrize("fmt", ["e4m3fn", "e5m2", "float<3,4,bias=3,ieee>"])
def test_lmul_on_every_pair(fmt):
    f = nf.parse(fmt)
    m = f.man_bits
    bits = {1: 1, 2: 2, 3: 3, 4: 3}[m]
    codes = np.arange(1 << (f.bits - 1), dtype=np.uint8)
    table = f.values()
    values = table[: codes.size]
    finite = codes[np.isfinite(values)]
    x, y = (a.reshape(-1) for a in np.meshgrid(finite, finite))
    adder = nf.lmul(table[x], table[y], f)
    formula = nf.lmul(table[x], -table[y], f, "formula")
    for a, b, got, paper in zip(x.tolist(), y.tolist(), adder.tolist(), formula.tolist(), strict=True):
        va, vb = table[a], table[b]
        if va < f.min_normal or vb < f.min_normal:
            assert got == 0
            assert math.copysign(1, paper) == -1
            continue
        word = a + b - (f.bias << m) + (1 << (m - bits))
        if word < 1 << m:
            assert got == 0
        elif word > f.max_magnitude_code:
            assert got == (math.inf if f.has_inf else f.max)
        else:
            assert got == table[word]
        (fa, ea), (fb, eb) = math.frexp(va), math.frexp(vb)
        exact = Fraction(1 + (2 * fa - 1) + (2 * fb - 1) + 2.0**-bits) * Fraction(2) ** (ea + eb - 2)
        want = nf.cast(np.array([exact], object), f)[0] if exact >= f.min_normal else 0.0
        assert -paper == want, (va, vb)


def test_lmul_specials_and_refusals():
    got = nf.lmul(np.array([np.inf, np.nan, np.inf]), np.array([-2.0, 1.0, 0.0]), "float16")
    assert got[0] == -math.inf
    assert np.isnan(got[1:]).all()
    for bad in ("int8", "e8m0", "float64"):
        with pytest.raises(ValueError, match="lmul needs"):
            nf.lmul(np.ones(1), np.ones(1), bad)
    with pytest.raises(ValueError, match="method='exact'"):
        nf.lmul(np.ones(1), np.ones(1), "float16", "exact")


@pytest.mark.parametrize("target", ["e5m2", "bfloat16", "int4"])
@pytest.mark.parametrize("source", ["e4m3fn", "float16", "int8", "nf4"])
def test_conversion_rounds_once(source, target):
    f, g = nf.parse(source), nf.parse(target)
    codes = np.arange(1 << f.bits, dtype=f.code_dtype)
    values = nf.decode(codes, f)
    if not g.has_nan:
        codes, values = codes[~np.isnan(values)], values[~np.isnan(values)]
    want = nf.encode(values, g, rounding="up")
    np.testing.assert_array_equal(nf.convert(codes, f, g, rounding="up"), want)
    many = np.resize(codes, 5000)
    np.testing.assert_array_equal(nf.convert(many, f, g, rounding="up"), np.resize(want, 5000))
    with pytest.raises(ValueError, match="codes"):
        nf.convert(np.full(5000, 1 << f.bits), f, g)


def test_wide_fixed_point_converts_without_fractions():
    """The integer path against the same conversion through exact fractions."""
    source, target = nf.parse("fixed<64,40>"), nf.parse("fixed<60,44,ties_away,wrap>")
    codes = np.random.default_rng(4).integers(0, 2**64, 300, dtype=np.uint64)
    want = nf.encode(nf.decode(codes, source), target)
    np.testing.assert_array_equal(nf.convert(codes, source, target), want)
    out = np.empty(300, np.uint64)
    assert nf.convert(codes, source, target, out=out) is out
    np.testing.assert_array_equal(out, want)
    np.testing.assert_array_equal(
        nf.convert(codes, source, target, overflow="saturate"), nf.encode(nf.decode(codes, source), target, overflow="saturate")
    )


def test_compare_counts_and_explains():
    got = np.array([0x01, 0x02, 0x7F, 0x80, 0xFF, 0x38], np.uint8)
    want = np.array([0x01, 0x04, 0x7E, 0x00, 0x7F, 0xB8], np.uint8)
    found = nf.compare(got, want, "e4m3fn", inputs=(np.arange(6.0),))
    assert not found
    assert found.by_kind == {"value": 2, "nan_code": 1, "zero_sign": 1, "special": 1}
    assert (found.total, found.differing, found.max_ulp) == (6, 5, 112)
    text = str(found)
    assert "[1] value of 1.0: got 0x02 = 0 0000 010 (0.00390625), want 0x04 = 0 0000 100 (0.0078125), 2 ulp apart" in text
    with pytest.raises(AssertionError, match="5 of 6 words"):
        found.check()
    assert nf.compare(got, got, "e4m3fn")
    nf.compare(got, got, "e4m3fn").check()


def test_compare_takes_values_and_refuses_nothing_and_strangers():
    found = nf.compare(np.float32([1, 2, np.nan]), np.float32([1, 2.5, np.nan]), "float16")
    assert (found.differing, found.max_ulp) == (1, 256)
    with pytest.raises(ValueError, match="nothing was compared"):
        nf.compare(np.empty(0, np.uint8), np.empty(0, np.uint8), "e4m3fn")
    with pytest.raises(ValueError, match="no value of e4m3fn"):
        nf.compare(np.array([1.01]), np.array([1.0]), "e4m3fn")
    with pytest.raises(ValueError, match="they must be the same"):
        nf.compare(np.zeros(2), np.zeros(3), "e4m3fn")
    with pytest.raises(ValueError, match="outside 0"):
        nf.compare(np.array([16]), np.array([1]), "e2m1")
    codes = np.array([0, 9], np.uint8), np.array([7, 9], np.uint8)
    assert nf.compare(*codes, "fp4_code").max_ulp == 7
    assert nf.compare(np.array([0xFF], np.uint8), np.array([1], np.uint8), "int8").max_ulp == 2
