"""matmul against exact models of every accumulator, NumPy's float16 and float32 and ml_dtypes' bfloat16."""

import itertools
import math
from fractions import Fraction
from functools import partial

import ml_dtypes
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.kernels import steps

from .reference import datapaths as ref

fast = settings(max_examples=30, deadline=None)
FLOATS = {
    "fp16": ref.FP16,
    "bf16": ref.BF16,
    "fp32": ref.FP32,
    "tf32": ref.TF32,
    "e5m2": ref.E5M2,
    "float<4,3,bias=7,fn>": ref.E4M3FN,
    "float<3,2>": ref.ieee(3, 2),
    "float<5,1>": ref.ieee(5, 1),
    "e2m1": ref.E2M1,
}
MODES = ["rne", "rna", "rz", "ru", "rd"]


def same_bits(got, want, what=""):
    """Equal values with equal signs of zero; any NaN equals any NaN."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, what
    np.testing.assert_array_equal(got, want, err_msg=str(what))
    numbers = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(want)[numbers], err_msg=f"sign of zero {what}")


def model(a, b, dot, c=None):
    """dot of every row of a and column of b; the start is passed where c is given."""
    rows, columns = np.asarray(a, np.float64).tolist(), np.asarray(b, np.float64).T.tolist()
    if c is None:
        return np.array([[dot(x, y) for y in columns] for x in rows])
    start = np.broadcast_to(c, (len(rows), len(columns))).tolist()
    return np.array([[dot(x, y, start=start[i][j]) for j, y in enumerate(columns)] for i, x in enumerate(rows)])


def operands(rng, kind, m=3, k=11, n=3):
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    if kind == "wide":
        a, b = a * 2.0 ** rng.integers(-70, 70, a.shape), b * 2.0 ** rng.integers(-70, 70, b.shape)
    elif kind == "ties":  # products and sums of one bit more than float16, float32 and smaller formats hold
        size = np.where(np.arange(k) % 2, 2.0**5, 2.0**12)
        a, b = np.rint(a * size) / 512, np.rint(b * (size[:, None] - 1)) / 512
    elif kind == "large":
        a, b = a * 3e3, b * 3e2
    elif kind == "tiny":
        a, b = a * 2.0**-13, b * 2.0**-12
    elif kind == "cancel":
        b[k // 2 :] = -b[: k - k // 2]
        a[:, k // 2 :] = a[:, : k - k // 2]
    elif kind == "special":
        pool = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 6e4, -6e4, 3e38, 1e-30, -1e-45])
        a = rng.choice(pool, a.shape, p=np.array([4, 4, 4, 4, 1, 1, 0.3, 1, 1, 1, 1, 1]) / 23.3)
        b = rng.choice(pool, b.shape, p=np.array([4, 4, 4, 4, 0.3, 0.3, 0.1, 1, 1, 1, 1, 1]) / 21.7 * 21.7 / 21.7)
    return a.astype(np.float32), b.astype(np.float32)


KINDS = ["normal", "wide", "ties", "large", "tiny", "cancel", "special"]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", sorted(FLOATS))
def test_float_accumulators_round_at_each_step(name, mode, fused):
    path = name + ("+fma" if fused else "") + ("" if mode == "rne" else f"+{mode}")
    rng = np.random.default_rng(MODES.index(mode))
    for kind in KINDS:
        a, b = operands(rng, kind)
        got = nf.matmul(a, b, path)
        assert got.dtype == np.float32
        same_bits(got, model(a, b, partial(ref.float_dot, fmt=FLOATS[name], fused=fused, mode=mode)), (path, kind))


@fast
@given(st.data())
def test_float_accumulators_on_any_float32_words(data):
    """Every class of float32 word: subnormals, extremes, infinities, NaN."""
    word = st.floats(width=32)
    k = data.draw(st.integers(1, 6))
    a = np.array([data.draw(st.lists(word, min_size=k, max_size=k))], np.float32)
    b = np.array([data.draw(st.lists(word, min_size=k, max_size=k))], np.float32).T
    name, mode, fused = data.draw(st.sampled_from(sorted(FLOATS))), data.draw(st.sampled_from(MODES)), data.draw(st.booleans())
    path = name + ("+fma" if fused else "") + ("" if mode == "rne" else f"+{mode}")
    same_bits(nf.matmul(a, b, path), model(a, b, partial(ref.float_dot, fmt=FLOATS[name], fused=fused, mode=mode)), path)


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_scalars_witness_fp16_and_fp32(kind):
    a, b = operands(np.random.default_rng(5), kind, 6, 40, 5)
    for path, dtype in (("fp16", np.float16), ("fp32", np.float32)):
        with np.errstate(all="ignore"):
            x, y = a.astype(dtype), b.astype(dtype)
            total = np.zeros((6, 5), dtype)
            for k in range(40):
                total = (total + (x[:, k, None] * y[None, k]).astype(dtype)).astype(dtype)
        same_bits(nf.matmul(x, y, path), total, path)


@pytest.mark.parametrize("kind", ["normal", "wide", "ties", "large", "cancel"])
def test_ml_dtypes_witnesses_bfloat16(kind):
    """ml_dtypes computes each operation in float32 and rounds: once, as 24 >= 2 * 8 + 2, where float32 has no subnormals."""
    a, b = operands(np.random.default_rng(6), kind, 4, 30, 4)
    x, y = a.astype(ml_dtypes.bfloat16), b.astype(ml_dtypes.bfloat16)
    total = np.zeros((4, 4), ml_dtypes.bfloat16)
    with np.errstate(all="ignore"):
        for k in range(30):
            total = total + x[:, k, None] * y[None, k]
    same_bits(nf.matmul(x, y, "bf16"), total.astype(np.float32), kind)


def test_overflow_to_infinity_and_back():
    a = np.array([[6e4, 6e4, -6e4, -6e4, 1]], np.float32)
    ones = np.ones((5, 1), np.float32)
    assert nf.matmul(a, ones, "fp16").item() == math.inf
    assert math.isnan(nf.matmul(np.array([[6e4, 6e4, -np.inf]], np.float32), ones[:3], "fp16").item())
    assert nf.matmul(a, ones, "fp16+rz").item() == ref.float_dot(a[0].tolist(), [1.0] * 5, ref.FP16, mode="rz")
    assert nf.matmul(a, ones, "e4m3fn").item() == ref.float_dot(a[0].tolist(), [1.0] * 5, ref.E4M3FN)


def test_signed_zeros():
    a = np.array([[-0.0, -0.0]], np.float32)
    ones = np.ones((2, 1), np.float32)
    for path in ("fp32", "fp16", "fp16+fma", "bf16+rz", "exact", "exact:fp32", "exact>fp32"):
        same_bits(nf.matmul(a, ones, path), [[0.0]], path)  # the start is +0
    minus = np.float32(-0.0)
    for path in ("fp32", "fp16", "fp16+fma", "bf16+rz"):
        same_bits(nf.matmul(a, ones, path, c=minus), [[-0.0]], path)
    same_bits(nf.matmul(a, ones, "fp16+rd"), [[-0.0]])
    x = np.array([[1.0, -1.0]], np.float32)
    same_bits(nf.matmul(x, ones, "fp16+rd"), [[-0.0]])
    same_bits(nf.matmul(x, ones, "fp16+fma+rd"), [[-0.0]])
    same_bits(nf.matmul(x, ones, "fp16"), [[0.0]])
    tiny = np.array([[2.0**-20, -(2.0**-20)]], np.float32)
    same_bits(nf.matmul(tiny[:, 1:], tiny[:, :1], "float<5,2,bias=15,fn>"), [[0.0]])
    same_bits(nf.matmul(tiny[:, 1:], tiny[:, :1], "e5m2fnuz", c=None), [[0.0]])  # a format without -0


@pytest.mark.parametrize("path", ["int8", "int16", "int24", "int32", "int64", "int8+saturate", "int24+saturate", "int32+saturate"])
def test_integer_accumulators(path):
    width, saturate = int(path[3:].split("+")[0]), path.endswith("saturate")
    dot = partial(ref.integer_dot, width=width, saturate=saturate)
    rng = np.random.default_rng(0)
    for top in (3, 127, 2000, 32767, 2**24):
        a = rng.integers(-top, top + 1, (3, 70)).astype(np.float32)
        b = rng.integers(-top, top + 1, (70, 4)).astype(np.float32)
        if saturate and top > 2**15:
            a = np.sign(a)
        got = nf.matmul(a, b, path)
        assert got.dtype == np.int64
        np.testing.assert_array_equal(got, model(a, b, dot))
        for c in (5, rng.integers(-(2 ** (width - 1)), 2 ** (width - 1), (3, 4))):
            np.testing.assert_array_equal(nf.matmul(a, b, path, c=c), model(a, b, dot, c))
    sums = np.abs(a) * 0 + 127
    up = nf.matmul(sums, sums.T, path)
    np.testing.assert_array_equal(up, model(sums, sums.T, dot))


def test_saturation_is_at_each_step():
    a = np.array([[100, 100, -100]], np.float32)
    assert nf.matmul(a, np.ones((3, 1), np.float32), "int8+saturate").item() == 27
    assert nf.matmul(a, np.ones((3, 1), np.float32), "int8").item() == 100
    assert nf.matmul(a[:, ::-1], np.ones((3, 1), np.float32), "int8+saturate").item() == 100


def test_wide_integers_keep_every_bit():
    x = np.full((1, 5), 2.0**24 - 1, np.float32)
    y = np.full((5, 1), 2.0**30 - 2**7, np.float32)
    for path in ("int64", "int62+saturate"):
        assert nf.matmul(x, y, path).item() == 5 * (2**24 - 1) * (2**30 - 2**7)
    words = np.array([[2**31 - 1, -(2**31), 12345677, 1]]).astype(np.uint32)
    q = nf.from_codes(words, "int32")
    want = (2**31 - 1) ** 2 + 2**62 + 12345677**2 + 1
    assert nf.matmul(q, q.T, "int64").item() == want - 2**64
    assert nf.matmul(q, q.T, "int32").item() == ref.wrap(want, 32)
    start = nf.from_codes(np.array([[2**24 + 1]], np.uint32), "int32")
    one = np.ones((1, 1), np.float32)
    assert nf.matmul(one, one, "int32", c=start).item() == 2**24 + 2
    assert nf.matmul(one, one, "int32", c=np.array([[2**24 + 1]])).item() == 2**24 + 2
    assert nf.matmul(one, one, "int64", c=np.array([[2**62 + 1]])).item() == 2**62 + 2
    big = np.full((1, 1), 2.0**40, np.float32)
    assert nf.matmul(big, big, "int64").item() == 0
    assert nf.matmul(big, big, "int32").item() == 0


EXACT = {"exact": ref.FP64, "exact:fp32": ref.FP32, "exact:fp16": ref.FP16, "exact:bf16": ref.BF16, "exact:e4m3fn": ref.E4M3FN}


@pytest.mark.parametrize("path", sorted(EXACT))
@pytest.mark.parametrize("kind", KINDS)
def test_exact_sums_are_rounded_once(kind, path):
    a, b = operands(np.random.default_rng(1), kind, 4, 23, 4)
    dot = partial(ref.exact_dot, fmt=EXACT[path])
    same_bits(nf.matmul(a, b, path), model(a, b, dot), (path, kind))
    c = operands(np.random.default_rng(2), kind, 4, 4, 1)[0]
    same_bits(nf.matmul(a, b, path, c=c), model(a, b, dot, c), (path, kind))


def test_exact_sums_of_float32_extremes():
    big, small = np.float32(2.0**127), np.float32(2.0**-149)
    top = np.finfo(np.float32).max
    a = np.array(
        [[big, small, top, -big, -top, small], [big, small, -big, 0, 0, 0], [top] * 6, [small] * 6, [big, 0, 0, 0, 0, small]]
    )
    b = np.array([[big, small, top, big, top, small], [small, small, small, 0, 0, 0], [top] * 6, [small] * 6, [small] * 6]).T
    for path, fmt in EXACT.items():
        same_bits(nf.matmul(a, b, path), model(a, b, partial(ref.exact_dot, fmt=fmt)), path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_exact_on_any_float32_words(data):
    word = st.floats(width=32)
    k = data.draw(st.integers(1, 8))
    a = np.array([data.draw(st.lists(word, min_size=k, max_size=k))], np.float32)
    b = np.array([data.draw(st.lists(word, min_size=k, max_size=k))], np.float32).T
    path = data.draw(st.sampled_from(sorted(EXACT)))
    same_bits(nf.matmul(a, b, path), model(a, b, partial(ref.exact_dot, fmt=EXACT[path])), path)


def near_bound(rng, bits, k):
    """Integers times powers of two whose sum of products reaches just below, at or above 2**bits quanta."""
    largest = min(math.isqrt(2**bits // k), 2**24 - 1)
    tops = [max(1, largest + d) for d in rng.integers(-1, 2, 2)]
    tops = [min(t, 2**24) for t in tops]
    a = rng.choice([-1, 1], (2, k)) * rng.integers(max(1, tops[0] - 2), tops[0] + 1, (2, k))
    b = rng.choice([-1, 1], (k, 2)) * rng.integers(max(1, tops[1] - 2), tops[1] + 1, (k, 2))
    if rng.integers(2):
        a, b = np.abs(a), np.abs(b)
    return a * 2.0 ** int(rng.integers(-100, 100)), b * 2.0 ** int(rng.integers(-100, 100))


def check_proof(a, b):
    """BLAS is claimed only where it gives the exact sum; the result is the exact sum either way."""
    same_bits(nf.matmul(a, b, "exact"), model(a, b, ref.exact_dot))
    (step,) = nf.explain(a, b, "exact")
    if step.kernel in ("sgemm", "dgemm"):
        bits, fmt = (24, ref.FP32) if step.kernel == "sgemm" else (53, ref.FP64)
        for row, column in itertools.product(np.asarray(a, np.float64).tolist(), np.asarray(b, np.float64).T.tolist()):
            terms = [Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)]
            sizes = sum(map(abs, terms), Fraction(0))
            quanta = [t.numerator & -t.numerator if t.denominator == 1 else Fraction(1, t.denominator) for t in terms if t]
            if quanta:
                assert sizes < 2**bits * min(quanta), step  # any order of adding is exact
                assert sizes <= fmt.max, step
                assert min(quanta) >= Fraction(2) ** (fmt.emin - fmt.man), step
    return step.kernel


def test_the_proof_near_2_to_the_24_and_53():
    rng = np.random.default_rng(3)
    seen = set()
    for bits, depths in ((24, rng.integers(1, 40, 60)), (53, rng.integers(28, 70, 60))):
        for k in depths.tolist():
            seen.add(check_proof(*(v.astype(np.float32) for v in near_bound(rng, bits, k))))
    assert seen == {"sgemm", "dgemm", "dgemm of slices"}


@fast
@given(st.integers(0, 2**32 - 1), st.sampled_from([24, 53]), st.integers(1, 60))
def test_the_proof_on_random_integers(seed, bits, k):
    check_proof(*(v.astype(np.float32) for v in near_bound(np.random.default_rng(seed), bits, k)))


def test_the_proof_regards_the_exponent_range():
    """2**100 * 2**100 is one quantum and beyond float32; 2**-100 * 2**-100 below it."""
    for e in (100, -100, 64, -75, 63, 127, -149, -126, -127):
        x = np.full((1, 3), 2.0**e, np.float32)
        check_proof(x, x.T)


def test_scaled_operands_run_by_run():
    rng = np.random.default_rng(11)
    w = rng.standard_normal((3, 48)).astype(np.float32)
    x = rng.standard_normal((2, 48)).astype(np.float32)
    inners = {
        "exact": ref.exact_dot,
        "exact:fp16": partial(ref.exact_dot, fmt=ref.FP16),
        "fp16": partial(ref.float_dot, fmt=ref.FP16),
        "fp32+fma": partial(ref.float_dot, fmt=ref.FP32, fused=True),
        "int32": partial(ref.integer_dot, width=32),
        "int8": partial(ref.integer_dot, width=8),
        "int10+saturate": partial(ref.integer_dot, width=10, saturate=True),
    }
    outers = {
        "": (ref.FP32, "rne"),
        ">fp32": (ref.FP32, "rne"),
        ">bf16+rz": (ref.BF16, "rz"),
        ">fp16+rd": (ref.FP16, "rd"),
        ">e4m3fn": (ref.E4M3FN, "rne"),
    }
    schemes = [
        ("int8/token", "int4/g16"),
        ("int8/g16", "int4/g24"),
        ("int8/tensor", "int4/channel+asym"),
        ("int8/g12+asym", "int4/g8+asym"),
    ]
    turns = itertools.cycle(schemes)
    for (inner, dot), (outer, (fmt, mode)) in itertools.product(inners.items(), outers.items()):
        left, right = next(turns)
        a, b = nf.quantize(x, left), nf.quantize(w, right)
        got = nf.matmul(a, b.T, inner + outer)
        start = np.float32(0.5)
        from_start = nf.matmul(a, b.T, inner + outer, c=start)
        for i, j in itertools.product(range(2), range(3)):
            args = (
                a.row_values()[i].tolist(),
                a._spread(a.row_scales)[i].tolist(),
                b.row_values()[j].tolist(),
                b._spread(b.row_scales)[j].tolist(),
            )
            same_bits(got[i, j], ref.scaled_dot(*args, dot, fmt, mode), (left, right, inner + outer))
            same_bits(from_start[i, j], ref.scaled_dot(*args, dot, fmt, mode, start=0.5), (left, right, inner + outer))


def test_other_elements_with_scales():
    rng = np.random.default_rng(12)
    x = rng.standard_normal((2, 64)).astype(np.float16)
    w = rng.standard_normal((2, 64)).astype(np.float32)
    for scheme in ("mxfp4", "nf4/g16", "bitmod4/g32", "e4m3fn/channel", "mxfp8_e5m2"):
        q = nf.quantize(w, scheme)
        got = nf.matmul(x, q.T, "exact")
        for i, j in itertools.product(range(2), range(2)):
            args = (x[i].astype(float).tolist(), [1.0] * 64, q.row_values()[j].tolist(), q._spread(q.row_scales)[j].tolist())
            same_bits(got[i, j], ref.scaled_dot(*args, ref.exact_dot, ref.FP32), scheme)


def test_an_outer_accumulator_applies_to_unscaled_operands_too():
    a, b = operands(np.random.default_rng(0), "normal", 3, 9, 3)
    got = nf.matmul(a, b, "exact>bf16")
    want = model(a, b, lambda x, y: ref.add(0.0, ref.round_real(Fraction(ref.exact_dot(x, y)), ref.BF16), ref.BF16))
    same_bits(got, want)


def test_the_start_of_an_outer_accumulator_must_be_its_value():
    q = nf.quantize(np.ones((2, 8), np.float32), "int4/g4")
    with pytest.raises(ValueError, match="c holds values that the accumulator fp16 cannot hold"):
        nf.matmul(np.ones((1, 8), np.float32), q.T, "exact>fp16", c=np.float32(1 + 2**-20))


def test_start_values():
    a, b = operands(np.random.default_rng(0), "normal")
    for path, fmt in (("fp32", ref.FP32), ("fp16", ref.FP16), ("bf16+fma", ref.BF16)):
        dot = partial(ref.float_dot, fmt=fmt, fused="fma" in path)
        for shape in ((), (3,), (3, 1), (3, 3)):
            c = nf.cast(np.random.default_rng(1).standard_normal(shape), nf.datapath(path).inner.format)
            same_bits(nf.matmul(a, b, path, c=c), model(a, b, dot, c), path)
    codes = nf.from_codes(np.full((3, 3), 0x3C00, np.uint16), "float16")
    same_bits(nf.matmul(a, b, "fp16", c=codes), model(a, b, partial(ref.float_dot, fmt=ref.FP16), np.ones((3, 3))))
    for special in (np.inf, -np.inf, np.nan):
        c = np.float32(special)
        same_bits(nf.matmul(a, b, "fp16", c=c), model(a, b, partial(ref.float_dot, fmt=ref.FP16), c))
        same_bits(nf.matmul(a, b, "exact", c=c), model(a, b, ref.exact_dot, c))


def test_codes():
    a, b = operands(np.random.default_rng(0), "normal")
    for path, fmt, dtype in (
        ("fp16", "float16", np.uint16),
        ("e4m3fn", "e4m3fn", np.uint8),
        ("exact", "float64", np.uint64),
        ("exact>bf16", "bfloat16", np.uint16),
    ):
        words = nf.matmul(a, b, path, returns="codes")
        assert words.dtype == dtype
        same_bits(nf.decode(words, fmt), nf.matmul(a, b, path))
    x, y = np.rint(a * 5), np.rint(b * 5)
    for width, dtype in ((8, np.uint8), (16, np.uint16), (24, np.uint32), (32, np.uint32), (64, np.uint64)):
        words = nf.matmul(x, y, f"int{width}", returns="codes")
        assert words.dtype == dtype
        want = nf.matmul(x, y, f"int{width}").astype(object) % 2**width
        np.testing.assert_array_equal(words.astype(object), want)


PATHS = ["fp32", "fp16", "bf16+fma+rz", "e4m3fn", "exact", "exact:fp32", "exact>fp32", "int32", "int8+saturate", "int8"]


@pytest.mark.parametrize("path", PATHS)
def test_layout_batches_splits_and_threads_do_not_change_bits(path):
    rng = np.random.default_rng(0)
    a = np.rint(rng.standard_normal((5, 33)) * 9).astype(np.float32)
    b = np.rint(rng.standard_normal((33, 7)) * 9).astype(np.float32)
    if not path.startswith("int"):
        a, b = (a * np.float32(0.37)).astype(np.float32), (b * np.float32(1.13)).astype(np.float32)
    want = nf.matmul(a, b, path)
    same_bits(nf.matmul(np.asfortranarray(a), np.asfortranarray(b), path), want)
    same_bits(nf.matmul(a.astype(np.float64), b.astype(np.float64), path), want)
    for cut in (1, 2, 4):
        same_bits(np.vstack([nf.matmul(a[:cut], b, path), nf.matmul(a[cut:], b, path)]), want)
        same_bits(np.hstack([nf.matmul(a, b[:, :cut], path), nf.matmul(a, b[:, cut:], path)]), want)
    wide_a, wide_b = np.zeros((10, 66), np.float32), np.zeros((66, 7), np.float32)
    wide_a[::2, ::2], wide_b[::2] = a, b
    same_bits(nf.matmul(wide_a[::2, ::2], wide_b[::2], path), want)
    batch = nf.matmul(np.stack([a, a[::-1]])[:, None], np.stack([b, 2 * b, -b]), path)
    assert batch.shape == (2, 3, 5, 7)
    same_bits(batch[0, 0], want)
    same_bits(batch[1, 2], nf.matmul(np.ascontiguousarray(a[::-1]), -b, path))
    held = numba.get_num_threads()
    try:
        for threads in range(1, min(numba.config.NUMBA_NUM_THREADS, 4) + 1):
            numba.set_num_threads(threads)
            same_bits(nf.matmul(a, b, path), want)
    finally:
        numba.set_num_threads(held)
    out = np.empty(want.shape, want.dtype)
    assert nf.matmul(a, b, path, out=out) is out
    same_bits(out, want)


def test_torch_tensors_in_and_out():
    import torch

    a, b = operands(np.random.default_rng(0), "normal")
    want = nf.matmul(a, b, "fp16")
    got = nf.matmul(torch.from_numpy(a), torch.from_numpy(b), "fp16")
    assert isinstance(got, torch.Tensor)
    same_bits(got.numpy(), want)
    same_bits(nf.matmul(torch.from_numpy(a), b, "fp16").numpy(), want)
    codes = nf.matmul(torch.from_numpy(a), b, "fp16", returns="codes")
    np.testing.assert_array_equal(codes.numpy(), nf.matmul(a, b, "fp16", returns="codes"))
    half = torch.from_numpy(a).bfloat16()
    same_bits(nf.matmul(half, b, "fp32").numpy(), nf.matmul(half.float().numpy(), b, "fp32"))
    q = nf.quantize(b, "int4/channel", axis=0)
    same_bits(nf.matmul(torch.from_numpy(a), q, "exact").numpy(), nf.matmul(a, q, "exact"))


def test_order_matters_only_where_steps_round():
    rng = np.random.default_rng(0)
    a, b = operands(rng, "wide", 2, 40, 2)
    i = np.rint(a / np.abs(a).max() * 100).astype(np.float32), np.rint(np.sign(b) * 77).astype(np.float32)
    changed = 0
    for _ in range(20):
        order = rng.permutation(40)
        same_bits(nf.matmul(a[:, order], b[order], "exact"), nf.matmul(a, b, "exact"))
        same_bits(nf.matmul(a[:, order], b[order], "exact:fp32"), nf.matmul(a, b, "exact:fp32"))
        np.testing.assert_array_equal(nf.matmul(i[0][:, order], i[1][order], "int8"), nf.matmul(*i, "int8"))
        x, y = operands(rng, "normal", 2, 40, 2)
        changed += int((nf.matmul(x[:, order], y[order], "fp16") != nf.matmul(x, y, "fp16")).any())
    assert changed > 10


def test_empty_sums():
    a, b = np.zeros((2, 0), np.float32), np.zeros((0, 3), np.float32)
    for path in PATHS:
        same_bits(nf.matmul(a, b, path), np.zeros((2, 3)), path)
        np.testing.assert_array_equal(nf.matmul(a, b, path, c=np.float32(3)), np.full((2, 3), 3.0))
    assert nf.matmul(np.zeros((0, 4), np.float32), np.zeros((4, 3), np.float32), "fp16").shape == (0, 3)


ONE = np.ones((2, 4), np.float32)


@pytest.mark.parametrize(
    ("a", "b", "path", "options", "words"),
    [
        (ONE, ONE, "fp32", {}, "a sums over 4 elements and b over 2"),
        (ONE, ONE.T, "fp33", {}, "unknown datapath.*fp32"),
        (ONE, ONE.T, "fp32+foo", {}, "option 'foo'"),
        (ONE, ONE.T, "int32+rz", {}, "option 'rz' of an integer"),
        (ONE, ONE.T, "exact+rz", {}, "no options"),
        (ONE, ONE.T, "fp32>int32", {}, "not a float format"),
        (ONE, ONE.T, "fp32>fp32>fp32", {}, "INNER>OUTER"),
        (ONE, ONE.T, "fp64", {}, "1 to 23 mantissa bits"),
        (ONE, ONE.T, "e8m0", {}, "sign"),
        (ONE, ONE.T, "exact:e8m0", {}, "sign"),
        (ONE, ONE.T, "float<4,0,bias=7,none>", {}, "mantissa bits"),
        (ONE, ONE.T, "float<8,7,bias=900>", {}, "exponent"),
        (ONE, ONE.T, "int1", {}, "width=1"),
        (ONE, ONE.T, "int65", {}, "width=65"),
        (ONE, ONE.T, "int63+saturate", {}, "width=63"),
        (ONE, ONE.T, "e4m3", {}, "ambiguous"),
        (ONE, ONE.T, 5, {}, "not a string"),
        (ONE, ONE.T, "fp32", {"returns": "words"}, "returns='words'"),
        (ONE, ONE.T, "fp32", {"out": np.empty((2, 2))}, "out must have"),
        (ONE, ONE.T, "fp32", {"c": np.zeros(3)}, "c has shape"),
        (ONE, ONE.T, "fp32", {"c": np.float64(0.1)}, "c holds values that float32"),
        (ONE, ONE.T, "fp16", {"c": np.float32(1e6)}, "c holds values that the accumulator fp16"),
        (ONE, ONE.T, "int32", {"c": np.float32(0.5)}, "c holds values that are not integers"),
        (ONE, ONE.T, "int32", {"c": np.float32(np.nan)}, "c holds values that are not integers"),
        (ONE, ONE.T, "int8", {"c": np.float32(200)}, "c holds values that the accumulator int8 cannot hold"),
        (ONE, ONE.T, "int8+saturate", {"c": np.float32(-129)}, "c holds values that the accumulator int8"),
        (ONE * 0.5, ONE.T, "int32", {}, "a holds values that are not integers"),
        (ONE, ONE.T * np.nan, "int32", {}, "b holds values that are not integers"),
        (ONE * 1e30, ONE.T, "int32", {}, r"beyond 2\*\*62"),
        (ONE * 2.0**40, ONE.T * 2.0**40, "int32+saturate", {}, r"products beyond 2\*\*62"),
        (np.full((1, 1), 0.1), np.ones((1, 1)), "fp32", {}, "a holds values that float32 does not hold"),
        (np.full((1, 1), 2**24 + 1), np.ones((1, 1)), "fp32", {}, "float32 does not hold"),
        (np.full((1, 1), 2**63 - 1), np.ones((1, 1)), "exact", {}, "float32 does not hold"),
        (np.full((1, 1), 2**64 - 1, np.uint64), np.ones((1, 1)), "exact", {}, "float32 does not hold"),
        (np.full((1, 1), 1e300), np.ones((1, 1)), "exact", {}, "float32 does not hold"),
        (nf.from_codes(np.full((1, 1), 2**24 + 1, np.uint32), "int32"), np.ones((1, 1)), "exact", {}, "float32 does not hold"),
        (nf.quantize(np.full((1, 1), 0.1), "float64"), np.ones((1, 1)), "fp32", {}, "float32 does not hold"),
        (ONE[0], ONE.T, "fp32", {}, "at least two axes"),
        (np.zeros((0, 2, 4), np.float32), ONE.T, "fp32", {}, "batch is empty"),
        (np.zeros((3, 2, 4), np.float32), np.zeros((2, 4, 2), np.float32), "fp32", {}, r"batch axes \(3,\), \(2,\) differ"),
        (ONE, nf.quantize(ONE, "int4/g2"), "exact", {}, "scales run along axis 1"),
        (nf.quantize(ONE, "int4/g2").T, ONE.T, "exact", {}, "scales run along axis 0"),
        (nf.quantize(ONE[None], "int4/g2"), ONE.T, "exact", {}, "must be a matrix"),
        (nf.quantize(ONE, "e4m3fn/g2"), ONE.T, "int32", {}, "a holds values that are not integers"),
        (ONE, ONE.T, "bitmod.paper", {}, "b is a plain array"),
        (ONE, nf.quantize(ONE, "nf4/g2").T, "bitmod.paper", {}, "cannot be decoded"),
        (ONE, nf.quantize(ONE, "int4/g2+asym").T, "bitmod.paper", {}, "no zero point|cannot be decoded"),
        (nf.quantize(ONE, "int4/g2"), nf.quantize(ONE, "int4/g2").T, "bitmod.paper", {}, "a is scaled"),
        (ONE * 7e4, nf.quantize(ONE, "int4/g2").T, "bitmod.paper", {}, "float16 activations"),
        (ONE * 7e4, nf.quantize(ONE, "int4/g2").T, "bitmod.ideal", {}, "float16 activations"),
        (ONE, nf.quantize(ONE, "int4/g2").T, "bitmod.turbo", {}, "bitmod.paper"),
        (ONE, nf.from_codes(np.zeros((2, 4), np.uint8), "int4").T, "bitmod.paper", {"returns": "codes"}, "no code words"),
        (ONE, nf.from_codes(np.zeros((2, 4), np.uint8), "int4").T, "bitmod.paper", {"c": np.float32(1)}, "starts from reset"),
    ],
)
def test_refusals(a, b, path, options, words):
    with pytest.raises(ValueError, match=words):
        nf.matmul(a, b, path, **options)


@pytest.mark.parametrize(
    "text",
    [
        *nf.datapaths()["name"],
        *(
            f"{n}{f}{'' if m == 'rne' else '+' + m}"
            for n in ("fp16", "e5m2", "float<4,3,bias=9,fn>")
            for f in ("", "+fma")
            for m in MODES
        ),
        "int24+saturate",
        "int8+wrap",
        "int64",
        "exact:float<5,3>",
        "int32>fp32",
        "float<3,2>>float<8,7>+rz",
        "bitmod.rtl>fp16",
        "INT32>FP32",
        "int32 > fp32",
    ],
)
def test_datapath_strings_round_trip(text):
    made = nf.datapath(text)
    assert nf.datapath(str(made)) == made
    assert str(nf.datapath(str(made))) == str(made)
    assert nf.datapath(made) is made


def test_explain_names_the_kernel_and_the_bound():
    a, b = np.ones((2, 8), np.float32), np.ones((8, 2), np.float32)
    (step,) = nf.explain(a, b, "exact")
    assert (step.kernel, step.start, step.stop) == ("sgemm", 0, 8)
    assert "2**3.00 quanta" in step.reason
    q = nf.quantize(b, "int4/g4", axis=0)
    assert [(s.start, s.stop) for s in nf.explain(a, q, "int32")] == [(0, 4), (4, 8)]
    assert nf.explain(a, b, "bf16")[0].kernel == "chain32"
    assert nf.explain(a * 2.0**30, b, "int8+saturate")[0].kernel == "saturating lanes"


def test_scales_of_two_levels_are_exact_factors():
    # razer_nvfp4: an E4M3 scale times a float32 one, 28 bits; the product of two such scales is beyond float64
    rng = np.random.default_rng(0)
    x, w = ((rng.standard_normal((n, 64)) * 2.0 ** rng.integers(-4, 5, (n, 1))).astype(np.float32) for n in (5, 7))
    a, b = nf.quantize(x, "razer_nvfp4/g16"), nf.quantize(w, "razer_nvfp4/g16")
    got = nf.matmul(a, b.T, "exact>fp32")
    (sa, run), (sb, _) = a.runs(), b.runs()
    assert run == 16
    assert not np.array_equal(sa.astype(np.float32), sa)
    for i in range(5):
        for j in range(7):
            total = np.float32(0)
            for g in range(4):
                part = slice(16 * g, 16 * g + 16)
                products = zip(a.row_values()[i, part], b.row_values()[j, part], strict=True)
                exact = sum(Fraction(float(u)) * Fraction(float(v)) for u, v in products)
                exact *= Fraction(float(sa[i, g])) * Fraction(float(sb[j, g]))
                total = total + ref_float32(exact)
            assert got[i, j] == total


def ref_float32(x):
    """A Fraction of normal size rounded once to float32."""
    if x == 0:
        return np.float32(0)
    exponent = abs(x).numerator.bit_length() - abs(x).denominator.bit_length()
    exponent -= Fraction(2) ** exponent > abs(x)
    unit = Fraction(2) ** (exponent - 23)
    return np.float32(float(round(x / unit) * unit))


def test_the_product_of_three_numbers_is_rounded_to_odd():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        x, y, z = (float(v) for v in rng.integers(-(2**53), 2**53, 3) * 2.0 ** rng.integers(-60, 60, 3))
        exact = Fraction(x) * Fraction(y) * Fraction(z)
        got = steps.odd_triple(x, y, z)
        near = float(exact)
        if Fraction(near) == exact:
            assert got == near
            continue
        below = near if Fraction(near) < exact else np.nextafter(near, -np.inf)
        above = np.nextafter(below, np.inf)
        odd = [v for v in (below, above) if np.float64(v).view(np.int64) & 1]
        assert [got] == odd
