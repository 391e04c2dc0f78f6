"""Posits and takums: every table against the definition; encoding by search on the bit string; SoftPosit as the witness."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.formats.exponentials import LogTable
from numfmt.formats.posit import Posit
from numfmt.formats.takum import LogTakum, Takum

from .reference import irregular as ref

POSITS = [(2, 2), (3, 0), (4, 1), (5, 2), (6, 3), (8, 0), (8, 1), (8, 2), (8, 4), (9, 2)]
TAKUMS = [2, 3, 4, 5, 7, 8]


def decoded(f):
    return [f.decode_exact(c) for c in range(1 << f.bits)]


def points(cuts):
    """Floats at, just below and just above exact decision points, in both widths."""
    out = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -1e-45, 1.7e308]
    for cut in cuts:
        try:
            x = cut.numerator / cut.denominator
        except OverflowError:
            continue
        out += [x, math.nextafter(x, math.inf), math.nextafter(x, 0.0), -x, -math.nextafter(x, math.inf)]
        near = np.float32(min(x, 3e38))
        out += [float(near), float(np.nextafter(near, np.float32(np.inf))), -float(np.nextafter(near, np.float32(0)))]
    return np.array(out)


def check_encode(f, value_of, x):
    want = np.array([ref.bit_string_encode(value_of, f.bits, v) for v in x.tolist()], np.uint64)
    np.testing.assert_array_equal(nf.encode(x, f), want, str(f))
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    same = np.isnan(x) | (narrow.astype(np.float64) == x)
    np.testing.assert_array_equal(nf.encode(narrow[same], f), want[same], str(f))
    back = nf.decode(want.astype(f.code_dtype), f)
    if f.value_dtype.kind != "O":
        np.testing.assert_array_equal(nf.cast(x, f), back)
    exact = nf.encode(np.array(x.tolist(), object), f)
    np.testing.assert_array_equal(exact, want, str(f))
    return x.size


def all_cuts(value_of, n):
    return [abs(value_of(n, c)) for c in range(1, 1 << (n - 1))] + [value_of(n + 1, 2 * c + 1) for c in range(1 << (n - 1))]


@pytest.mark.parametrize(("n", "es"), POSITS)
def test_posits_everywhere(n, es):
    f = Posit(n, es)
    assert all(
        v == w or (w == ref.NAN and math.isnan(v))
        for v, w in zip(decoded(f), (ref.posit(n, es, c) for c in range(1 << n)), strict=True)
    )
    value_of = lambda width, code: ref.posit(width, es, code)  # noqa: E731
    check_encode(f, value_of, points(all_cuts(value_of, n)))


@pytest.mark.parametrize("n", TAKUMS)
def test_takums_everywhere(n):
    f = Takum(n)
    assert all(
        v == w or (w == ref.NAN and math.isnan(v))
        for v, w in zip(decoded(f), (ref.takum(n, c) for c in range(1 << n)), strict=True)
    )
    check_encode(f, ref.takum, points(all_cuts(ref.takum, n)))


@pytest.mark.parametrize("name", ["posit16", "posit<16,1>", "takum16"])
def test_sixteen_bits_decode_in_full_and_encode_sampled(name):
    f = nf.parse(name)
    value_of = ref.takum if isinstance(f, Takum) else lambda n, c: ref.posit(n, f.es, c)
    got = nf.decode(np.arange(1 << 16, dtype=np.uint16), f).tolist()
    for code in range(0, 1 << 16, 7):
        want = value_of(16, code)
        assert math.isnan(got[code]) if want == ref.NAN else Fraction(got[code]) == want, (name, code)
    rng = np.random.default_rng(2)
    codes = rng.integers(1, 1 << 15, 150)
    check_encode(f, value_of, points([value_of(17, 2 * int(c) + 1) for c in codes] + [value_of(16, int(c)) for c in codes[:50]]))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", ["posit16", "posit<16,1>", "posit<16,3>", "takum16", "posit<13,2>", "takum9", "takum10", "takum11", "takum12"]
)
def test_sixteen_bits_in_full(name):
    f = nf.parse(name)
    value_of = ref.takum if isinstance(f, Takum) else lambda n, c: ref.posit(n, f.es, c)
    n = f.bits
    table = {w: [value_of(w, c) for c in range(1 << (w - 1))] for w in (n, n + 1)}
    assert all(a == b for a, b in zip(decoded(f), table[n], strict=False))
    x = points(all_cuts(value_of, n))
    print("cases", check_encode(f, lambda w, c: table[w][c], x))


@pytest.mark.parametrize(
    "name",
    [
        "posit17",
        "posit32",
        "posit<32,0>",
        "posit48",
        "posit64",
        "posit<64,8>",
        "posit<64,0>",
        "takum17",
        "takum32",
        "takum57",
        "takum64",
    ],
)
def test_wide_ones_sampled(name):
    f = nf.parse(name)
    n = f.bits
    value_of = ref.takum if isinstance(f, Takum) else lambda w, c: ref.posit(w, f.es, c)
    rng = np.random.default_rng(4)
    codes = [int(c) for c in rng.integers(1, 1 << (n - 1), 25, dtype=np.uint64)]
    codes += [1, 2, 3, (1 << (n - 1)) - 1, (1 << (n - 1)) - 2, 1 << (n - 2), (1 << (n - 2)) + 1]
    assert all(f.decode_exact(c) == value_of(n, c) for c in codes)
    if f.value_dtype == np.float64:
        got = nf.decode(np.array(codes, np.uint64), f)
        assert [Fraction(v) for v in got.tolist()] == [value_of(n, c) for c in codes]
    cuts = [value_of(n, c) for c in codes] + [value_of(n + 1, 2 * c + 1) for c in codes]
    x = points([c for c in cuts if Fraction(1, 1 << 1000) < c < 1 << 1000])
    check_encode(f, value_of, x)


def test_the_names_of_the_roundings():
    assert nf.encode([1e-30, -1e-30, 3e6, 5e6], "posit8").tolist() == [1, 255, 126, 127]  # the cut between 2**20 and 2**24 is 2**22
    assert nf.encode([np.inf, -np.inf, np.nan], "posit8").tolist() == [128] * 3
    assert nf.encode([np.inf, -np.inf], "posit8", overflow="saturate").tolist() == [127, 129]
    assert nf.encode([np.inf, -np.inf], "posit64", overflow="saturate").tolist() == [2**63 - 1, 2**63 + 1]


@pytest.mark.parametrize(("name", "bits"), [("posit<8,0>", 8), ("posit<16,1>", 16), ("posit32", 32)])
def test_recorded_words_of_softposit(name, bits):
    recorded = np.load(Path(__file__).parent / "vectors" / "posit_softposit.npz")
    np.testing.assert_array_equal(nf.decode(recorded[f"codes{bits}"], name), recorded[f"values{bits}"])
    x, words = recorded[f"x{bits}"], recorded[f"words{bits}"]
    assert x.size > 1500
    np.testing.assert_array_equal(nf.encode(x, name), words)


@pytest.mark.parametrize("name", ["takum8", "takum16", "takum32", "takum_log8", "takum_log16", "takum_log32"])
def test_recorded_words_of_libtakum(name):
    """Linear values and all codes equal; its logarithmic values are the C library's exp, within 2**-46 of the right ones."""
    recorded = np.load(Path(__file__).parent / "vectors" / "takum_libtakum.npz")
    values, got = recorded[f"{name}_values"], nf.decode(recorded[f"{name}_codes"], name)
    if "log" in name:
        np.testing.assert_allclose(got, values, rtol=2.0**-46)
    else:
        np.testing.assert_array_equal(got, values)
    x = recorded[f"{name}_x"]
    assert x.size > 600
    np.testing.assert_array_equal(nf.encode(x, name), recorded[f"{name}_words"])


