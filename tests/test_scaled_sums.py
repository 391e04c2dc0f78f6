"""Sums of groups in BLAS and lanes against the same sums run by run; code tables against the formats; memory of whole products."""

import importlib
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf
from numfmt.arith.code_table import code_table
from numfmt.kernels import scaled_groups

steps = importlib.import_module("numfmt.arith.matmul")

CASES = (
    ("mxfp4", "mxfp4", "exact>fp32"),
    ("mxfp4", "mxfp8_e4m3", "exact>fp32"),
    ("mxfp8_e5m2", "mxfp8_e4m3", "exact>fp32"),
    ("mxfp8_e4m3", "mxfp4", "exact:fp32>fp32"),
    ("nvfp4", "nvfp4", "exact>fp32"),
    ("int8/g32", "int4/g16", "int32>fp32"),
    ("int8/token", "int4/g128", "int32>fp32"),
    ("int8/g32", "int8/g32", "int16>fp32"),
    ("int4/g32", "int4/g32", "int32+chunk16>fp32"),
    ("int4/g32", "int8/g32", "int32+splitk2>fp32"),
)


def pair(left, right, m=67, k=768, n=150, spread=3.0, zeros=True):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s) * np.exp2(spread * rng.standard_normal(s)) for s in ((m, k), (n, k)))
    if zeros:
        x[3, 64:160] = 0
    x[5:7, 32:] *= 2.0**-20  # rows whose scales lie far apart
    return nf.quantize(x.astype(np.float32), left), nf.quantize(w.astype(np.float32), right)


def same(got, want):
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got.view(np.uint8), want.view(np.uint8))


@pytest.mark.parametrize("spread", [0.0, 0.7, 1.5, 3.0])
@pytest.mark.parametrize(("left", "right", "path"), CASES)
def test_the_same_bits_as_run_by_run(left, right, path, spread, monkeypatch):
    a, b = pair(left, right, spread=spread)
    got = nf.matmul(a, b.T, path)
    from_start = nf.matmul(a, b.T, path, np.float32(0.75))
    monkeypatch.setattr(steps, "scaled_sums", lambda *_: None)
    same(got, nf.matmul(a, b.T, path))
    same(from_start, nf.matmul(a, b.T, path, np.float32(0.75)))


def test_each_kernel_is_taken_by_operands_that_fulfil_its_proof(monkeypatch):
    taken = set()
    for name in ("add_short", "add_wide", "add_long", "scale_rows"):
        real = getattr(scaled_groups, name)
        monkeypatch.setattr(scaled_groups, name, lambda *args, real=real, name=name: (taken.add(name), real(*args))[1])
    for left, right, path, spread, want in (
        ("mxfp4", "mxfp4", "exact>fp32", 0.0, {"scale_rows", "add_short"}),  # two rows group by group
        ("mxfp4", "mxfp4", "exact>fp32", 3.0, {"add_short"}),
        ("mxfp4", "mxfp8_e4m3", "exact>fp32", 0.0, {"add_wide"}),
        ("int8/g32", "int4/g16", "int32>fp32", 0.0, {"add_long"}),
        ("int8/g32", "int8/g32", "int16>fp32", 0.0, set()),  # it might wrap
    ):
        taken.clear()
        a, b = pair(left, right, spread=spread, zeros=False)
        nf.matmul(a, b.T, path)
        assert taken == want, (left, right, taken)


@pytest.mark.parametrize(
    "name", ["e2m1", "e4m3fn", "e5m2", "e3m2", "e2m3", "e4m3fnuz", "e5m2fnuz", "int8", "int4", "uint8", "uint4"]
)
def test_code_tables(name):
    fmt = nf.parse(name)
    table = code_table(fmt)
    codes = np.arange(1 << fmt.bits, dtype=np.uint8)
    want = nf.decode(codes, fmt).astype(np.float32)
    for dtype in (np.float32, np.float64):
        made = np.empty((2, codes.size), dtype)
        table.decode(np.stack([codes, codes[::-1]]), made)
        np.testing.assert_array_equal(made[0], want)
        np.testing.assert_array_equal(made[1], want[::-1])
        number = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(made[0][number]), np.signbit(want[number]))
    rng = np.random.default_rng(1)
    for _ in range(50):
        some = rng.choice(codes, (3, 7))
        values = nf.decode(some, fmt).astype(np.float64)
        most, unit = table.bound(some)
        if np.isfinite(values).all():
            assert most >= np.abs(values).max()
            assert np.array_equal(np.rint(values / unit), values / unit)
        else:
            assert most == np.inf


