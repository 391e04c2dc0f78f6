"""P3109 formats: every table against the definition and gfloat's decoder; every rounding and saturation at every telling value."""

import itertools
import math
from fractions import Fraction

import gfloat
import numpy as np
import pytest
from gfloat.formats import format_info_p3109
from gfloat.types import Domain, Signedness
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

from .reference import irregular as ref

MODES = [str(m) for m in nf.Rounding][:10]
OVERFLOWS = ["saturate", "propagate", "nonsat"]


def legal(widths):
    return [
        nf.parse(f"p3109<{k},{p},{s}{d}>") for k in widths for s in "su" for d in "ef" for p in range(1, k + (s == "u"))
        if not (k == 3 and s == "s" and p > 2)
    ]  # fmt: skip


SMALL = legal(range(3, 9))


def model(f):
    return ref.P3109Model(f.width, f.precision, f.signed, f.extended)


def decoded(f):
    return [f.decode_exact(c) for c in range(1 << f.bits)]


def same(value, want):
    if want == ref.NAN:
        return isinstance(value, float) and math.isnan(value)
    return value == want


def telling(m):
    """Finite values, midpoints, one step beyond, with float64 and float32 neighbours; infinities and NaN."""
    finite = sorted({abs(v) for v in m.table.values() if isinstance(v, Fraction)})
    step = finite[-1] - finite[-2]
    points = [*finite, *((a + b) / 2 for a, b in itertools.pairwise(finite)), finite[-1] + step / 2, finite[-1] + step]
    out = [0.0, -0.0, math.inf, math.nan, 5e-324, 1e300, 1.5e-45]
    for point in points:
        try:
            x = point.numerator / point.denominator
        except OverflowError:
            continue
        out += [x, math.nextafter(x, math.inf), math.nextafter(x, 0.0)]
        if 0 < x < 3e38:
            near = np.float32(x)
            out += [float(near), float(np.nextafter(near, np.float32(np.inf))), float(np.nextafter(near, np.float32(0)))]
    return np.array(out + [-v for v in out])


def check_decode(f):
    m = model(f)
    got = decoded(f)
    assert all(same(got[c], v) for c, v in m.table.items()), str(f)
    return len(got)


def check_encode(f, modes, overflows, x):
    m = model(f)
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    narrow_same = np.isnan(x) | (narrow.astype(np.float64) == x)
    cases = 0
    for mode, overflow in itertools.product(modes, overflows):
        if overflow == overflows[0]:
            rounded = [m.round(Fraction(v), mode) if math.isfinite(v) else v for v in x.tolist()]
        want = np.array([m.codes[m.saturate(r, mode, overflow) if r == r else ref.NAN] for r in rounded])
        got = nf.encode(x, f, rounding=mode, overflow=overflow)
        bad = np.flatnonzero(got != want)
        assert not bad.size, (str(f), mode, overflow, x[bad[0]], got[bad[0]], want[bad[0]])
        got = nf.encode(narrow[narrow_same], f, rounding=mode, overflow=overflow)
        np.testing.assert_array_equal(got, want[narrow_same], str((str(f), mode, overflow)))
        cases += 2 * x.size
    return cases


@pytest.mark.parametrize("f", SMALL, ids=str)
def test_tables_are_the_definition_and_gfloats(f):
    check_decode(f)
    info = format_info_p3109(
        f.width, f.precision, Signedness.Signed if f.signed else Signedness.Unsigned,
        Domain.Extended if f.extended else Domain.Finite,
    )  # fmt: skip
    for code, value in enumerate(decoded(f)):
        want = gfloat.decode_float(info, code).fval
        assert value == want or (math.isnan(value) and math.isnan(want)), (str(f), code, value, want)


@pytest.mark.parametrize("f", legal(range(3, 5)), ids=str)
def test_encode_everywhere_small(f):
    check_encode(f, MODES, OVERFLOWS, telling(model(f)))


@pytest.mark.parametrize("name", ["p3109<8,3,se>", "p3109<7,1,uf>", "p3109<6,2,sf>", "p3109<7,1,se>", "p3109<7,3,ue>"])
def test_encode_everywhere_of_some_wider(name):
    f = nf.parse(name)
    x = telling(model(f))
    check_encode(f, MODES if f.bits < 8 else ["ties_even", "to_odd", "down"], OVERFLOWS, x)


