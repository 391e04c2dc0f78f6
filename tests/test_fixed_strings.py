"""Fixed-point strings of all dialects, and refusals."""

import numpy as np
import pytest

import numfmt as nf
from numfmt.formats import fixed_ops as fx
from numfmt.formats.fixed_dialects import AP_OVERFLOWS, AP_ROUNDINGS

from .test_fixed import overflow_modes

R, O = nf.Rounding, nf.Overflow  # noqa: E741

WRITTEN = {
    "fixed<16,6>": nf.Fixed(16, 6),
    "ufixed<16, -6, up, wrap, 3>": nf.Fixed(16, -6, False, R.UP, O.WRAP, 3),
    "fixed<16,6,wrap>": nf.Fixed(16, 6, True, R.TIES_EVEN, O.WRAP),
    "int8": nf.Fixed(8, 8),
    "uint64": nf.Fixed(64, 64, False),
    "ap_fixed<16,6>": nf.Fixed(16, 6, True, R.DOWN, O.WRAP),
    "ap_ufixed<16,6>": nf.Fixed(16, 6, False, R.DOWN, O.WRAP),
    "ap_fixed< 16, 6, AP_RND_CONV, AP_SAT >": nf.Fixed(16, 6),
    "ap_fixed<16,6,AP_RND>": nf.Fixed(16, 6, True, R.TIES_UP, O.WRAP),
    "ap_fixed<16,6,AP_RND_INF,AP_WRAP_SM,2>": nf.Fixed(16, 6, True, R.TIES_AWAY, O.WRAP_SIGN_MAGNITUDE, 2),
    "ap_fixed<16,6,AP_TRN,AP_SAT_SYM,2>": nf.Fixed(16, 6, True, R.DOWN, O.SATURATE_SYMMETRIC),
    "ap_int<8>": nf.Fixed(8, 8, True, R.DOWN, O.WRAP),
    "ap_uint<8>": nf.Fixed(8, 8, False, R.DOWN, O.WRAP),
    "ac_fixed<16,6>": nf.Fixed(16, 6, True, R.DOWN, O.WRAP),
    "ac_fixed<16,6,false,AC_RND_CONV,AC_SAT_ZERO>": nf.Fixed(16, 6, False, R.TIES_EVEN, O.SATURATE_ZERO),
    "ac_fixed<16,6,true,AC_TRN_ZERO,AC_SAT_SYM>": nf.Fixed(16, 6, True, R.TOWARD_ZERO, O.SATURATE_SYMMETRIC),
    "ac_int<7,false>": nf.Fixed(7, 7, False, R.DOWN, O.WRAP),
    "Q3.12": nf.Fixed(16, 4),
    "ti:Q3.12": nf.Fixed(16, 4),
    "arm:Q4.12": nf.Fixed(16, 4),
    "UQ8.8": nf.Fixed(16, 8, False),
    "arm:UQ8.8": nf.Fixed(16, 8, False),
    "Q-2.17": nf.Fixed(16, -1),
    "fixed<0,0>": nf.Fixed(0, 0),
}  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_what_the_strings_mean(text):
    assert nf.parse(text) == WRITTEN[text]


def test_every_mode_survives_its_string():
    seen = set()
    for width in (0, 1, 6, 33, 64):
        for signed in (True, False):
            for overflow, n in overflow_modes(width, signed):
                for mode in R:
                    for int_bits in (width, -3, width + 2):
                        f = nf.Fixed(width, int_bits, signed, mode, overflow, n)
                        assert nf.parse(str(f)) == f
                        seen.add(str(f))
    assert len(seen) == len({nf.parse(text) for text in seen})


def test_every_vendor_mode_is_one_of_ours():
    for q, rounding in AP_ROUNDINGS.items():
        for o, overflow in AP_OVERFLOWS.items():
            f = nf.parse(f"ap_fixed<12,5,{q.upper()},{o.upper()}>")
            assert (f.rounding, f.overflow) == (rounding, overflow)
            if o != "ap_wrap_sm":
                assert nf.parse(f"ac_fixed<12,5,true,ac{q[2:]},ac{o[2:]}>") == f


def test_modes_are_part_of_the_format():
    assert nf.Fixed(8, 4) != nf.Fixed(8, 4, True, "down")
    assert nf.Fixed(8, 4, True, "down", "wrap", 1) != nf.Fixed(8, 4, True, "down", "wrap")
    assert nf.Fixed(8, 4, True, "down") == nf.Fixed(8, 4, True, R.DOWN)
    assert isinstance(nf.Fixed(8, 4, True, "down").rounding, R)


