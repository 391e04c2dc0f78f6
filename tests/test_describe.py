"""Cards of formats: every fact against the values of all codes, every overflow against nf.encode."""

import dataclasses
import json
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import numfmt as nf
from numfmt.formats import code_fields, ends
from numfmt.formats.catalogue import entries
from numfmt.formats.exact_text import dyadic, json_number, number_text

NAMES = [entry.name for entry in entries()]
PARAMETRIC = [
    "float<4,3,bias=11,fnuz>", "float<1,2>", "float<2,0,none>", "ufloat<4,4>", "ufloat<5,3,fn>", "float<5,10,bias=20,none>",
    "int7", "uint1", "int1", "int64", "uint64", "fixed<0,0>", "fixed<8,12>", "fixed<8,-3>", "fixed<64,32>",
    "ufixed<7,3,down,wrap>", "ap_fixed<8,4>", "ap_fixed<8,4,AP_RND_CONV,AP_SAT_SYM>", "ap_ufixed<9,4,AP_TRN,AP_SAT_ZERO>",
    "ap_fixed<8,4,AP_RND,AP_WRAP_SM,2>", "Q3.12", "fixed<9,4,to_odd,saturate>", "fixed<8,4,stochastic_a,saturate>",
    "fixed<8,4,away,saturate>", "codebook<3,upper,-1,0,1>", "codebook<2,even,-3,-2,-1>", "p3109<16,1,ue>", "p3109<16,16,ue>",
    "p3109<5,1,se>", "p3109<5,2,uf>", "p3109<7,3,sf>", "posit<5,0>", "posit<20,1>", "posit<64,8>", "posit2", "takum2", "takum7",
    "takum40", "takum_log14", "pot3", "lns<12,6>", "nupes<5,a=0.75>", "adaptivfloat<6,2,bias=-3>", "llmfp<3,2,b=3.7>", "apot5",
    "denseshift4", "float<4,3,nosub>", "float<4,3,fn,nosub>",
]  # fmt: skip
ALL = list(dict.fromkeys([*NAMES, *PARAMETRIC]))


def narrow(fmt):
    """Formats whose codes a test can list one by one."""
    return fmt.bits <= 12


def exact_values(fmt):
    """Every code's exact value, by decode_exact alone; None for a code without one."""
    values = []
    for code in range(1 << fmt.bits):
        try:
            values.append(fmt.decode_exact(code))
        except ValueError:
            values.append(None)
    return values


@pytest.mark.parametrize("name", ALL)
def test_facts_hold_against_all_codes(name):
    fmt, card = nf.parse(name), nf.describe(name)
    assert card.format == fmt
    assert (card.name, card.bits) == (str(fmt), fmt.bits)
    json.dumps(card.to_dict(), allow_nan=False)
    assert card.name in str(card)
    if not narrow(fmt):
        return
    values = exact_values(fmt)
    finite = sorted({Fraction(v) for v in values if v is not None and math.isfinite(v)})
    positive = [v for v in finite if v > 0]
    assert card.finite_values == len(finite)
    assert (Fraction(card.max), Fraction(card.min)) == (finite[-1], finite[0])
    assert card.min_positive == (positive[0] if positive else None)
    sizes = [abs(v) for v in finite if v]
    if sizes:
        assert card.binades == pytest.approx(math.log2(max(sizes) / min(sizes)), abs=1e-9)
        assert card.dynamic_range_db == pytest.approx(20 * math.log10(max(sizes) / min(sizes)), abs=1e-8)
        assert all((v / Fraction(card.quantum)).denominator == 1 for v in finite)
    else:
        assert card.binades is card.dynamic_range_db is None
    gaps = [b - a for a, b in pairwise(finite)]
    assert card.largest_spacing == (max(gaps) if gaps else None)
    around = [(a, b) for a, b in pairwise(finite) if a <= 1 < b and a > 0]
    assert card.spacing_at_one == (around[0][1] - around[0][0] if around else None)
    table = card.table(12)
    assert len(table) == 1 << fmt.bits
    for value, shown, kind in zip(values, table["value"], table["class"], strict=True):
        if value is None:
            assert kind == "unused"
        elif math.isnan(value):
            assert (kind, math.isnan(shown)) == ("nan", True)
        elif math.isinf(value):
            assert (kind, shown) == ("inf", value)
        else:
            assert kind in ("normal", "subnormal", "zero", "minus_zero", "repeated")
            assert Fraction(shown) == value
    plain = table[table["class"].isin(["normal", "subnormal", "zero"])]
    assert plain["value"].map(Fraction).nunique() == len(plain) == card.finite_values
    listed = {s.what: s.count for s in card.specials}
    kinds = table["class"].value_counts().to_dict()
    assert listed.get("+inf", 0) + listed.get("-inf", 0) == kinds.get("inf", 0)
    for what in ("nan", "minus_zero", "repeated", "unused"):
        assert listed.get(what, 0) == kinds.get(what, 0)


