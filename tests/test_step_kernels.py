"""Kernels that round, saturate or compensate at each step, against scalar models, careful kernels, NumPy, ml_dtypes, peers."""

from fractions import Fraction
from functools import partial

import ml_dtypes
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.arith import chains
from numfmt.kernels import float_chain, float_wide, half_chain, philox, steps

from .reference import chains as model
from .reference import datapaths as ref
from .test_matmul import FLOATS, KINDS, MODES, operands, same_bits
from .test_matmul import model as every

fast = settings(max_examples=25, deadline=None)
WIDE = {"fp16": ref.FP16, "bf16": ref.BF16, "e5m2": ref.E5M2, "float<5,7>": ref.ieee(5, 7), "tf32": ref.TF32}


def values(rng, fmt, kind, shape):
    """Words of a format that reach its every class: subnormals, largest values, infinities, NaN, zeros, ties."""
    x = rng.standard_normal(shape)
    top, low = float(fmt.max) ** 0.5, 2.0 ** (fmt.emin / 2)
    if kind == "tiny":
        x *= low * 2.0 ** rng.integers(-8, 4, shape)
    elif kind == "large":
        x *= top * 2.0 ** rng.integers(-4, 2, shape)
    elif kind == "edge":
        x = np.where(rng.random(shape) < 0.5, top * rng.choice([-1, 1], shape), x)
    elif kind == "ties":
        x = rng.integers(-9, 10, shape) * 2.0 ** rng.integers(-fmt.man // 2, 2, shape)
    elif kind == "special":
        x = rng.choice(
            [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, top, -top, low, -low],
            shape,
            p=[0.2] * 2 + [0.1] * 2 + [0.02] * 3 + [0.085] * 4,
        )
    elif kind == "sparse":
        x = np.where(rng.random(shape) < 0.7, rng.choice([0.0, -0.0], shape), x)
    return x


CLASSES = ["normal", "tiny", "large", "edge", "ties", "special", "sparse"]


def loop(x, y, dtype):
    """The chain in NumPy's own arithmetic of a type."""
    with np.errstate(all="ignore"):
        total = np.zeros((x.shape[0], y.shape[1]), dtype)
        for k in range(x.shape[1]):
            total = (total + (x[:, k, None] * y[None, k]).astype(dtype)).astype(dtype)
    return total


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("seed", range(3))
def test_numpy_float16_witnesses_every_class(kind, seed, monkeypatch):
    """130 k cross tiles of 64, 200 columns cross vectors; on the machine's float16 and on float32 lanes."""
    rng = np.random.default_rng(seed)
    x, y = (values(rng, ref.FP16, kind, s).astype(np.float16) for s in ((9, 130), (130, 200)))
    want = loop(x, y, np.float16)
    same_bits(nf.matmul(x, y, "fp16"), want, kind)
    same_bits(nf.matmul(x.astype(np.float32), y.astype(np.float32), "fp16"), want, kind)
    monkeypatch.setattr(half_chain, "available", lambda: False)
    same_bits(nf.matmul(x, y, "fp16"), want, kind)


@pytest.mark.parametrize("kind", [k for k in CLASSES if k != "tiny"])
def test_ml_dtypes_witnesses_bfloat16_and_other_formats(kind):
    rng = np.random.default_rng(1)
    for name, dtype, fmt in (("bf16", ml_dtypes.bfloat16, ref.BF16), ("e5m2", ml_dtypes.float8_e5m2, ref.E5M2)):
        x, y = (values(rng, fmt, kind, s).astype(dtype) for s in ((5, 70), (70, 40)))
        same_bits(nf.matmul(x, y, name), loop(x, y, dtype).astype(np.float64), (kind, name))


@pytest.mark.parametrize("name", sorted(WIDE))
@pytest.mark.parametrize("fused", [False, True])
def test_fast_and_careful_kernels_agree(name, fused, monkeypatch):
    """Every class and mode on more outputs than scalar models reach; the kernels that existed before are the witness."""
    fmt, dtype = WIDE[name], np.float32
    monkeypatch.setattr(half_chain, "available", lambda: False)
    rng = np.random.default_rng(len(name))
    made = nf.datapath(name + ("+fma" if fused else "")).inner
    for kind in CLASSES:
        for width in (fmt.man + 1, 24):
            x, y = (values(rng, fmt, kind, s).astype(dtype) for s in ((7, 75), (75, 90)))
            if width < 24:
                x, y = (nf.cast(v, made.format) for v in (x, y))
            for mode in MODES if kind in ("normal", "special") else ["rne"]:
                path = str(made) + ("" if mode == "rne" else f"+{mode}")
                want = np.zeros((7, 90))
                inner = nf.datapath(path).inner
                steps.float_matmul(x.astype(float), y.astype(float), want, fused, inner.mode, *inner.facts)
                same_bits(nf.matmul(x, y, path), want, (path, kind, width))


@fast
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(WIDE)), st.sampled_from(CLASSES), st.sampled_from(MODES), st.booleans())
def test_start_values_of_every_class(seed, name, kind, mode, fused):
    rng, fmt = np.random.default_rng(seed), WIDE[name]
    path = name + ("+fma" if fused else "") + ("" if mode == "rne" else f"+{mode}")
    held = nf.datapath(path).inner.format
    x, y, c = (nf.cast(values(rng, fmt, kind, s), held) for s in ((2, 9), (9, 3), (2, 3)))
    same_bits(nf.matmul(x, y, path, c=c), every(x, y, partial(ref.float_dot, fmt=fmt, fused=fused, mode=mode), c), path)


