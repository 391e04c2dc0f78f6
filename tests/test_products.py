"""Products in place of the multiplier: L-Mul, tables, shifts, against fractions, element by element."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

from .reference import datapaths as ref
from .reference import products as plain

FORMATS = {
    "fp32": ref.FP32,
    "fp16": ref.FP16,
    "bf16": ref.BF16,
    "e4m3fn": ref.E4M3FN,
    "e5m2": ref.E5M2,
    "float<3,1>": ref.ieee(3, 1),
    "float<4,4>": ref.ieee(4, 4),
}


def same(got, want):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    np.testing.assert_array_equal(got, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(want)[number])


def operand(rng, shape, fmt, wide, specials):
    """Values of a format: ordinary, over its whole range, zeros of both signs, subnormals, NaN and infinities."""
    spread = 40 if wide and fmt in ("fp32", "bf16") else 8 if wide else 2
    x = rng.standard_normal(shape) * 2.0 ** rng.integers(-spread, spread + 1, shape)
    if wide:
        x = np.where(rng.random(shape) < 0.15, rng.choice([0.0, -0.0, 1e-6, -2e-40, 65504.0, 240.0], shape), x)
    if specials:
        x = np.where(rng.random(shape) < 0.05, rng.choice([np.inf, -np.inf, np.nan], shape), x)
    with np.errstate(invalid="ignore", over="ignore"):
        x = x.astype(np.float32)
    if nf.parse(FORMAT_NAMES.get(fmt, fmt)).has_inf or not specials:
        return nf.cast(x, FORMAT_NAMES.get(fmt, fmt))
    return nf.cast(np.where(np.isfinite(x), x, np.float32(1)), FORMAT_NAMES.get(fmt, fmt))


FORMAT_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(["fp32", "fp16", "bf16+rz", "fp32+rd", "e4m3fn"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 6),
    st.integers(0, 2**32 - 1),
)
def test_lmul_chains(fmt, total, formula, wide, specials, depth, seed):
    rng = np.random.default_rng(seed)
    a, b = operand(rng, (3, depth), fmt, wide, specials), operand(rng, (depth, 4), fmt, wide, specials)
    name, _, mode = total.partition("+")
    held = FORMATS[name]
    path = f"{total}+lmul<{fmt}>" + ("=formula" if formula else "")
    assert nf.datapath(str(nf.datapath(path))) == nf.datapath(path)
    got = nf.matmul(a, b, path)
    want = np.zeros((3, 4))
    for i in range(3):
        for j in range(4):
            acc = 0.0
            for k in range(depth):
                product = plain.lmul(float(a[i, k]), float(b[k, j]), FORMATS[fmt], formula)
                acc = ref.add(acc, product, held, mode or "rne")
            want[i, j] = acc
    same(got, want)


@pytest.mark.parametrize("method", ["adder", "formula"])
def test_every_pair_of_fp8(method):
    for fmt in ("e4m3fn", "e5m2"):
        values = nf.parse(fmt).values()
        finite = values[np.isfinite(values)].astype(np.float32)
        path = f"fp32+lmul<{fmt}>" + ("=formula" if method == "formula" else "")
        got = nf.matmul(finite[:, None], finite[None, :], path)
        want = nf.lmul(finite[:, None], finite[None, :], fmt, method)
        np.testing.assert_array_equal(got, want)


def test_lmul_is_one_name_of_three():
    assert nf.datapath("lmul") == nf.datapath("fp32+lmul") == nf.datapath("fp32+lmul<float32>")
    assert str(nf.datapath("lmul")) == "fp32+lmul"


CONSTANT = {
    "exact8u": lambda x, y: x * y,
    "mitchell8u": plain.mitchell,
    "drum6_8u": lambda x, y: plain.drum(x, y, 6),
    "drum3_8u": lambda x, y: plain.drum(x, y, 3),
    "kulkarni8u": plain.kulkarni,
    "trunc4_8u": lambda x, y: sum(((x >> i) & 1) * ((y >> j) & 1) << (i + j) for i in range(8) for j in range(8) if i + j >= 4),
}


@pytest.mark.parametrize("name", sorted(CONSTANT))
def test_every_entry_of_the_built_in_tables(name):
    entries = nf.product_table(name).entries
    want = [[CONSTANT[name](x, y) for y in range(256)] for x in range(256)]
    np.testing.assert_array_equal(entries, want)
    signed = nf.product_table(name.replace("8u", "8s")).entries
    for x, y in np.random.default_rng(0).integers(-128, 128, (500, 2)).tolist():
        size = CONSTANT[name](abs(x), abs(y))
        assert signed[x & 255, y & 255] == (size if (x < 0) == (y < 0) else -size)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 9), st.integers(0, 40), st.integers(0, 2**32 - 1), st.sampled_from([None, 12, 20]), st.booleans())
def test_table_chains(rows, depth, seed, width, saturate):
    rng = np.random.default_rng(seed)
    bits = rng.integers(2, 9, 2)
    most = int(rng.choice([10, 300, 2**20, 2**31 - 1]))
    entries = rng.integers(-most, most, (1 << bits[0], 1 << bits[1]))
    table = nf.ProductTable(entries, f"int{bits[0]}", f"uint{bits[1]}", name=f"t{seed}.{rows}.{depth}.{width}.{saturate}")
    a = rng.integers(-(1 << (bits[0] - 1)), 1 << (bits[0] - 1), (rows, depth))
    b = rng.integers(0, 1 << bits[1], (depth, 3))
    width = width or 48
    path = f"int{width}{'+saturate' if saturate else ''}+table<{table.name}>"
    got = nf.matmul(a, b, path)
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    for i in range(rows):
        for j in range(3):
            total = 0
            for k in range(depth):
                total += int(entries[int(a[i, k]) % (1 << bits[0]), b[k, j]])
                if saturate:
                    total = min(max(total, low), high)
            assert got[i, j] == (total if saturate else ref.wrap(total, width))


@pytest.mark.parametrize("most", [2**27, 2**29 - 1, 2**29])
def test_sums_of_a_table_beyond_31_bits(most):
    """Pairs of 32-bit sums in one word must be taken out before one of them leaves its half."""
    rng = np.random.default_rng(7)
    entries = rng.choice([most, most - 1, -most], (256, 256))
    table = nf.ProductTable(entries, name=f"large{most}")
    a, b = rng.integers(0, 256, (9, 70)), rng.integers(0, 256, (70, 5))
    a[4:8], entries_of_ones = 3, np.flatnonzero(entries[3] > 0)
    b[:, 0] = entries_of_ones[0]
    want = entries[a[:, :, None], b[None]].sum(1)
    assert np.abs(want).max() > 2**32
    np.testing.assert_array_equal(nf.matmul(a, b, f"int64+table<{table.name}>"), want)


def test_a_table_of_floats_rounds_only_the_sum():
    values = nf.parse("e2m1").values()
    rng = np.random.default_rng(0)
    entries = (values[:, None] * values[None, :] * 1.25).astype(np.float32)
    nf.ProductTable(entries, "e2m1", "e2m1", name="quarter_more")
    a, b = rng.integers(0, 16, (5, 23)), rng.integers(0, 16, (23, 6))
    left, right = nf.from_codes(a, "e2m1"), nf.from_codes(b, "e2m1", axis=0)
    for path, fmt in (("fp32+table<quarter_more>", ref.FP32), ("float<4,2>+rz+table<quarter_more>", ref.ieee(4, 2))):
        got = nf.matmul(left, right, path)
        for i in range(5):
            for j in range(6):
                total = 0.0
                for k in range(23):
                    total = ref.add(total, float(entries[a[i, k], b[k, j]]), fmt, "rz" if "rz" in path else "rne")
                assert got[i, j] == total


def test_scaled_codes_go_through_a_table():
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((4, 64)).astype(np.float32), rng.standard_normal((3, 64)).astype(np.float32)
    a, b = nf.quantize(x, "int8/token"), nf.quantize(w, "int8/g16")
    np.testing.assert_array_equal(nf.matmul(a, b.T, "table<exact8s>>fp32"), nf.matmul(a, b.T, "int32>fp32"))
    assert (nf.matmul(a, b.T, "table<mitchell8s>>fp32") != nf.matmul(a, b.T, "int32>fp32")).any()


def test_tables_in_files(tmp_path):
    rng = np.random.default_rng(2)
    entries = rng.integers(-50, 50, (16, 4))
    table = nf.ProductTable(entries, "uint4", "uint2", name="small")
    path = tmp_path / "small.npz"
    table.save(path)
    a, b = rng.integers(0, 16, (3, 5)), rng.integers(0, 4, (5, 2))
    got = nf.matmul(a, b, f"int20+table<{path}>")
    np.testing.assert_array_equal(got, nf.matmul(a, b, "int20+table<small>"))
    assert nf.datapath(str(nf.datapath(f"int20+table<{path}>"))) == nf.datapath(f"int20+table<{path}>")
    assert table.error()["max_abs"] > 0
    assert nf.product_table("exact8s").error() == {"mean": 0, "mean_abs": 0, "max_abs": 0, "mean_relative": 0}


@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from(["floor", "rz", "rne", "half_up", "rna"]),
    st.sampled_from([8, 16, 64]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_shift_chains(how, width, saturate, fractions, seed):
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(0, 12))
    a = rng.integers(-300, 300, (3, depth))
    low = -70 if rng.random() < 0.1 else -6
    weights = rng.choice([-1.0, 1.0], (depth, 4)) * 2.0 ** rng.integers(low if fractions else 0, 4, (depth, 4))
    weights = np.where(rng.random((depth, 4)) < 0.1, 0.0, weights).astype(np.float32)
    saturate = saturate and width < 64
    path = f"int{width}{'+saturate' if saturate else ''}+shift" + ("" if how == "floor" else f"={how}")
    assert str(nf.datapath(path)) == path
    got = nf.matmul(a, weights, path)
    bottom, top = -(1 << (width - 1)), (1 << (width - 1)) - 1
    for i in range(3):
        for j in range(4):
            total = 0
            for k in range(depth):
                total += plain.shift(int(a[i, k]), float(weights[k, j]), how)
                if saturate:
                    total = min(max(total, bottom), top)
            assert got[i, j] == (total if saturate else ref.wrap(total, width))


def test_denseshift_loses_nothing():
    rng = np.random.default_rng(3)
    a = rng.integers(-128, 128, (4, 32))
    w = nf.quantize(rng.standard_normal((5, 32)).astype(np.float32) * 40, "denseshift4")
    np.testing.assert_array_equal(nf.matmul(a, w.T, "int32+shift"), a @ w.row_values().astype(np.int64).T)
    assert "no bit is shifted out" in nf.explain(a, w.T, "int32+shift")[0].reason


ONE = np.ones((2, 2), np.float32)


@pytest.mark.parametrize(
    ("a", "b", "path", "words"),
    [
        (ONE * 1.1, ONE, "fp16+lmul", "does not hold"),
        (ONE, ONE, "exact+lmul", "float format"),
        (ONE, ONE, "fp32+fma+lmul", "not allowed behind lmul"),
        (ONE, ONE, "fp32+lmul=other", "method"),
        (ONE, ONE, "fp32+lmul<int8>", "float format"),
        (ONE * 300, ONE, "table<exact8u>", "does not hold"),
        (ONE * 0.5, ONE, "table<exact8u>", "does not hold"),
        (ONE, ONE, "table<mitchel8u>", "mitchell8u"),
        (ONE, ONE, "table<none.npz>", "cannot be read"),
        (ONE * 3, ONE * 3, "int32+shift", "no powers of two"),
        (ONE * 0.5, ONE, "int32+shift", "not integers"),
        (ONE, ONE, "int32+shift=ceil", "shift rounding"),
        (ONE * 2.0**40, ONE * 2.0**40, "int64+shift", "beyond"),
    ],
)
def test_refusals(a, b, path, words):
    with pytest.raises(ValueError, match=words):
        nf.matmul(a, b, path)


def test_table_refusals():
    with pytest.raises(ValueError, match="shape"):
        nf.ProductTable(np.zeros((3, 3), int), name="wrong_shape")
    with pytest.raises(ValueError, match="at most 8 bits"):
        nf.ProductTable(np.zeros((512, 256), int), "uint9", name="wide")
    with pytest.raises(ValueError, match="32 bits"):
        nf.ProductTable(np.full((256, 256), 1 << 40), name="large")
    with pytest.raises(ValueError, match="finite float32"):
        nf.ProductTable(np.full((256, 256), 1e-300), name="tiny")
    nf.ProductTable(np.zeros((4, 4), int), "uint2", "uint2", name="twice")
    with pytest.raises(ValueError, match="another product table"):
        nf.ProductTable(np.ones((4, 4), int), "uint2", "uint2", name="twice")
    nf.ProductTable(np.full((4, 4), 0.5), "uint2", "uint2", name="halves")
    with pytest.raises(ValueError, match="float accumulator"):
        nf.datapath("int32+table<halves>")
    q = nf.quantize(np.arange(8.0, dtype=np.float32).reshape(2, 4), "int8/tensor+asym")
    with pytest.raises(ValueError, match="zero points"):
        nf.matmul(q, q.T, "table<exact8s>>fp32")