@pytest.mark.parametrize("name", ALL)
def test_fields_cover_the_code(name):
    fmt = nf.parse(name)
    rng = np.random.default_rng(5)
    codes = range(1 << fmt.bits) if fmt.bits <= 8 else [int(c) % (1 << fmt.bits) for c in rng.integers(0, 2**63, 100)]
    spans = {field: [int(v) for v in width.split("-")] for field, width in code_fields.layout(fmt)}
    for code in codes:
        parts = code_fields.split(fmt, code)
        assert "".join(bits for _, bits in parts) == (f"{code:0{fmt.bits}b}" if fmt.bits else "")
        found = dict(parts)
        for field, span in spans.items():
            assert span[0] <= len(found.get(field, "")) <= span[-1], (code, field)
        assert set(found) <= set(spans)


def own_modes(fmt):
    stochastic = fmt.rounding.startswith("stochastic")
    return {"seed": 0} if stochastic else {}


def code_of(value, fmt, **options):
    """nf.encode of one exact value, None where it refuses."""
    array = np.empty(1, object)
    array[0] = value
    try:
        return int(nf.encode(array, fmt, **own_modes(fmt), **options)[0])
    except ValueError:
        return None


@pytest.mark.parametrize("name", ALL)
def test_what_lies_beyond_becomes_what_the_card_says(name):
    fmt, card = nf.parse(name), nf.describe(name)
    least = Fraction(card.min_positive or 1)
    assert [row.overflow for row in card.beyond] == list(map(str, fmt.overflows))
    for row in card.beyond:
        if fmt.rounding.startswith("stochastic"):
            sides = [
                (row.above, Fraction(card.max) + Fraction(card.quantum)),
                (row.below, Fraction(card.min) - Fraction(card.quantum)),
            ]
        else:
            modes = (fmt.rounding, nf.Overflow(row.overflow))
            sides = [(r, ends.edge(fmt, *modes, n).just_beyond(least)) for r, n in ((row.above, False), (row.below, True))]
        for result, value in sides:
            assert result.code == code_of(value, fmt, overflow=row.overflow), (row, value)
        for result, value in ((row.plus_inf, math.inf), (row.minus_inf, -math.inf)):
            assert result.code == code_of(value, fmt, overflow=row.overflow)
        for result in (row.above, row.below, row.plus_inf, row.minus_inf):
            if result.code is not None:
                value = fmt.decode_exact(result.code)
                assert value == result.value or math.isnan(value)
    for result, value in ((card.nan, math.nan), (card.minus_zero, -0.0), (card.minus_one, Fraction(-1))):
        assert result.code == code_of(value, fmt)
        if isinstance(value, float):  # the same by the array path
            try:
                assert result.code == int(nf.encode(np.array([value]), fmt, **own_modes(fmt))[0])
            except ValueError:
                assert result.code is None


def overflows_by_definition(fmt, magnitude, negative):
    """Whether the value rounded to the format with one step more on that side is that step (or lies beyond), by encode's result
    under a mode that shows it: NaN or an infinity (nonsat), or another sign (wrap)."""
    value = -magnitude if negative else magnitude
    if "wrap" in fmt.overflows:
        rounded = fmt.decode_exact(code_of(value, fmt, overflow="wrap"))
        return abs(rounded - value) > Fraction(fmt.quantum)
    rounded = fmt.decode_exact(code_of(value, fmt, overflow="nonsat"))
    return isinstance(rounded, float) and not math.isfinite(rounded)