def test_overflow_that_would_come_back_stays():
    """Sums or products beyond the largest value and back, at every place within a group of four steps."""
    for name, big in (("fp16", 60000.0), ("bf16", 3e38), ("e5m2", 50000.0), ("float<4,3,bias=7,fn>", 400.0), ("e2m1", 6.0)):
        fmt = FLOATS.get(name, ref.E2M1)
        held = nf.datapath(name).inner.format
        for place in range(9):
            x = np.zeros((1, 12), np.float32)
            x[0, place : place + 3] = nf.cast(np.array([big, big, -big], np.float32), held)
            y = np.ones((12, 40), np.float32)
            for path in (name, name + "+fma"):
                same_bits(nf.matmul(x, y, path), every(x, y, partial(ref.float_dot, fmt=fmt, fused="fma" in path)), (path, place))


def test_a_term_that_vanishes_beside_a_tie_decides_it():
    """s tiny, then a product exactly half way between two values: only the exact sum rounds right."""
    for name, man in (("fp16", 10), ("bf16", 7), ("float<5,7>", 7)):
        for tiny in (2.0**-14, -(2.0**-14), 2.0**-24, -(2.0**-24)):
            if name == "bf16":
                tiny *= 2.0**-30
            half = 1 + 2.0**-4 + 2.0 ** -(man + 1)  # a tie as a product of two short factors: (1 + 2**-4) + half a unit
            pairs = [(1 + 2.0 ** -(man // 2), 1.0), (half, 1.0), (2.0**5, half * 2.0**-5)]
            for u, v in pairs:
                for gap in range(4):  # at every place of a group of steps
                    x = np.array([[tiny] + [0.0] * gap + [u]], np.float32)
                    y = np.array([[1.0] * 33] * (gap + 1) + [[v] * 33], np.float32)
                    want = every(x, y, partial(ref.float_dot, fmt=WIDE[name], fused=True))
                    same_bits(nf.matmul(x, y, name + "+fma"), want, (name, u, gap))


@fast
@given(st.integers(0, 2**32 - 1))
def test_fused_sums_in_float32_near_ties(seed):
    """bfloat16 operands: sums of 24 bits that stand next to ties, with terms of far apart exponents."""
    rng = np.random.default_rng(seed)
    shape = (3, 24), (24, 34)
    x, y = (rng.integers(128, 256, s) * rng.choice([-1, 1], s) * 2.0 ** rng.integers(-14, 3, s) for s in shape)
    x, y = x.astype(np.float32), y.astype(np.float32)
    want = np.zeros((3, 34))
    inner = nf.datapath("bf16+fma").inner
    steps.float_matmul(x.astype(float), y.astype(float), want, True, 0, *inner.facts)
    same_bits(nf.matmul(x, y, "bf16+fma"), want)


def test_veltkamp_rounds_ties_to_even():
    """Every float32 between 1 and 2, every width: the splitting is exactly rint."""
    x = (np.arange(0, 2**23, 7, dtype=np.int64) + (127 << 23)).astype(np.int32)
    for m in range(1, 12):
        ties = ((np.arange(2**m, dtype=np.int64) << (23 - m)) + (1 << (22 - m)) + (127 << 23)).astype(np.int32)
        for words in (x, ties, ties + np.int32(1), ties - np.int32(1)):
            v = words.view(np.float32)
            c = v * np.float32(2.0 ** (23 - m) + 1)
            np.testing.assert_array_equal(c - (c - v), np.rint(v.astype(np.float64) * 2.0**m) * 2.0**-m)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["fp16", "bf16", "fp32", "e2m1", "float<4,3,bias=7,fn>"])
def test_kahan_and_trees(name, mode):
    rng, fmt = np.random.default_rng(2), FLOATS[name]
    suffix = "" if mode == "rne" else f"+{mode}"
    for kind in KINDS:
        a, b = operands(rng, kind, 2, 13, 3)
        same_bits(nf.matmul(a, b, f"{name}{suffix}+kahan"), every(a, b, partial(model.kahan_dot, fmt=fmt, mode=mode)), kind)
        fused = f"{name}+fma{suffix}+kahan"
        same_bits(nf.matmul(a, b, fused), every(a, b, partial(model.kahan_dot, fmt=fmt, mode=mode, fused=True)), kind)
        tree = f"{name}{suffix}+pairwise"
        c = nf.cast(rng.standard_normal((2, 3)), nf.datapath(name).inner.format)
        same_bits(nf.matmul(a, b, tree, c=c), every(a, b, partial(model.pairwise_dot, fmt=fmt, mode=mode), c), (tree, kind))
        if kind not in ("special", "large", "wide"):
            fused = f"{name}+fma{suffix}+pairwise"
            same_bits(nf.matmul(a, b, fused), every(a, b, partial(model.pairwise_fused, fmt=fmt, mode=mode)), (fused, kind))


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 7, 8, 9, 16, 21, 40, 63, 519, 1033])
def test_trees_of_every_depth(depth):
    """NumPy's float16, level by level; depths cross the eights and the tiles."""
    rng = np.random.default_rng(depth)
    a, b = rng.standard_normal((2, depth)).astype(np.float16), rng.standard_normal((depth, 34)).astype(np.float16)
    level = (a[:, :, None] * b[None]).transpose(1, 0, 2)
    while len(level) > 1:
        pairs = level[: len(level) // 2 * 2 : 2] + level[1::2]
        level = np.concatenate([pairs, level[len(level) // 2 * 2 :]])
    same_bits(nf.matmul(a, b, "fp16+pairwise"), level[0] + np.float16(0))
    ints = rng.integers(-9, 10, (2, depth)).astype(np.int8), rng.integers(-9, 10, (depth, 3)).astype(np.int8)
    want = [[model.pairwise_integers(r, q, 8) for q in ints[1].T] for r in ints[0]]
    np.testing.assert_array_equal(nf.matmul(*ints, "int8+saturate+pairwise"), want)
    np.testing.assert_array_equal(nf.matmul(*ints, "int8+pairwise"), nf.matmul(*ints, "int8"))


@pytest.mark.parametrize(
    "path", ["fp16+product=fp32", "fp32+product=bf16", "bf16+product=fp16", "e5m2+product=e2m1", "fp16+product=bf16+rz"]
)
def test_products_of_another_format(path):
    rng = np.random.default_rng(4)
    made = nf.datapath(path).inner
    numbers = {"float16": ref.FP16, "float32": ref.FP32, "bfloat16": ref.BF16, "e5m2": ref.E5M2, "e2m1": ref.E2M1}
    fmt, product = numbers[str(made.format)], numbers[str(made.product_format)]
    mode = "rz" if "rz" in path else "rne"
    for kind in KINDS:
        a, b = operands(rng, kind)
        same_bits(nf.matmul(a, b, path), every(a, b, partial(model.mixed_dot, fmt=fmt, product=product, mode=mode)), (path, kind))


@pytest.mark.parametrize("path", ["fp16+sr4", "bf16+sr8", "fp16+fma+sr11", "e2m1+sr3", "fp32+sr28", "bf16+rz+sr1"])
def test_stochastic_sums(path):
    rng = np.random.default_rng(5)
    name, width, fused = path.split("+")[0], int(path.split("sr")[1]), "fma" in path
    mode = "rz" if "rz" in path else "rne"
    for kind in KINDS:
        a, b = operands(rng, kind)
        bits = rng.integers(0, 2**width, (3, 3, 11))
        got = nf.matmul(a, b, path, random_bits=bits)
        for i, j in np.ndindex(3, 3):
            x, y = a[i].astype(float).tolist(), b[:, j].astype(float).tolist()
            want = model.stochastic_dot(x, y, bits[i, j].tolist(), width, FLOATS[name], fused, mode)
            same_bits(got[i, j], want, (path, kind))


def test_stochastic_sums_round_as_encode_does():
    """One step from a start: nf.encode's own stochastic rounding of the exact sum."""
    rng = np.random.default_rng(6)
    x = nf.cast(rng.standard_normal((400, 1)), "float16")
    c = nf.cast(rng.standard_normal((400, 1)) * 2.0 ** rng.integers(-20, 9, (400, 1)), "float16")
    bits = rng.integers(0, 2**9, (400, 1, 1))
    got = nf.matmul(x, np.ones((1, 1), np.float32), "fp16+sr9", c=c, random_bits=bits)
    exact = x.astype(np.float64) + c
    want = nf.cast(exact, "float16", rounding="stochastic_a", random_bits=bits[:, 0], random_width=9)
    np.testing.assert_array_equal(got, want)


def test_bits_of_a_seed_are_those_of_each_place():
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((2, 40, 70)).astype(np.float16), rng.standard_normal((2, 70, 600)).astype(np.float16)
    bits = np.empty((2, 40, 600, 70), np.uint32)
    for n, i, j, k in [(0, 0, 0, 0), (1, 39, 599, 69), (1, 33, 513, 66), (0, 31, 512, 65)]:
        word = philox.philox_rounds(*(np.uint32(v) for v in (j, i, k // 4, n)), np.uint32(77), np.uint32(5))[k % 4]
        bits[n, i, j, k] = word >> np.uint32(24)
        got = nf.matmul(a[n, i : i + 1], b[n, :, j : j + 1], "fp16+sr8", random_bits=np.full((1, 1, 70), 3))
        assert got.shape == (1, 1)
    seed = 77 + (5 << 32)
    whole = nf.matmul(a, b, "fp16+sr8", seed=seed)
    assert (whole != nf.matmul(a, b, "fp16+sr8", seed=seed + 1)).any()
    from numfmt.kernels.stochastic_chain import draw

    drawn = np.empty((40, 70, 600), np.uint32)
    draw(drawn, 8, np.uint64(seed), 0, 0, 0, 1)
    for n, i, j, k in [(1, 39, 599, 69), (1, 33, 513, 66)]:
        assert drawn[i, k, j] == bits[n, i, j, k]
    same_bits(whole[1], nf.matmul(a[1], b[1], "fp16+sr8", random_bits=drawn.transpose(0, 2, 1)))
    mean = np.mean([nf.matmul(a[0], b[0, :, :4], "fp16+sr8", seed=s) for s in range(40)], axis=0)
    assert np.abs(mean - a[0].astype(float) @ b[0, :, :4]).max() < 0.05


@pytest.mark.parametrize(
    "path", ["int8+saturate", "int12+saturate", "int16+saturate", "int20+saturate", "int32+saturate", "int40+saturate"]
)
def test_saturate_and_come_back(path):
    rng = np.random.default_rng(8)
    width = nf.datapath(path).inner.width
    for dtype in (np.int8, np.int16):
        info = np.iinfo(dtype)
        for size in (4, info.max):
            a, b = (rng.integers(-size, size + 1, s).astype(dtype) for s in ((3, 70), (70, 37)))
            a[0, 0], b[0, 0] = info.min, info.min
            c = rng.integers(-(2 ** (width - 1)), 2 ** (width - 1), (3, 37))
            dot = partial(ref.integer_dot, width=width, saturate=True)
            want = [[dot(x, y, start=int(c[i, j])) for j, y in enumerate(b.T.tolist())] for i, x in enumerate(a.tolist())]
            np.testing.assert_array_equal(nf.matmul(a, b, path, c=c), want, err_msg=f"{path} {dtype} {size}")


@pytest.mark.parametrize("width", [8, 16, 20, 32, 64])
def test_integer_sums_in_chunks_of_blas(width):
    """K of 1024 and more with the whole range, -128 included: float32 chunks are added exactly."""
    for k in (1, 1023, 1024, 1025, 2501):
        a, b = np.full((2, k), -128, np.int8), np.full((k, 3), -128, np.int8)
        a[1], b[:, 1], b[::2, 2] = 127, 127, 1  # 127 * 127 is odd: its sums need every bit
        want = np.array([[ref.wrap(int(x.astype(object) @ y.astype(object)), width) for y in b.T] for x in a])
        np.testing.assert_array_equal(nf.matmul(a, b, f"int{width}"), want)
        np.testing.assert_array_equal(nf.matmul(a, np.asfortranarray(b), f"int{width}"), want)
    assert nf.explain(a, b, f"int{width}")[0].kernel == "sgemm"


@fast
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.sampled_from(["exact", "exact:fp32", "exact:fp16", "exact:bf16", "exact:e2m1"]),
)
def test_exact_sums_from_slices(seed, spread, path):
    """Operands that span up to 80 binades, with cancellation, zeros and specials."""
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(s) * 2.0 ** rng.integers(-spread, spread + 1, s) for s in ((3, 30), (30, 3)))
    a[:, 15:], b[15:] = a[:, :15], -b[:15]
    a[:, 15:] += np.where(rng.random((3, 15)) < 0.1, rng.standard_normal((3, 15)), 0)
    a[0, 0] = rng.choice([0.0, np.inf, np.nan, 1e-44, 1.0])
    b[1, 1] = rng.choice([0.0, -np.inf, 3e38, 1.0])
    b[:, 2] = np.rint(b[:, 2])
    a, b = a.astype(np.float32), b.astype(np.float32)
    fmt = {"exact": ref.FP64, "exact:fp32": ref.FP32, "exact:fp16": ref.FP16, "exact:bf16": ref.BF16, "exact:e2m1": ref.E2M1}[path]
    same_bits(nf.matmul(a, b, path), every(a, b, partial(ref.exact_dot, fmt=fmt)), path)


def test_exact_sums_on_ties_of_every_place():
    """Sums exactly half way, just above and just below, with the bit that decides up to 100 places down."""
    for low in range(-100, -25, 7):
        for sign in (0.0, 1.0, -1.0):
            x = np.array([[1.0, 2.0**-24, sign * 2.0 ** (low // 2)]], np.float32)
            y = np.array([[1.0], [1.0], [2.0 ** (low - low // 2)]], np.float32)
            want = float(np.float32(1.0 + 2.0**-23 * (sign > 0)))
            assert nf.matmul(x, y, "exact:fp32")[0, 0] == want, (low, sign)
            exact = sum(Fraction(float(u)) * Fraction(float(v)) for u, v in zip(x[0], y[:, 0], strict=True))
            assert nf.matmul(x, y, "exact")[0, 0] == float(exact)


PATHS = [
    "bf16",
    "bf16+fma",
    "fp16+rz",
    "tf32",
    "fp16+kahan",
    "bf16+pairwise",
    "fp16+pairwise+ru",
    "exact",
    "exact:fp32",
    "int16+saturate",
    "int16",
]


@pytest.mark.parametrize("path", PATHS)
def test_tiles_threads_and_memory_order_do_not_change_bits(path, monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((300, 90)), rng.standard_normal((90, 140))
    if path.startswith("int"):
        a, b = np.rint(a * 40).astype(np.int8), np.rint(b * 40).astype(np.int8)
    else:
        a, b = a.astype(np.float32), b.astype(np.float32)
    want = nf.matmul(a, b, path)
    same_bits(nf.matmul(np.asfortranarray(a), np.asfortranarray(b), path), want)
    same_bits(np.hstack([nf.matmul(a, b[:, :17], path), nf.matmul(a, b[:, 17:], path)]), want)
    monkeypatch.setattr(chains, "DEPTH", 24)
    monkeypatch.setattr(chains, "COLUMNS", 48)
    monkeypatch.setattr(chains, "ROWS", 31)
    same_bits(nf.matmul(a, b, path), want)
    held = numba.get_num_threads()
    try:
        for threads in range(1, min(numba.config.NUMBA_NUM_THREADS, 2) + 1):
            numba.set_num_threads(threads)
            same_bits(nf.matmul(a, b, path), want)
            same_bits(nf.matmul(a[:, :], b[:, :3], path), want[:, :3])
    finally:
        numba.set_num_threads(held)


def test_peers_agree_on_float16():
    import torch

    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((4, 60)).astype(np.float16), rng.standard_normal((60, 33)).astype(np.float16)
    for dtype, path in ((torch.float16, "fp16"), (torch.bfloat16, "bf16")):
        u, v = torch.from_numpy(x).to(dtype), torch.from_numpy(y).to(dtype)
        total = torch.zeros((4, 33), dtype=dtype)
        for k in range(60):
            total = total + u[:, k, None] * v[None, k]
        same_bits(nf.matmul(u, v, path).float().numpy(), total.float().numpy(), path)


def test_apytypes_agrees():
    apytypes = pytest.importorskip("apytypes")
    rng = np.random.default_rng(4)
    for bits, path in (((5, 10), "fp16"), ((8, 7), "bf16"), ((4, 3), "float<4,3>")):
        held = nf.datapath(path).inner.format
        x, y = (nf.cast(rng.standard_normal(s), held) for s in ((3, 20), (20, 4)))
        u, v = (apytypes.APyFloatArray.from_float(w, *bits) for w in (x, y))
        total = apytypes.APyFloatArray.from_float(np.zeros((3, 4)), *bits)
        for k in range(20):
            total = total + u[:, k : k + 1] * v[k : k + 1, :]
        same_bits(nf.matmul(x, y, path), total.to_numpy(), path)


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("fp16+fma+product=fp32", {}, r"\+fma keeps the product exact"),
        ("fp16+kahan+pairwise", {}, "exclude each other"),
        ("fp16+sr0", {}, "1 to 28 random bits"),
        ("fp16+sr29", {}, "1 to 28 random bits"),
        ("fp16+kahan+kahan", {}, "give each once"),
        ("fp16+product=int8", {}, "not a float format"),
        ("int8+saturate+wrap", {}, "use saturate or wrap"),
        ("fp16+sr8", {}, "exactly one of random_bits and seed"),
        ("fp16", {"seed": 1}, "neither random_bits nor seed"),
        ("fp16+sr8", {"seed": -1}, "seed=-1"),
        ("fp16+sr8", {"random_bits": np.full((2, 2, 4), 256)}, r"0 to 2\*\*8 - 1"),
        ("fp16+sr8", {"random_bits": np.zeros((3, 3, 3), int)}, "must broadcast to"),
        ("fp16+sr8", {"random_bits": 0.5}, "must be integers"),
    ],
)
def test_refusals(path, options, words):
    with pytest.raises(ValueError, match=words):
        nf.matmul(np.ones((2, 4), np.float32), np.ones((4, 2), np.float32), path, **options)


@pytest.mark.parametrize(
    "path",
    [
        "fp16+product=fp32",
        "bf16+fma+rz+kahan",
        "fp16+sr8",
        "e5m2+ru+pairwise",
        "int8+saturate+pairwise",
        "fp16+pairwise+chunk16>fp32",
    ],
)
def test_strings_round_trip(path):
    made = nf.datapath(path)
    assert nf.datapath(str(made)) == made
    assert str(nf.datapath("fp16+product=fp16")) == "fp16"


def test_zero_size_products():
    for path in ("bf16", "fp16+kahan", "fp16+pairwise", "exact:fp16", "int8+saturate+pairwise", "int16+saturate"):
        same_bits(nf.matmul(np.zeros((2, 0), np.float32), np.zeros((0, 3), np.float32), path), np.zeros((2, 3)))
        assert nf.matmul(np.zeros((0, 4), np.float32), np.zeros((4, 3), np.float32), path).shape == (0, 3)
        assert nf.matmul(np.zeros((2, 4), np.float32), np.zeros((4, 0), np.float32), path).shape == (2, 0)


def test_the_loops_of_a_chain_are_the_ones_proved():
    """Each loop is taken by operands that fulfil its proof, and not by others."""
    taken = []
    run, wide = float_chain.chain32, float_wide.chain64

    def spy(real, offset):
        return lambda *args: (taken.append(offset + args[3]), real(*args))[1]

    float_chain.chain32, float_wide.chain64 = spy(run, 0), spy(wide, 10)
    try:
        rng = np.random.default_rng(0)
        x, y = (nf.cast(rng.uniform(1, 2, s), "bfloat16") for s in ((2, 8), (8, 4)))
        for path, scale, want in (
            ("bf16", 1.0, [float_chain.SPLIT]),
            ("bf16", 2.0**-64, [float_chain.ROUNDED]),
            ("bf16", 2.0**58, [10 + float_wide.FULL]),
            ("bf16+fma", 1.0, [float_chain.FUSED_SPLIT]),
            ("tf32+fma", 2.0**-64, [10 + float_wide.FUSED_NEAR]),
            ("float<8,16>", 1.0, [10 + float_wide.NEAR]),
            ("bf16+rz", 1.0, [float_chain.CUT]),
            ("bf16+rz", 2.0**-64, [10 + float_wide.FULL]),
            ("bf16+ru", 1.0, [10 + float_wide.FULL]),
        ):
            taken.clear()
            nf.matmul(x * np.float32(scale), y * np.float32(scale), path)
            assert taken == want, (path, scale)
    finally:
        float_chain.chain32, float_wide.chain64 = run, wide


@pytest.mark.parametrize(("fmt", "path"), [("bfloat16", "bf16+rz"), ("float16", "fp16+rz"), ("e4m3fn", "float<5,7>+rz")])
@pytest.mark.parametrize("gap", [0, 14, 30])
def test_sums_toward_zero_in_short_lanes_are_the_careful_ones(fmt, path, gap, monkeypatch):
    """Terms far below a sum of few bits pull it to its lower neighbour."""
    rng = np.random.default_rng(gap)
    x, y = np.ones((9, 24)), rng.choice([-1.0, 1.0, 1.5, -2.0], (24, 70))
    x[:, 3::4] = 2.0 ** -min(gap, 6 if fmt == "e4m3fn" else 12 if fmt == "float16" else gap)
    x, y = (nf.cast(v.astype(np.float32), fmt) for v in (x, y))
    got = nf.matmul(x, y, path)
    monkeypatch.setattr(chains.Chain, "_cuts", property(lambda _: False))
    np.testing.assert_array_equal(got.astype(np.float64).view(np.int64), nf.matmul(x, y, path).astype(np.float64).view(np.int64))
