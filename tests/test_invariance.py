"""The same bits for any number of threads, any tiling, batch split and memory order, at sizes that fill the kernels' tiles."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

M, K, N = 37, 301, 69  # no multiples of the kernels' steps
SMALL = ("fp16", "fp16+fma", "bf16+rz", "float<6,9>", "fp32", "fp32+rd", "exact", "exact:fp32", "fp32+lmul", "bf16+lmul")
ORDERS = ("fp16+chunk64", "fp16+chunk50>fp32", "fp32+splitk3", "fp16+order<3,1,2,0>", "exact+chunk7>bf16+rz")
UNITS = ("h100.wgmma_m64n8k16_f16_f16_f32", "h100.mma_m16n8k16_f16_f16_f16", "aligned<8,20,rz>", "v100.mma_m8n8k4_f16_f16_f32")
INTEGERS = ("int32", "int16", "int8", "int16+saturate", "int24+saturate", "int16+saturate+chunk4>int32", "int40+table<drum4_8s>")
INTEGERS += ("int17+saturate+table<mitchell8s>", "int20+shift", "dsp48e2.int8x2+chunk7>int32", "x86.vpmaddubsw", "fp16")


def operands(path):
    rng = np.random.default_rng(0)
    if path in INTEGERS and path != "fp16":
        return rng.integers(-127, 128, (M, K)).astype(np.float32), rng.choice([-64, -2, 1, 4, 8, 32], (K, N)).astype(np.float32)
    a, b = rng.standard_normal((M, K)), rng.standard_normal((K, N))
    a[3, 5:9] = 0
    a, b = a.astype(np.float16), b.astype(np.float16)
    if "bf16" in path.split(">")[0]:
        a, b = (nf.cast(x.astype(np.float32), "bfloat16").astype(np.float32) for x in (a, b))
    return a, b


def same(got, want):
    np.testing.assert_array_equal(np.asarray(got).view(np.uint8), np.asarray(want).view(np.uint8))


@pytest.mark.parametrize("path", [*SMALL, *ORDERS, *UNITS, *INTEGERS])
def test_tiles_threads_and_orders(path):
    a, b = operands(path)
    want = nf.matmul(a, b, path)
    assert want.shape == (M, N)
    same(nf.matmul(np.asfortranarray(a), np.asfortranarray(b), path), want)
    wide = np.zeros((2 * M, 2 * K), a.dtype), np.zeros((3 * K, N), b.dtype)
    wide[0][::2, ::2], wide[1][::3] = a, b
    same(nf.matmul(wide[0][::2, ::2], wide[1][::3], path), want)
    if "int8x2" not in path:  # pairs of rows share a slice
        same(np.vstack([nf.matmul(a[:11], b, path), nf.matmul(a[11:], b, path)]), want)
    else:
        same(np.vstack([nf.matmul(a[:12], b, path), nf.matmul(a[12:], b, path)]), want)
    same(np.hstack([nf.matmul(a, b[:, :50], path), nf.matmul(a, b[:, 50:], path)]), want)
    same(nf.matmul(np.stack([a, a]), b, path)[1], want)
    held = numba.get_num_threads()
    try:
        for threads in range(1, min(numba.config.NUMBA_NUM_THREADS, 4) + 1):
            numba.set_num_threads(threads)
            same(nf.matmul(a, b, path), want)
    finally:
        numba.set_num_threads(held)


@pytest.mark.parametrize(
    "path",
    ["int32>fp32", "fp16>bf16", "exact>fp32", "int16+saturate>fp32", "fp16+chunk8>fp32", "h100.wgmma_m64n8k16_f16_f16_f32>fp32"],
)
def test_scaled_operands(path):
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((M, 256)).astype(np.float32), rng.standard_normal((N, 256)).astype(np.float32)
    scheme = "int8/g32" if path.startswith("int") else "e4m3fn/g32"
    a, b = nf.quantize(x, scheme), nf.quantize(w, "int4/g64" if path.startswith("int") else "e2m1/g64")
    want = nf.matmul(a, b.T, path)
    same(np.vstack([nf.matmul(a.take_rows(0, 9), b.T, path), nf.matmul(a.take_rows(9, M), b.T, path)]), want)
    same(np.hstack([nf.matmul(a, b.take_rows(0, 33).T, path), nf.matmul(a, b.take_rows(33, N).T, path)]), want)
    same(nf.matmul(nf.quantize(np.asfortranarray(x), scheme), b.T, path), want)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["exact", "exact:fp32", "exact:fp16", "int16", "int32", "int20+table<mitchell8s>", "int9+shift"]),
    st.integers(0, 2**32 - 1),
)
def test_any_order_of_k_where_the_sum_is_order_free(path, seed):
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 40))
    places = rng.permutation(depth)
    if path.startswith("int"):
        a, b = rng.integers(-128, 128, (3, depth)), 2.0 ** rng.integers(-4, 6, (depth, 2)).astype(np.float32)
        b = b if "shift" in path else rng.integers(-128, 128, (depth, 2))
    else:
        a, b = (rng.standard_normal(s) * 2.0 ** rng.integers(-12, 12, s) for s in ((3, depth), (depth, 2)))
        a, b = a.astype(np.float16), b.astype(np.float16)
    want = nf.matmul(a, b, path)
    same(nf.matmul(a[:, places], b[places], path), want)
    block = f"+order<{','.join(map(str, places))}>"
    if path.startswith("int"):
        same(nf.matmul(a, b, path + block), want)


@pytest.mark.parametrize(
    "path",
    [
        "fp32",
        "fp16+fma",
        "fp16+kahan",
        "int12+saturate",
        "fp16+pairwise",
        "fp32+lmul",
        "h100.mma_m16n8k8_f16_f16_f32",
        "aligned<4,12,rz>",
    ],
)
def test_an_order_of_k_that_matters(path):
    """A counterexample for each sum that is not order-free."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.standard_normal((4, 33)) * 2.0 ** rng.integers(-9, 9, (4, 33)), rng.standard_normal((33, 4))
        a, b = (np.rint(x * 20).clip(-128, 127) if path.startswith("int") else x.astype(np.float16) for x in (a, b))
        places = rng.permutation(33)
        if (nf.matmul(a, b, path) != nf.matmul(a[:, places], b[places], path)).any():
            return
    raise AssertionError(f"{path}: no order of k changed any sum")