@pytest.mark.parametrize("kind", ["float32 lmul", "bf16", "int8", "e4m3fn", "mxfp4", "int4/g128"])
def test_memory_beyond_operands_and_result(kind):
    """Scratch of NumPy arrays stays below 64 MB where decoded operands alone would need more."""
    m, k, n = 64, 4096, 6144
    rng = np.random.default_rng(0)
    x, w = rng.integers(-8, 9, (m, k)).astype(np.float32), rng.integers(-8, 9, (n, k), np.int8)
    path = {"float32 lmul": "lmul", "bf16": "bf16", "int8": "int32", "e4m3fn": "exact", "mxfp4": "exact>fp32"}.get(
        kind, "int32>fp32"
    )
    if kind in ("float32 lmul", "bf16", "int8"):
        dtype = {"float32 lmul": np.float32, "bf16": ml_dtypes.bfloat16, "int8": np.int8}[kind]
        a, b = x.astype(dtype), w.astype(dtype).T
    elif kind == "e4m3fn":
        a, b = nf.from_codes(nf.encode(x, kind), kind), nf.from_codes(nf.encode(w.astype(np.float32), kind), kind).T
    else:
        a, b = nf.quantize(x, kind if kind == "mxfp4" else "int8/g128"), nf.quantize(w.astype(np.float32), kind).T
    nf.matmul(a, b, path)
    tracemalloc.start()
    result = nf.matmul(a, b, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes < 64 << 20, f"{(peak - result.nbytes) / 2**20:.0f} MB"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("path", ["int32>fp32", "exact>fp32"])
def test_a_scaled_sum_just_beyond_a_midpoint_of_float32(path, sign):
    """2469020 times two scales of 24 bits: 70 bits, half a unit of float32 and a little more, which float64 loses."""
    left, right = 16531789 * 2.0**-24, 14508069 * 2.0**-24
    codes = np.array([[19441.0, 13.0], [1.0, 1.0]]), np.array([[127.0, 1.0], [1.0, 1.0]]) * sign
    a = nf.quantize((codes[0] * left).astype(np.float32), "int16/tensor", scales=np.float32([[left]]))
    b = nf.quantize((codes[1] * right).astype(np.float32), "int8/tensor", scales=np.float32([[right]]))
    np.testing.assert_array_equal(a.row_values(), codes[0])
    np.testing.assert_array_equal(b.row_values(), codes[1])
    exact = 2469020 * 16531789 * 14508069
    assert np.float32(float(exact)) * np.float32(2.0**-48) != np.nextafter(
        np.float32(float(exact)), np.float32(np.inf)
    ) * np.float32(2.0**-48)
    got = nf.matmul(a, b.T, path)[0, 0]
    low = np.float32(float(exact)) * np.float32(2.0**-48)  # rounded twice, down
    assert got == sign * np.nextafter(low, np.float32(np.inf))


@pytest.mark.parametrize("most", [8.0, 16.0])
def test_powers_of_two_beyond_24_bits_are_added_in_order(monkeypatch, most):
    """Sums of 25 to 32 bits: one product of BLAS would round elsewhere than the outer accumulator does."""
    rng = np.random.default_rng(3)
    codes = rng.integers(100, 128, (2, 9, 4096)).astype(np.float32)
    scales = rng.choice([1.0, most], (9, 128)).astype(np.float32)
    a = nf.quantize(codes[0] * np.repeat(scales, 32, axis=1), "int8/g32+floor", scales=scales)
    b = nf.quantize(codes[1], "int8/g32+floor", scales=np.ones((9, 128), np.float32))
    got = nf.matmul(a, b.T, "exact>fp32")
    monkeypatch.setattr(steps, "scaled_sums", lambda *arguments: None)
    np.testing.assert_array_equal(got, nf.matmul(a, b.T, "exact>fp32"))
