"""Defects of datapaths and layers that a test once missed; each case failed before its repair."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf

A = np.arange(1, 9).reshape(2, 4).astype(np.float32)
B = np.arange(1, 13).reshape(4, 3).astype(np.float32)


def test_a_permuted_product_of_a_table_takes_each_code_once():
    a, b = np.array([[238, 163, 51]]), np.array([[214], [90], [52]])
    moved = nf.matmul(a[:, [2, 0, 1]], b[[2, 0, 1]], "float<6,3>+table<exact8u>")
    assert nf.matmul(a, b, "float<6,3>+table<exact8u>+order<2,0,1>") == moved
    words, table = np.random.default_rng(0).integers(0, 256, (2, 4, 31)), "fp16+table<drum4_8u>"
    order = (3, 1, 2, 0)
    places = [k + p for k in range(0, 31, 4) for p in order if k + p < 31]
    got = nf.matmul(words[0], words[1].T, table + "+order<3,1,2,0>")
    assert np.array_equal(got, nf.matmul(words[0][:, places], words[1].T[places], table))


@pytest.mark.parametrize("tail", ["", "+full"])
@pytest.mark.parametrize("name", ["ap_fixed<14,14,AP_RND_CONV,AP_SAT>", "ap_ufixed<14,14,AP_RND_CONV,AP_SAT>", "fixed<8,8>"])
def test_fixed_accumulators_of_integers_keep_their_name(name, tail):
    path = nf.datapath(name + tail)
    assert nf.datapath(str(path)) == path


def test_an_order_alone_does_not_round_an_exact_sum_to_float32():
    a, b = np.float32([[1 / 3, 1e-3]]), np.float32([[1], [1]])
    assert nf.matmul(a, b, "exact+order<1,0>") == nf.matmul(a, b, "exact")
    huge = nf.matmul(np.float32([[3e38]]), np.float32([[3e38]]), "exact+order<0>")
    assert huge.dtype == np.float64
    assert np.isfinite(huge).all()


@pytest.mark.parametrize("path", ["fp16+chunk4", "fp16+splitk3", "bf16>fp32"])
def test_no_products_leave_the_start_as_it_is(path):
    made = nf.matmul(np.zeros((2, 0)), np.zeros((0, 3)), path, c=np.full((2, 3), -0.0))
    assert np.signbit(made).all()


def test_stochastic_sums_without_products():
    assert nf.matmul(A[:, :0], B[:0], "bf16+sr8", random_bits=np.zeros((2, 3, 0), int)).shape == (2, 3)


@pytest.mark.parametrize("path", ["int64", "int32", "int62+saturate"])
@pytest.mark.parametrize(("x", "y"), [(2**53 + 1, 3), (2**40 + 1, 2**21 - 1)])
def test_reports_of_integers_beyond_float64(path, x, y):
    report = nf.overflow_report(np.array([[x, x]]), np.array([[y], [y]]), path)
    assert report.exact_accumulator == f"int{(2 * x * y).bit_length() + 1}"
    assert report.largest_partial_sum == float(2 * x * y)


def test_bfloat16_arrays_of_integers_saturate():
    a, b = np.full((1, 40), 120, ml_dtypes.bfloat16), np.full((40, 1), 120, ml_dtypes.bfloat16)
    assert nf.matmul(a, b, "int16+saturate") == 32767
    assert nf.overflow_report(a, b, "int16+saturate").saturations == 38


@pytest.mark.parametrize("path", ["h100.mma_m16n8k16_f16_f16_f32", "aligned<16,25,rz>", "h100.mma_m16n8k32_e4m3_e4m3_f16"])
def test_matrix_units_without_rows_columns_or_products(path):
    for m, k, n in ((0, 4, 3), (2, 4, 0), (2, 0, 3)):
        assert nf.matmul(np.zeros((m, k)), np.zeros((k, n)), path).shape == (m, n)
        assert nf.overflow_report(np.zeros((m, k)), np.zeros((k, n)), path).elements == m * n


REFUSED = [
    (lambda: nf.explain(A, B, "ap_fixed<16,6>"), "fixed-point tensor"),
    (lambda: nf.overflow_report(A, B, "ap_fixed<16,6>"), "fixed-point tensor"),
    (lambda: nf.explain(A, B[:3], "h100.mma_m16n8k16_f16_f16_f32"), "inner dimensions"),
    (lambda: nf.matmul(A, B, "fp32", out="x"), "out is a str"),
    (lambda: nf.matmul(A, B, "fp32", out=np.broadcast_to(np.float32(0), (2, 3))), "read-only"),
    (lambda: nf.matmul(A, B, "bf16+sr8", seed="x"), "seed='x'"),
    (lambda: nf.matmul(A, B, "bf16+sr8", seed=1.5), "seed=1.5"),
    (lambda: nf.matmul(A, B, "bf16+sr8", random_bits=[[1, 2], [3]]), "random_bits is no array"),
    (lambda: nf.datapath("tflite|relu"), "tflite is a whole path"),
    (lambda: nf.layers.Linear(B, path="bf16+sr8"), "no random bits"),
    (lambda: nf.layers.Conv2d(np.ones((1, 1, 2, 2)), path="tflite"), "output stages"),
    (lambda: nf.layers.Linear(B, path="hls4ml"), "FixedDense"),
    (lambda: nf.layers.Conv2d(np.ones((0, 1, 2, 2))), "no axis may be empty"),
    (lambda: nf.layers.Attention(1, 4)(*np.ones((3, 1, 2, 4)), "x"), "cache is a str"),
    (lambda: nf.layers.Rotary(8, scaling=3), "scaling=3"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_refusals_name_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_unknown_paths_do_not_list_instructions():
    with pytest.raises(ValueError) as error:
        nf.datapath("xq")
    assert "mma" not in str(error.value)
    assert "nf.datapaths()" in str(error.value)


@pytest.mark.parametrize("text", ["lmul + splitk4", " int16 +saturate+ chunk2 > int32 ", "HLS4ML"])
def test_spaces_and_case_do_not_matter(text):
    assert nf.datapath(text) == nf.datapath(text.replace(" ", "").lower())


def test_numpy_integers_are_strides():
    assert nf.layers.Conv2d(np.ones((1, 1, 2, 2)), stride=np.int64(2))(np.ones((1, 1, 4, 4))).shape == (1, 1, 2, 2)


WIDE = [
    ("lmul<bf16>", ml_dtypes.bfloat16, np.float32),
    ("int32+table<exact8s>", np.int8, np.int64),
    ("int32+shift", np.int8, np.int64),
    ("fp32+order<1,0>", np.float32, np.float32),
    ("int64", np.int64, np.int64),
]


@pytest.mark.parametrize(("path", "dtype", "result"), WIDE)
def test_large_products_in_tiles(path, dtype, result, monkeypatch):
    from numfmt.arith import tiles

    rng = np.random.default_rng(1)
    a, b = rng.integers(-8, 8, (5, 40)).astype(dtype), (2.0 ** rng.integers(0, 3, (40, 23))).astype(dtype)
    c = rng.integers(-9, 9, 23)
    whole = nf.matmul(a, b, path, c=c)
    monkeypatch.setattr(tiles, "_ELEMENTS", 120)
    assert whole.dtype == result
    assert np.array_equal(whole, nf.matmul(a, b, path, c=c))


def test_large_scaled_products_in_tiles(monkeypatch):
    from numfmt.arith import tiles

    rng = np.random.default_rng(2)
    a = nf.quantize(rng.standard_normal((7, 64)).astype(np.float32), "mxfp8_e4m3")
    b = nf.quantize(rng.standard_normal((19, 64)).astype(np.float32), "mxfp8_e4m3").T
    path = "h100.wgmma_m64n8k32_e4m3_e4m3_f32>fp32"
    whole = nf.matmul(a, b, path)
    monkeypatch.setattr(tiles, "_UNIT_ELEMENTS", 300)
    assert np.array_equal(whole, nf.matmul(a, b, path))


@pytest.mark.parametrize("path", ["dsp48e1", "dsp48e2", "dsp58", "dsp48e2.int8x2"])
def test_sums_without_a_netlist_have_no_price(path):
    import hwmodel as hw

    with pytest.raises(ValueError, match="has no price"):
        hw.unit(path, weight="int8", activation="int8")


@pytest.mark.parametrize("path", ["bf16+kahan", "bf16+sr8", "fp16+pairwise", "fp16+product=fp32", "int32+saturate+pairwise"])
def test_sums_of_other_steps_are_not_priced_as_plain_ones(path):
    import hwmodel as hw

    plain = hw.unit(path.partition("+")[0], weight="int8", activation="int8").cost().area_um2
    assert hw.unit(path, weight="int8", activation="int8").cost().area_um2 > plain


def test_a_wrapping_sum_is_the_same_hardware_in_any_order():
    import hwmodel as hw

    costs = [hw.unit(path, weight="int8", activation="int8").cost().area_um2 for path in ("int32", "int32+pairwise")]
    assert costs[0] == costs[1]


@pytest.mark.filterwarnings("error")
def test_infinity_times_zero_warns_nobody():
    assert np.isnan(nf.matmul(np.float32([[np.inf]]), np.float32([[0]]), "bf16"))