def test_libtakum_rounds_twice():
    """Its conversion from float64 to 8 and 16 bits goes through float32: just above a tie it takes the even code."""
    recorded = np.load(Path(__file__).parent / "vectors" / "takum_libtakum.npz")
    assert recorded["fault_words"].tolist() == [72, 72]
    assert nf.encode(recorded["fault_x"], "takum8").tolist() == [72, 73]


LOGS = [2, 3, 5, 8]


def reference_log(n, code):
    """c + m of a code, from the bit string; its value is exp of the half."""
    s, c, m = ref.takum_fields(n, code)
    return (1 - 2 * s) * (c + m) if code else None


def decimal_exp(log):
    with localcontext() as context:
        context.prec = 60
        return (Decimal(log.numerator) / Decimal(2 * log.denominator)).exp()


@pytest.mark.parametrize("n", LOGS)
def test_logarithmic_takums_everywhere(n):
    f = LogTakum(n)
    for code in range(1, 1 << (n - 1)):
        log = reference_log(n, code)
        assert f.decode_exact(code) == Fraction(float(decimal_exp(log))), (n, code)
        assert f.decode_exact((1 << n) - code) == -f.decode_exact(code)
    for code in range(1, (1 << (n - 1)) - 1):
        cut = decimal_exp(reference_log(n + 1, 2 * code + 1))
        near = float(cut)
        x = np.array([near, math.nextafter(near, 0), math.nextafter(near, math.inf)])
        want = [code + (Decimal(v) > cut or (Decimal(v) == cut and code % 2 == 1)) for v in x.tolist()]
        assert nf.encode(x, f).tolist() == want
        assert nf.encode(-x, f).tolist() == [(1 << n) - c for c in want]
        assert nf.encode(np.array([Fraction(v) for v in x.tolist()], object), f).tolist() == want