@pytest.mark.exhaustive
def test_encode_everywhere_to_8_bits():
    print("cases", sum(check_encode(f, MODES, OVERFLOWS, telling(model(f))) for f in legal((5, 6, 7, 8))))


@pytest.mark.exhaustive
def test_wide_tables():
    print("codes", sum(check_decode(f) for f in legal(range(9, 17)) if f.bias < 4096))


@pytest.mark.parametrize(
    "name", ["p3109<16,8,se>", "p3109<16,11,sf>", "p3109<16,5,se>", "p3109<12,1,ue>", "p3109<16,1,se>", "p3109<16,4,uf>"]
)
def test_wide_formats_sampled(name):
    f = nf.parse(name)
    m = ref.P3109Model(9, 4, True, True)  # only for its methods: the fields are those of f
    m.t, m.signed, m.extended, m.bias = f.man_bits, f.signed, f.extended, f.bias
    m.top, m.low = f.magnitude(f.steps - 1), (-f.magnitude(f.steps - 1) if f.signed else Fraction(0))
    rng = np.random.default_rng(3)
    words = rng.integers(0, 2**64, 300, dtype=np.uint64).view(np.float64)
    x = words[np.isfinite(words)]
    x = np.concatenate([x, rng.standard_normal(50), np.ldexp(rng.choice([1.0, 1.5, 3.25], 90), rng.integers(-1074, 1023, 90))])
    if f.bias < 1000:
        steps = rng.integers(1, f.steps, 60)
        at = np.array([float(f.magnitude(int(s))) for s in steps])
        middle = np.array([float(f.middle(int(s))) for s in steps])
        x = np.concatenate([x, at, -at, middle, np.nextafter(middle, 0), -np.nextafter(middle, np.inf)])
    for mode, overflow in [*itertools.product(MODES, ["nonsat"]), ("ties_even", "saturate"), ("ties_even", "propagate")]:
        got = nf.encode(x, f, rounding=mode, overflow=overflow)
        values = [f.decode_exact(int(c)) for c in got]
        for v, value in zip(x.tolist(), values, strict=True):
            want = m.saturate(m.round(Fraction(v), mode), mode, overflow)
            assert same(value, want), (name, mode, overflow, v, value, want)


def test_values_beyond_float64():
    f = nf.parse("p3109<16,1,se>")
    assert f.value_dtype.kind == "O"
    assert f.max == Fraction(2) ** (2**15 - 2 - 2**14)
    assert f.decode_exact(1) == Fraction(2) ** (1 - 2**14)
    big = Fraction(2) ** 12000 * Fraction(7, 4)
    code = nf.encode(np.array([big, -big, Fraction(3, 2) ** 3], object), f)
    assert nf.decode(code, f).tolist() == [Fraction(2) ** 12001, -(Fraction(2) ** 12001), 4]
    assert nf.decode(nf.encode([1e308, 5e-324], f), f).tolist() == [Fraction(2) ** 1023, Fraction(2) ** -1074]


@pytest.mark.parametrize("f", [nf.parse(t) for t in ("p3109<8,3,se>", "p3109<5,1,uf>", "p3109<6,3,ue>")], ids=str)
def test_one_exact_value_equals_the_array(f):
    x = telling(model(f))
    for mode, overflow in itertools.product(MODES, OVERFLOWS):
        got = nf.encode(np.array(x.tolist(), object), f, rounding=mode, overflow=overflow)
        np.testing.assert_array_equal(got, nf.encode(x, f, rounding=mode, overflow=overflow), mode)


