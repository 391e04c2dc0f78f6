"""Layers in ap_fixed: the words of hls4ml's own kernels."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.arith.fixed_steps import FixedAccumulator

VECTORS = Path(__file__).parent / "vectors" / "ap_fixed"


def fixed(row):
    """The format of a types row: W, I, signed, Q, O, N."""
    w, i, signed, q, o, n = row
    return nf.parse(f"ap_{'' if signed == '1' else 'u'}fixed<{w},{i},{q},{o},{n}>")


def words(raw, fmt):
    return (raw & ((1 << fmt.bits) - 1)).astype(fmt.code_dtype)


def test_dense_layers():
    held = np.load(VECTORS / "dense.npz")
    cases = sorted({name.partition("_")[0] for name in held.files})
    assert len(cases) == 8
    for case in cases:
        x_type, w_type, b_type, acc_type, y_type = map(fixed, held[f"{case}_types"])
        x = nf.from_codes(words(held[f"{case}_x"], x_type), x_type)
        w = nf.from_codes(words(held[f"{case}_w"], w_type), w_type, axis=0)
        b = nf.decode(words(held[f"{case}_b"], b_type), b_type)
        for full, name in ((False, "y_cast_product"), (True, "y_full_product")):
            acc = nf.matmul(x, w, f"{acc_type}+full" if full else str(acc_type), c=b)
            np.testing.assert_array_equal(nf.encode(acc, y_type), words(held[f"{case}_{name}"], y_type), err_msg=f"{case} {name}")


def test_affine_layers():
    held = np.load(VECTORS / "affine.npz")
    for case in sorted({name.partition("_")[0] for name in held.files}):
        x_type, s_type, b_type, y_type = map(fixed, held[f"{case}_types"])
        x, s, b = (nf.decode(words(held[f"{case}_{n}"], t), t) for n, t in (("x", x_type), ("scale", s_type), ("bias", b_type)))
        exact = x.astype(np.float64) * s.astype(np.float64) + b.astype(np.float64)
        np.testing.assert_array_equal(nf.encode(exact, y_type), words(held[f"{case}_y"], y_type), err_msg=case)


def plain(x, w, start, acc, full, frac):
    """One dot product step by step in Python integers, through the scalar cast of the format."""
    unit = Fraction(1, 2**frac)
    total = Fraction(start) * Fraction(1, 2**acc.frac_bits)
    for u, v in zip(x, w, strict=True):
        product = Fraction(int(u) * int(v)) * unit
        if not full:
            product = cast_exact(product, acc)
        total = cast_exact(total + product, acc)
    return total


def cast_exact(value, fmt):
    made = np.empty(1, object)
    made[0] = value
    got = nf.cast(made, fmt)[0]
    return got if isinstance(got, Fraction) else Fraction(float(got))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("overflow", ["AP_WRAP", "AP_SAT", "AP_SAT_SYM", "AP_SAT_ZERO"])
@pytest.mark.parametrize(
    "rounding", ["AP_TRN", "AP_TRN_ZERO", "AP_RND", "AP_RND_ZERO", "AP_RND_MIN_INF", "AP_RND_INF", "AP_RND_CONV"]
)
def test_every_mode_step_by_step(rounding, overflow, full):
    rng = np.random.default_rng(0)
    x_type, w_type = nf.parse("ap_fixed<6,3>"), nf.parse("ap_ufixed<5,1>")
    for acc in (
        f"ap_fixed<9,6,{rounding},{overflow}>",
        f"ap_ufixed<8,4,{rounding},{overflow}>",
        f"ap_fixed<16,6,{rounding},{overflow}>",
    ):
        acc = nf.parse(acc)
        x, w = rng.integers(-32, 32, (3, 7)), rng.integers(0, 32, (7, 4))
        got = FixedAccumulator(acc, full).product(
            nf.from_codes(words(x, x_type), x_type), nf.from_codes(words(w, w_type), w_type, axis=0), None, "values"
        )
        for i in range(3):
            for j in range(4):
                assert got[i, j] == float(plain(x[i], w[:, j], 0, acc, full, 3 + 4)), (str(acc), i, j)


def test_refusals():
    x = nf.from_codes(np.zeros((2, 3), np.uint8), "ap_fixed<8,3>")
    acc = FixedAccumulator(nf.parse("ap_fixed<16,6>"))
    with pytest.raises(ValueError, match="inner dimensions"):
        acc.product(x, x, None, "values")
    with pytest.raises(ValueError, match="fixed-point tensor"):
        acc.product(np.zeros((2, 3)), x, None, "values")
    with pytest.raises(ValueError, match="at most 62"):
        FixedAccumulator(nf.parse("ap_fixed<63,6>"))
    wide = nf.from_codes(np.zeros((3, 3), np.uint32), "ap_fixed<32,3>")
    with pytest.raises(ValueError, match="needs 6"):
        acc.product(wide, wide, None, "values")


def test_strings_words_and_reasons():
    x = nf.from_codes(np.arange(6, dtype=np.uint8).reshape(2, 3), "ap_fixed<8,3>")
    w = nf.from_codes(np.arange(6, dtype=np.uint8).reshape(3, 2), "ap_fixed<8,3>", axis=0)
    for text in ("ap_fixed<16,6>", "AP_FIXED<16,6,AP_RND,AP_SAT>+full", "fixed<8,3,down,wrap>"):
        made = nf.datapath(text)
        assert nf.datapath(str(made)) == made
        values, codes = nf.matmul(x, w, made), nf.matmul(x, w, made, returns="codes")
        np.testing.assert_array_equal(nf.decode(codes, made.inner.format), values)
        assert nf.explain(x, w, made)[0].kernel in ("sgemm", "free_sum", "clamped_sum")
    assert {"fixed<16,6,down,wrap>", "fixed<16,6,down,wrap>+full"} <= set(nf.datapaths()["name"])
    with pytest.raises(ValueError, match="unscaled fixed-point"):
        nf.matmul(
            nf.quantize(np.ones((2, 4)), "int8/token"), nf.quantize(np.ones((4, 2)), "int8/channel", axis=0), "ap_fixed<16,6>>fp32"
        )
