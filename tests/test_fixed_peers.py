"""Second witnesses: apytypes (quantization, overflow, + - * on words) and fxpmath (floor, ceil, nearest even; saturate, wrap)."""

import apytypes as apy
import numpy as np
import pytest
from fxpmath import Fxp

import numfmt as nf
from numfmt.formats import fixed_ops as fx

APY_ROUNDINGS = {
    "ties_even": "TIES_EVEN", "ties_away": "TIES_AWAY", "ties_zero": "TIES_ZERO", "ties_up": "TIES_POS", "ties_down": "TIES_NEG",
    "toward_zero": "TO_ZERO", "up": "TO_POS", "down": "TO_NEG", "away": "TO_AWAY",
}  # fmt: skip
APY_OVERFLOWS = {"saturate": "SAT", "wrap": "WRAP"}
FXP_ROUNDINGS = {"ties_even": "around", "down": "floor", "up": "ceil", "toward_zero": "fix"}
TYPES = [(5, 2), (8, 8), (4, -1), (6, 9), (12, 4)]


def words(source):
    if source.width <= 10:
        return np.arange(source.min_int, source.max_int + 1)
    rng = np.random.default_rng(source.width)
    return np.r_[rng.integers(source.min_int, source.max_int, 500, endpoint=True), source.min_int, source.max_int]


def apy_array(raws, fmt):
    codes = [int(v) % (1 << fmt.width) for v in raws]
    return apy.APyFixedArray(codes, int_bits=fmt.int_bits, frac_bits=fmt.frac_bits)


@pytest.mark.parametrize("overflow", APY_OVERFLOWS)
@pytest.mark.parametrize("rounding", APY_ROUNDINGS)
def test_apytypes_casts(rounding, overflow):
    mode, over = getattr(apy.QuantizationMode, APY_ROUNDINGS[rounding]), getattr(apy.OverflowMode, APY_OVERFLOWS[overflow])
    for source in (nf.Fixed(10, 4), nf.Fixed(9, -2), nf.Fixed(40, 12), nf.Fixed(64, 20)):
        raws = words(source)[: -1 if source.width == 64 else None]  # its carry: see below
        theirs = apy_array(raws, source)
        for width, int_bits in TYPES:
            target = nf.Fixed(width, int_bits, True, rounding, overflow)
            cast = theirs.cast(int_bits=int_bits, frac_bits=width - int_bits, quantization=mode, overflow=over)
            want = np.array(cast.to_bits(), np.int64) & ((1 << width) - 1)
            np.testing.assert_array_equal(fx.codes(fx.cast(raws, source, target), target), want, err_msg=f"{source} {target}")


@pytest.mark.parametrize(
    ("a", "b"), [("fixed<8,3>", "fixed<6,-1>"), ("fixed<33,30>", "fixed<40,7>"), ("fixed<64,10>", "fixed<61,40>")]
)
def test_apytypes_operations(a, b):
    a, b = nf.parse(a), nf.parse(b)
    x, y = words(a)[:256], words(b)[:256]
    size = min(x.size, y.size)
    x, y = x[:size], y[:size]
    left, right = apy_array(x, a), apy_array(y, b)
    for name, theirs in (("add", left + right), ("subtract", left - right), ("multiply", left * right)):
        made = fx.result(name, a, b)
        assert (theirs.int_bits, theirs.frac_bits) == (made.int_bits, made.frac_bits)
        got = getattr(fx, name)(x, y, a, b)
        want = [int(v) % (1 << made.width) for v in theirs.to_bits()]
        assert [int(v) % (1 << made.width) for v in got] == want, name


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("rounding", FXP_ROUNDINGS)
def test_fxpmath_casts(rounding, overflow):
    rng = np.random.default_rng(3)
    x = np.r_[rng.standard_normal(500) * 20, np.arange(-300, 300) / 64]
    for width, int_bits in [(8, 4), (12, 6), (6, 6), (16, 3)]:
        for signed in (True, False):
            theirs = Fxp(
                x, signed=signed, n_word=width, n_frac=width - int_bits, rounding=FXP_ROUNDINGS[rounding], overflow=overflow
            )
            f = nf.Fixed(width, int_bits, signed, rounding, overflow)
            np.testing.assert_array_equal(fx.raw(nf.encode(x, f), f), np.asarray(theirs.val, np.int64), err_msg=str(f))


def test_apytypes_jam_is_not_to_odd():
    """Its JAM sets the last bit of exact values too (formats of the field, section 1): not held equal."""
    f = nf.Fixed(6, 6, True, "to_odd", "wrap")
    source = nf.Fixed(8, 7)
    jam = apy_array([4], source).cast(int_bits=6, frac_bits=0, quantization=apy.QuantizationMode.JAM)
    assert np.asarray(jam.to_bits()).tolist() == [3]
    assert fx.cast([4], source, f).tolist() == [2]


def test_apytypes_loses_a_carry_at_64_bits():
    """2**63 - 1 rounded up leaves its 64-bit limb and comes back as the most negative value; the sum is 2**63, the answer `max`."""
    source, target = nf.Fixed(64, 20), nf.Fixed(5, 2, True, "up", "saturate")
    theirs = apy_array([source.max_int], source).cast(
        int_bits=2, frac_bits=3, quantization=apy.QuantizationMode.TO_POS, overflow=apy.OverflowMode.SAT
    )
    assert list(theirs.to_bits()) == [16]
    assert fx.cast([source.max_int], source, target).tolist() == [15]