@pytest.mark.parametrize("form", "abc")
@pytest.mark.parametrize("name", ["p3109<8,3,se>", "p3109<5,1,uf>", "p3109<6,4,ue>", "p3109<16,1,se>"])
def test_stochastic_for_every_random_integer(name, form):
    f, mode = nf.parse(name), f"stochastic_{form}"
    m = model(f) if f.width < 16 else None
    rng = np.random.default_rng(5)
    x = np.concatenate([telling(m)[::7] if m else [], rng.standard_normal(40), rng.standard_normal(20) * f.quantum if m else [],
                        [1 + 2.0**-4, 1 + 2.0**-5 + 2.0**-30, 1e-300, -5e-324]])  # fmt: skip
    for width in (1, 3):
        for random in range(1 << width):
            got = nf.encode(x, f, rounding=mode, overflow="nonsat", random_bits=np.full(x.shape, random), random_width=width)
            exact = nf.encode(
                np.array(x.tolist(), object),
                f,
                rounding=mode,
                overflow="nonsat",
                random_bits=np.full(x.shape, random),
                random_width=width,
            )
            np.testing.assert_array_equal(got, exact)
            if m:
                want = [m.encode(v, mode, "nonsat", width, random) for v in x.tolist()]
                np.testing.assert_array_equal(got, want)


def test_stochastic_seed_and_expectation():
    x = np.full(1 << 12, 1.0 + 0.25 / 4)
    a = nf.cast(x, "p3109<8,3,se>", rounding="stochastic_b", seed=7)
    np.testing.assert_array_equal(a, nf.cast(x, "p3109<8,3,se>", rounding="stochastic_b", seed=7))
    every = nf.cast(np.full(8, 1.0 + 0.25 / 4), "p3109<8,3,se>", rounding="stochastic_b", random_bits=np.arange(8), random_width=3)
    assert every.mean() == 1.0625


def test_gfloat_makes_nan_of_overflow_in_a_finite_domain():
    """Version 4.0: a finite-domain format has no NaN by overflow; gfloat 0.5.2 returns NaN."""
    info = format_info_p3109(4, 2, Signedness.Signed, Domain.Finite)
    assert math.isnan(gfloat.round_float(info, 100.0, sat=False))
    assert nf.cast(np.array([100.0, -100.0]), "p3109<4,2,sf>").tolist() == [3.0, -3.0]


def test_gfloat_passes_negative_values_through_unsigned_formats():
    info = format_info_p3109(8, 3, Signedness.Unsigned, Domain.Extended)
    assert gfloat.round_float(info, -3.0, sat=True) == -3.0
    assert nf.cast(np.array([-3.0]), "p3109<8,3,ue>", overflow="saturate").tolist() == [0.0]
    assert math.isnan(nf.cast(np.array([-3.0]), "p3109<8,3,ue>")[0])


def test_neighbours_of_e8m0_and_e2m1_are_other_formats():
    codes = np.arange(1, 255, dtype=np.uint8)
    np.testing.assert_array_equal(nf.decode(codes, "p3109<8,1,uf>") * 2, nf.decode(codes, "e8m0"))
    np.testing.assert_array_equal(nf.decode(np.arange(8), "p3109<4,2,sf>") * 2, nf.decode(np.arange(8), "e2m1"))


@settings(max_examples=200, deadline=None)
@given(k=st.integers(3, 16), p=st.integers(1, 16), signed=st.booleans(), extended=st.booleans(), x=st.floats(width=64))
def test_names_and_idempotence(k, p, signed, extended, x):
    if p > k - signed:
        return
    f = nf.formats.P3109(k, p, signed, extended)
    assert nf.parse(str(f)) == f
    assert nf.parse(f"Binary{k}p{p}{'s' if signed else 'u'}{'e' if extended else 'f'}") == f
    if f.bias > 600:
        return
    y = nf.cast(np.array([x]), f)
    np.testing.assert_array_equal(nf.cast(y, f), y)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nf.parse("p3109<17,3,se>"), ["width=17", "16"]),
        (lambda: nf.parse("p3109<2,1,se>"), ["width=2", "3"]),
        (lambda: nf.parse("p3109<8,8,se>"), ["precision=8", "7"]),
        (lambda: nf.parse("p3109<8,0,ue>"), ["precision=0"]),
        (lambda: nf.decode([16], "p3109<4,2,se>"), ["16", "15"]),
        (lambda: nf.encode([1.0], "p3109<8,3,se>", overflow="wrap"), ["wrap", "nonsat"]),
        (lambda: nf.encode([1.0], "p3109<8,3,se>", rounding="stochastic_a"), ["random_bits", "seed"]),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value)