def test_descriptions_of_wide_and_empty_formats():
    empty, wide, one = nf.Fixed(0, 0), nf.Fixed(64, 3), nf.Fixed(1, 1)
    assert (empty.max, empty.min, empty.min_positive, empty.values().tolist()) == (0, 0, 0, [0])
    assert nf.encode([1.5, -2.0, 0.0], empty).tolist() == [0, 0, 0]
    assert nf.cast([1.5, -2.0], empty).tolist() == [0, 0]
    assert nf.decode([0], empty).tolist() == [0]
    assert (one.max, one.min, one.min_positive) == (0, -1, 0)
    assert wide.max == 4 - 2.0**-51
    assert wide.max_int == 2**63 - 1
    assert wide.value_dtype.kind == "O"
    assert nf.decode(np.array([2**63 - 1], np.uint64), wide)[0] * 2**61 == 2**63 - 1
    assert nf.Fixed(25, 5).value_dtype == np.float32
    assert nf.Fixed(25, 5, False).value_dtype == np.float64
    assert nf.Fixed(54, 5).value_dtype == np.float64
    assert nf.Fixed(54, 5, False).value_dtype.kind == "O"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nf.Fixed(65, 3), ["width=65", "0 to 64"]),
        (lambda: nf.Fixed(-1, 3), ["width=-1"]),
        (lambda: nf.Fixed(8, 5000), ["int_bits=5000", "1023"]),
        (lambda: nf.Fixed(8, 3, rounding="nearest"), ["rounding='nearest'", "ties_even"]),
        (lambda: nf.Fixed(8, 3, overflow="nonsat"), ["overflow='nonsat'", "saturate_zero"]),
        (lambda: nf.Fixed(8, 3, False, overflow="wrap_sign_magnitude"), ["signed formats only"]),
        (lambda: nf.Fixed(8, 3, sat_bits=2), ["sat_bits=2", "wrap"]),
        (lambda: nf.Fixed(8, 3, overflow="wrap", sat_bits=9), ["sat_bits=9", "0 to 8"]),
        (lambda: nf.parse("ap_fixed<16>"), ["1 parameter", "ap_fixed<W,I"]),
        (lambda: nf.parse("ap_fixed<16,6,AP_FLOOR>"), ["AP_FLOOR", "AP_RND_CONV"]),
        (lambda: nf.parse("ap_fixed<16,6,AP_RND,AP_CLIP>"), ["AP_CLIP", "AP_WRAP_SM"]),
        (lambda: nf.parse("ap_fixed<80,6>"), ["width=80", "ap_fixed<80,6>"]),
        (lambda: nf.parse("ap_fixed<x,6>"), ["W 'x'"]),
        (lambda: nf.parse("ac_fixed<8,3,maybe>"), ["S='maybe'", "true"]),
        (lambda: nf.parse("ac_fixed<8,3,true,AC_RND_CONV_ODD>"), ["AC_RND_CONV_ODD", "not supported", "AC_RND_CONV"]),
        (lambda: nf.parse("fixed<8,3,nearest>"), ["'nearest'", "ties_even", "saturate_symmetric"]),
        (lambda: nf.parse("fixed<8,3,up,down>"), ["rounding twice"]),
        (lambda: nf.parse("Q-9.2"), ["width=-6"]),
        (lambda: nf.encode([1.0], "ap_ufixed<8,4>", overflow="wrap_sign_magnitude"), ["does not apply", "saturate"]),
        (lambda: nf.encode([1.0], "fixed<8,4>", overflow="propagate"), ["does not apply"]),
        (lambda: fx.add([200], [1], "int8", "int8"), ["200", "-128 to 127", "raw()"]),
        (lambda: fx.add([0.5], [1], "int8", "int8"), ["dtype float64", "integers"]),
        (lambda: fx.add([1], [1], "e4m3fn", "int8"), ["e4m3fn", "fixed point"]),
        (lambda: fx.divide([1], [0], "int8", "int8"), ["1 zero"]),
        (lambda: fx.result("power", "int8", "int8"), ["power", "multiply"]),
        (lambda: fx.result("add", "int8"), ["b=None"]),
        (lambda: fx.left([1], [0.5], "int8"), ["amount", "integers"]),
        (lambda: fx.raw([256], "int8"), ["256", "0 to 255"]),
        (lambda: fx.to_int64([2**63], "uint64"), ["int64"]),
        (lambda: fx.cast([1], "int8", fx.result("multiply", "int64", "int64")), ["128 bits"]),
        (lambda: nf.decode([4], "fixed<2,1>"), ["codes", "0 to 3"]),
    ],
)  # fmt: skip
def test_refusals_name_the_value_and_what_is_allowed(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value)


def test_negative_values_into_unsigned_formats_follow_the_overflow_rule():
    x = np.array([-0.3, -1.0, -5.25], np.float32)
    assert nf.cast(x, "ufixed<6,4>").tolist() == [0, 0, 0]
    assert nf.cast(x, "ufixed<6,4,down,wrap>").tolist() == [15.5, 15.0, 10.75]
    assert nf.cast(x, "ufixed<6,4,ties_even,saturate_zero>").tolist() == [0, 0, 0]
    assert nf.encode(x, "ufixed<6,4,ties_even,wrap,2>").tolist() == [0b111111, 0b111100, 0b111011]
    assert nf.cast([-0.2], "ufixed<6,4,toward_zero,wrap>").tolist() == [0]  # what rounds to zero is in range


def test_shapes_and_layouts():
    x = np.linspace(-9, 9, 24, dtype=np.float32).reshape(4, 6)
    f = nf.parse("ap_fixed<8,4,AP_RND,AP_SAT>")
    whole = nf.encode(x, f)
    np.testing.assert_array_equal(nf.encode(x.T, f), whole.T)
    np.testing.assert_array_equal(nf.encode(x[:, ::2], f), whole[:, ::2])
    assert nf.encode(np.float32(1.5), f).shape == ()
    assert nf.cast(np.empty((0, 3)), f).shape == (0, 3)
    a, b = fx.raw(whole, f), fx.raw(whole[0], f)
    assert fx.add(a, b, f, f).shape == (4, 6)
    assert fx.multiply(a, 3, f, "int8").shape == (4, 6)
    assert fx.add(1, 2, f, f).shape == ()
    assert fx.add(np.empty((0,), np.int64), 2, f, f).shape == (0,)