@pytest.mark.parametrize("n", [16, 24, 32])
def test_wide_logarithmic_takums_sampled(n):
    f = LogTakum(n)
    rng = np.random.default_rng(8)
    codes = np.unique(rng.integers(1, 1 << (n - 1), 100))
    values = nf.decode(codes, f)
    assert values.tolist() == [float(decimal_exp(reference_log(n, int(c)))) for c in codes]
    np.testing.assert_array_equal(nf.decode((1 << n) - codes, f), -values)
    np.testing.assert_array_equal(nf.encode(values, f), codes)
    np.testing.assert_array_equal(
        nf.encode(np.append(-values, [0.0, np.nan, np.inf]), f), [*((1 << n) - codes), 0, 1 << (n - 1), 1 << (n - 1)]
    )


@pytest.mark.exhaustive
def test_the_table_of_16_bit_logarithmic_takums():
    f = LogTakum(16)
    got = f.values()
    table = LogTable()
    for code in range(1, 1 << 15):
        log = reference_log(16, code)
        assert got[code] == float(decimal_exp(log)) == table.rounded(log)
    print("codes", 1 << 15)


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(2, 64),
    es=st.integers(0, 8),
    kind=st.sampled_from(["posit", "takum", "takum_log"]),
    x=st.floats(allow_nan=False, allow_infinity=False),
)
def test_names_symmetry_and_idempotence(n, es, kind, x):
    if kind == "takum_log" and n > 32:
        return
    f = Posit(n, es) if kind == "posit" else Takum(n) if kind == "takum" else LogTakum(n)
    assert nf.parse(str(f)) == f
    code = int(nf.encode([x], f)[0])
    assert (code + int(nf.encode([-x], f)[0])) % (1 << n) == 0
    assert (code == 0) == (x == 0)
    value = nf.decode(np.array([code], np.uint64), f)
    assert nf.encode(value, f).tolist() == [code]


def test_posits_are_monotone():
    for name in ("posit8", "takum8", "takum_log8", "posit<8,0>"):
        f = nf.parse(name)
        values = f.values()
        order = np.concatenate([values[129:], values[:128]])
        assert (np.diff(order) > 0).all(), name
        x = np.sort(np.random.default_rng(1).standard_normal(1000) * 100)
        assert (np.diff(nf.cast(x, f)) >= 0).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nf.parse("posit65"), ["width=65", "64"]),
        (lambda: nf.parse("posit<8,9>"), ["es=9"]),
        (lambda: nf.parse("takum1"), ["width=1"]),
        (lambda: nf.parse("takum_log33"), ["width=33", "32"]),
        (lambda: nf.encode([1.0], "posit8", rounding="up"), ["up", "ties_even"]),
        (lambda: nf.encode([1.0], "takum16", overflow="wrap"), ["wrap", "saturate"]),
        (lambda: nf.decode([256], "posit8"), ["256", "255"]),
        (lambda: nf.parse("posit32").values(), ["16 bits"]),
        (lambda: nf.parse("posit32").decode_exact(1 << 32), [str(1 << 32)]),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value)