TELLING = [
    name
    for name in ALL
    for fmt in (nf.parse(name),)
    if not fmt.rounding.startswith("stochastic")
    and (("wrap" in fmt.overflows and fmt.bits > 1 and "WRAP_SM" not in name) or ("nonsat" in fmt.overflows and fmt.has_inf))
]


@pytest.mark.parametrize("name", [*TELLING, "e4m3fn", "float8_e5m2fnuz", "e8m0"])
def test_threshold_is_the_smallest_value_that_overflows(name):
    fmt, card = nf.parse(name), nf.describe(name)
    for edge, negative in ((card.overflow_above, False), (card.overflow_below, True)):
        if negative and card.min >= 0 and "wrap" not in fmt.overflows:
            continue  # unsigned floats: NaN or the smallest value, checked in test_formats
        if str(fmt.overflow) == "saturate_symmetric" and negative:
            continue  # wrap has one value more
        limit = edge.limit
        below, above = limit - limit / (1 << 80), limit + max(limit, Fraction(card.quantum)) / (1 << 80)
        assert not overflows_by_definition(fmt, below, negative)
        assert overflows_by_definition(fmt, above, negative)
        assert overflows_by_definition(fmt, limit, negative) == edge.inclusive
        assert edge.overflows(above)
        assert edge.overflows(limit) == edge.inclusive
        assert not edge.overflows(below)
        near = float(limit) if limit.denominator < 1 << 200 and limit < Fraction(2) ** 1000 else math.inf
        if math.isfinite(near) and Fraction(near) == limit and near:  # float64 neighbours through the array path
            for value in (math.nextafter(near, 0.0), near, math.nextafter(near, math.inf)):
                mode = "wrap" if "wrap" in fmt.overflows else "nonsat"
                code = int(nf.encode(np.array([-value if negative else value]), fmt, overflow=mode)[0])
                assert code == code_of(Fraction(-value if negative else value), fmt, overflow=mode)


def test_known_cards():
    card = nf.describe("e4m3fn")
    assert card.fields == (("sign", "1"), ("exponent", "4"), ("mantissa", "3"))
    assert (card.max, card.min_normal, card.min_positive, card.epsilon) == (448.0, 2.0**-6, 2.0**-9, 0.125)
    assert (card.overflow_above.limit, card.overflow_above.inclusive) == (464, False)  # 464 is a tie, and 448 is even
    assert {row.overflow: str(row.above.value) for row in card.beyond} == {
        "saturate": "448.0",
        "propagate": "448.0",
        "nonsat": "nan",
    }
    assert [(s.what, s.codes) for s in card.specials] == [("nan", ((0x7F, 0x7F), (0xFF, 0xFF))), ("minus_zero", ((0x80, 0x80),))]
    assert (nf.describe("e5m2").overflow_above.limit, nf.describe("e5m2").overflow_above.inclusive) == (61440, True)
    assert (nf.describe("float16").overflow_above.limit, nf.describe("float16").overflow_above.inclusive) == (65520, True)
    wide = nf.describe("float64")
    assert wide.overflow_above.limit == Fraction(2) ** 1024 - Fraction(2) ** 970
    assert wide.finite_values == 2**64 - 2**53 - 1
    assert nf.describe("float32").finite_values == 2**32 - 2**24 - 1
    assert nf.describe("float32").specials[2].count == 2 * (2**23 - 1)
    assert nf.describe("int64").max == Fraction(2**63 - 1)
    assert nf.describe("posit32").max == 2.0**120
    assert nf.describe("p3109<16,1,ue>").max == Fraction(2) ** 32765
    assert nf.describe("p3109<8,1,uf>").beyond[2].below.code == 0xFF  # negative values of an unsigned format: NaN
    assert nf.describe("hif8").overflow_above.limit == Fraction(5, 4) * 2**15
    wrapped = next(row for row in nf.describe("ap_fixed<8,4>").beyond if row.overflow == "wrap")
    assert (wrapped.above.value, wrapped.below.value) == (-8.0, 7.9375)
    assert nf.describe("uint4").minus_one.value == 0.0
    assert nf.describe("nf4").nan.code is None
    assert dict(nf.describe("posit8").fields)["regime"] == "2-7"
    bits = nf.describe("takum8").table()["bits"]
    assert (bits[0b01011010], bits[0b00000000]) == ("0 1 011 010", "0 0 000 000")
    assert nf.describe("hif8").table()["bits"][0x6F] == "0 11 0111 1"


def test_source_status_and_aliases():
    catalogue = nf.catalogue().set_index("name")
    for entry in entries():
        card = nf.describe(entry.name)
        if str(entry.format) == entry.name:
            assert (card.source, card.status) == (catalogue["source"][entry.name], catalogue["status"][entry.name])
            assert set(card.aliases) >= set(entry.aliases) - {card.name}
    assert nf.describe("float<5,3,bias=9,fn>").status == "by definition"
    assert "IEEE 754" in nf.describe("float<5,3,bias=9,fn>").source


@pytest.mark.parametrize(
    "name", ["e4m3fn", "e5m2", "int8", "nf4", "e8m0", "posit8", "lns<8,3>", "takum8", "ap_fixed<8,4>", "hif8", "pot4"]
)
def test_error_curve_bounds_every_cast(name):
    """The worst errors found by casting many values lie below the curve, and reach it."""
    fmt = nf.parse(name)
    curve = nf.describe(name).spacing_curve(5)  # cells that do not end at the middle of an octave
    assert set(curve["region"]) <= {"underflow", "subnormal", "normal", "overflow"}
    assert np.allclose(curve["log2_low"][1:], curve["log2_high"][:-1])
    for row in curve.itertuples():
        x = np.exp2(np.linspace(row.log2_low, row.log2_high, 401))[1:-1]
        got = nf.cast(x, fmt).astype(np.float64)
        error = np.abs(x - got) / x
        if row.region == "overflow" and str(fmt.overflow) == "wrap":
            assert row.error == math.inf  # a wrapped value is anything
        elif not math.isfinite(row.error):
            assert not np.isfinite(got).any()
        else:
            assert error.max() <= row.error * (1 + 1e-12) + 1e-300
            assert error.max() >= 0.9 * row.error - 1e-3, row


def test_wide_curves_are_exact_at_binades():
    curve = nf.describe("float32").spacing_curve(1)
    inside = curve[(curve.log2_low >= -126) & (curve.log2_high <= 127)]
    assert np.allclose(inside["error"], 2.0**-24 / (1 + 2.0**-24), rtol=1e-12)
    assert curve[curve.region == "overflow"]["error"].isin([math.inf]).all()


def test_tables_beyond_eight_bits_are_on_request():
    card = nf.describe("float16")
    with pytest.raises(ValueError, match=r"float16 has 2\*\*16 codes.*most_bits=16"):
        card.table()
    table = card.table(16)
    assert len(table) == 65536
    assert table["class"].value_counts()["nan"] == 2046
    assert table["bits"][0x3C01] == "0 01111 0000000001"
    with pytest.raises(ValueError, match=r"nf\.decode"):
        nf.describe("float32").table(16)
    with pytest.raises(ValueError, match="most_bits=17"):
        card.table(17)
    with pytest.raises(ValueError, match="nothing but zero"):
        nf.describe("fixed<0,0>").spacing_curve()


def test_cards_are_frozen_and_equal():
    first, second = nf.describe("e5m2"), nf.describe(nf.parse("e5m2"))
    assert first == second
    assert hash(first) == hash(second)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.bits = 9


def test_numbers_as_text():
    assert dyadic(Fraction(3, 8)) == "3*2**-3"
    assert (dyadic(Fraction(-4)), dyadic(Fraction(1, 3))) == ("-2**2", "1/3")
    assert (number_text(0.1), number_text(2.0**60), number_text(Fraction(2**70 + 1))) == (
        "0.1",
        "1.152921504606847e+18",
        str(2**70 + 1),
    )
    assert (number_text(math.nan), number_text(-math.inf), number_text(-0.0), number_text(None)) == ("NaN", "-inf", "-0", "none")
    assert json_number(Fraction(2) ** 5000) == "2**5000"
    assert json_number(Fraction(2**63 - 1)) == 2**63 - 1
