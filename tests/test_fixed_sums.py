"""Fixed-point accumulators: every quantization and overflow at each step, against Python integers and Fractions."""

import itertools

import apytypes as apy
import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.arith import fixed_plan, fixed_rule, fixed_sums
from numfmt.arith.fixed_steps import FixedAccumulator

from .fixed_layer_cases import tensor, words
from .reference.fixed_layers import total

ROUNDINGS = ("AP_TRN", "AP_TRN_ZERO", "AP_RND", "AP_RND_ZERO", "AP_RND_MIN_INF", "AP_RND_INF", "AP_RND_CONV")
OVERFLOWS = (
    "AP_WRAP",
    "AP_SAT",
    "AP_SAT_SYM",
    "AP_SAT_ZERO",
    "AP_WRAP,1",
    "AP_WRAP,3",
    "AP_WRAP_SM",
    "AP_WRAP_SM,1",
    "AP_WRAP_SM,3",
)


def facts(fmt):
    """The reference's description of a type."""
    return fmt.width, fmt.int_bits, fmt.signed, str(fmt.rounding), str(fmt.overflow), fmt.sat_bits


def draw(rng, fmt, shape):
    """Raw integers of a type: uniform, with its ends, zero and neighbours often."""
    low, high = fmt.min_int, fmt.max_int
    ends = rng.choice([low, high, 0, min(1, high), max(-1, low), low + (high > low)], shape)
    return np.where(rng.random(shape) < 0.25, ends, rng.integers(low, high + 1, shape))


def expected(x, w, c, tx, tw, tc, acc, full):
    """Raw accumulators (M, N)."""
    made = np.empty((x.shape[0], w.shape[1]), np.int64)
    for i, j in np.ndindex(made.shape):
        pairs = zip(x[i], w[:, j], strict=True)
        made[i, j] = total(
            pairs, None if c is None else c[j], facts(tx), facts(tw), None if c is None else facts(tc), facts(acc), full
        )
    return made


def raw_matmul(x, w, c, tx, tw, tc, acc, full):
    """Raw accumulators that nf.matmul gives."""
    a, b = tensor(x, tx), nf.from_codes(words(w, tw), tw, axis=0)
    start = None if c is None else tensor(c, tc)
    got = nf.matmul(a, b, f"{acc}+full" if full else str(acc), c=start, returns="codes")
    return nf.fixed.raw(got, acc)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("overflow", OVERFLOWS)
def test_every_mode_step_by_step(overflow, full):
    rng = np.random.default_rng(0)
    tx, tw, tc = nf.parse("ap_fixed<6,3>"), nf.parse("ap_ufixed<5,1>"), nf.parse("ap_fixed<9,4>")
    for rounding in ROUNDINGS:
        types = [
            f"ap_fixed<9,6,{rounding},{overflow}>",
            f"ap_fixed<11,2,{rounding},{overflow}>",
            f"ap_fixed<4,3,{rounding},{overflow}>",
        ]
        types += [] if "SM" in overflow else [f"ap_ufixed<8,4,{rounding},{overflow}>"]
        for acc in map(nf.parse, types):
            x, w, c = draw(rng, tx, (3, 7)), draw(rng, tw, (7, 2)), draw(rng, tc, (2,))
            for start in (None, c):
                want = expected(x, w, start, tx, tw, tc, acc, full)
                np.testing.assert_array_equal(raw_matmul(x, w, start, tx, tw, tc, acc, full), want, err_msg=str(acc))


@st.composite
def types(draw_, most=14, modes=False):
    """A fixed-point type."""
    width = draw_(st.integers(1, most))
    signed = draw_(st.booleans())
    text = f"ap_{'' if signed else 'u'}fixed<{width},{draw_(st.integers(-2, width + 2))}"
    if modes:
        overflow = draw_(st.sampled_from(("AP_WRAP", "AP_SAT", "AP_SAT_SYM", "AP_SAT_ZERO", *(("AP_WRAP_SM",) if signed else ()))))
        count = draw_(st.integers(0, min(width, 4))) if "WRAP" in overflow else 0
        text += f",{draw_(st.sampled_from(ROUNDINGS))},{overflow},{count}"
    made = nf.parse(text + ">")
    assume(not modes or "fixed" in str(made))  # "int2" names the integers, and as an accumulator those that wrap
    return made


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    types(),
    types(),
    types(),
    types(20, True),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0),
)
def test_any_types(tx, tw, tc, acc, full, m, k, n, seed):
    rng = np.random.default_rng(seed % 2**32)
    x, w, c = draw(rng, tx, (m, k)), draw(rng, tw, (k, n)), draw(rng, tc, (n,))
    want = expected(x, w, c, tx, tw, tc, acc, full)
    np.testing.assert_array_equal(raw_matmul(x, w, c, tx, tw, tc, acc, full), want)


@pytest.mark.parametrize("acc", ["ap_fixed<40,20,AP_RND,AP_SAT>", "ap_fixed<36,10>", "ap_fixed<38,16,AP_RND_CONV,AP_WRAP_SM>",
                                 "ap_fixed<37,12,AP_TRN_ZERO,AP_SAT_ZERO>", "ap_fixed<36,14,AP_RND_INF,AP_WRAP,2>"])  # fmt: skip
@pytest.mark.parametrize("full", [False, True])
def test_wide_types_in_64_bits(acc, full):
    rng = np.random.default_rng(1)
    tx, tw, acc = nf.parse("ap_fixed<18,6>"), nf.parse("ap_fixed<19,4>"), nf.parse(acc)
    x, w = draw(rng, tx, (3, 9)), draw(rng, tw, (9, 3))
    np.testing.assert_array_equal(raw_matmul(x, w, None, tx, tw, None, acc, full), expected(x, w, None, tx, tw, None, acc, full))


def slow(x, w, start, tx, tw, acc, full):
    """Raw accumulators by the plain NumPy form of each step."""
    v = start.copy()
    for k in range(x.shape[1]):
        p = x[:, k, None] * w[k]
        frac = tx.frac_bits + tw.frac_bits
        if full:
            finest = max(frac, acc.frac_bits)
            v = fixed_rule.assigned((v << (finest - acc.frac_bits)) + (p << (finest - frac)), finest, acc)
        else:
            v = fixed_rule.assigned(v + fixed_rule.assigned(p, frac, acc), acc.frac_bits, acc)
    return v


CASES = [f"ap_fixed<{size},{q},{o}>" for size in ("16,6", "10,4", "30,12")
         for q, o in itertools.product(("AP_TRN", "AP_RND_CONV", "AP_RND_ZERO"), ("AP_WRAP", "AP_SAT", "AP_WRAP_SM"))]  # fmt: skip


@pytest.mark.parametrize("shape", [(5, 273, 40), (70, 35, 9), (2, 600, 520), (1, 4, 1)])
def test_tiles_threads_and_memory_order(shape):
    """Tiles of columns, rows and depth, the transposed product of few columns, both memory orders, one and two threads."""
    m, k, n = shape
    rng = np.random.default_rng(m)
    tx, tw = nf.parse("ap_fixed<8,3>"), nf.parse("ap_fixed<8,2>")
    x, w = draw(rng, tx, (m, k)), draw(rng, tw, (k, n))
    for text, full in itertools.product(CASES, (False, True)):
        acc = nf.parse(text)
        start = draw(rng, acc, (m, n)) if "SYM" not in text else np.zeros((m, n), np.int64)
        made = FixedAccumulator(acc, full)
        plan = made.choose(k, tx, tw, start)
        want = slow(x, w, start, tx, tw, acc, full)
        before = numba.get_num_threads()
        try:
            for count in sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)}):
                numba.set_num_threads(count)
                for left, right in (
                    (words(x, tx), np.asfortranarray(words(w, tw))),
                    (np.asfortranarray(words(x, tx)), words(w, tw)),
                    (x, w),
                ):
                    got = made.accumulate(left, right, start, (tx, tw), plan)
                    np.testing.assert_array_equal(got, want, err_msg=f"{text} {full} {plan}")
        finally:
            numba.set_num_threads(before)


def test_every_kernel_is_reached_and_told():
    x = nf.from_codes(np.zeros((2, 50), np.uint8), "ap_fixed<8,3>")
    w = nf.from_codes(np.zeros((50, 2), np.uint8), "ap_fixed<8,1>", axis=0)
    for path, kernel, said in (
        ("ap_fixed<32,16>", "sgemm", "any order is exact"),
        ("ap_fixed<45,16>", "dgemm", "any order is exact"),
        ("ap_fixed<16,6>", "free_sum", "may wait"),
        ("ap_fixed<24,14,AP_RND,AP_SAT>", "free_sum", "never acts"),
        ("ap_fixed<12,6,AP_RND,AP_SAT>", "clamped_sum", "is in range"),
        ("ap_fixed<9,3,AP_RND,AP_SAT>", "clamped_sum", "and saturate"),
        ("ap_fixed<12,6,AP_RND,AP_SAT_ZERO>", "cast_sum", "at each k"),
        ("ap_fixed<12,6,AP_RND_CONV,AP_SAT>+full", "full_sum", "each sum"),
    ):
        found = nf.datapath(path).inner.explain(x, w)
        assert found[0] == kernel
        assert said in found[1], found


def test_bounds_are_reached_but_not_passed():
    """Extreme operands at the depth where each proof just holds, and one beyond it."""
    tx, tw = nf.parse("ap_fixed<8,8>"), nf.parse("ap_fixed<8,8>")
    for path in ("ap_fixed<20,20,AP_TRN,AP_SAT>", "ap_fixed<20,18,AP_RND,AP_SAT_ZERO>", "ap_fixed<18,20,AP_RND,AP_SAT>"):
        acc = nf.parse(path)
        room = acc.max_int
        unit = max(1, (1 << 14) >> max(0, -acc.frac_bits)) << max(0, acc.frac_bits)
        for k in (room // (unit + 1), room // unit, room // unit + 1, room // unit + 9):
            x, w = np.full((2, k), -128), np.full((k, 2), -128)
            x[1], w[:, 1] = 127, 127
            got = raw_matmul(x, w, None, tx, tw, None, acc, False)
            np.testing.assert_array_equal(got, slow(x, w, np.zeros((2, 2), np.int64), tx, tw, acc, False), err_msg=f"{path} {k}")


@pytest.mark.parametrize(
    ("bits", "depth", "kernel", "beyond"), [(8, 1024, "sgemm", "dgemm"), (26, 8, "dgemm", "free_sum"), (15, 1, "clamped_sum", "")]
)
def test_floats_end_where_they_stop_being_exact(bits, depth, kernel, beyond):
    """Odd numbers near the end of the range at the last depth that BLAS may take, and at some beyond it."""
    fmt = nf.parse(f"ap_fixed<{bits},{bits}>")
    acc = nf.parse("ap_fixed<60,60,AP_RND,AP_SAT>") if beyond else nf.parse("ap_fixed<20,19,AP_RND,AP_SAT_SYM>")
    rng, made = np.random.default_rng(0), FixedAccumulator(acc)
    for k in (depth, depth + 1, depth + depth // 2, 2 * depth, 4 * depth):
        x, w = (fmt.max_int - 2 * rng.integers(0, 9, shape) for shape in ((3, k), (k, 3)))
        want = x @ w if beyond else slow(x, w, np.zeros((3, 3), np.int64), fmt, fmt, acc, False)
        plan = made.choose(k, fmt, fmt)
        assert plan.kernel == (kernel if k == depth or not beyond else beyond)
        np.testing.assert_array_equal(made.accumulate(x, w, np.zeros((3, 3), np.int64), (fmt, fmt), plan), want)


def test_a_product_one_beyond_the_range_is_cut_by_itself():
    fmt = nf.parse("ap_fixed<8,8>")
    x = np.full((1, 1), -128)
    for overflow, want in (
        ("AP_SAT", 16383 - 5),
        ("AP_SAT_SYM", 16383 - 5),
        ("AP_SAT_ZERO", -5),
        ("AP_WRAP,1", -5),
        ("AP_WRAP_SM", 16383 - 5),
    ):
        acc = nf.parse(f"ap_fixed<15,15,AP_TRN,{overflow}>")
        got = raw_matmul(x, x, np.array([-5]), fmt, fmt, fmt, acc, False)
        np.testing.assert_array_equal(got, expected(x, x, np.array([-5]), fmt, fmt, fmt, acc, False), err_msg=overflow)
        assert got[0, 0] == want


def test_weights_known_make_better_bounds():
    weights = np.array([[4, -8], [12, 0], [-4, 8]])
    known = fixed_plan.of_data(weights, 0)
    assert (known.low, known.high, known.zeros, known.total) == (-8, 12, 2, 20)
    assert fixed_plan.of_data(np.zeros((0, 3), np.int64), 0).largest == 0
    acc, tx, tw = nf.parse("ap_fixed<14,8,AP_RND,AP_SAT>"), nf.parse("ap_fixed<8,4>"), nf.parse("ap_fixed<8,4>")
    made = FixedAccumulator(acc)
    assert made.choose(3, tx, tw).kernel == "clamped_sum"
    assert made.choose(3, tx, tw, None, known).kernel == "sgemm"  # multiples of 4 lose no bits, and sums stay small
    x = np.random.default_rng(0).integers(-128, 128, (40, 3))
    for plan in (made.choose(3, tx, tw), made.choose(3, tx, tw, None, known)):
        got = fixed_sums.accumulate(x, weights, np.zeros((40, 2), np.int64), (tx, tw), acc, plan)
        np.testing.assert_array_equal(got, x @ weights >> 2)


def test_batches_and_starts():
    rng = np.random.default_rng(3)
    tx, acc = nf.parse("ap_fixed<8,3>"), nf.parse("ap_fixed<12,6,AP_RND,AP_SAT>")
    x, w, c = draw(rng, tx, (2, 1, 4, 5)), draw(rng, tx, (3, 5, 6)), draw(rng, tx, (6,))
    got = nf.matmul(tensor(x, tx), nf.from_codes(words(w, tx), tx, axis=-2), str(acc), c=tensor(c, tx))
    assert got.shape == (2, 3, 4, 6)
    for i, j in np.ndindex(2, 3):
        one = nf.matmul(tensor(x[i, 0], tx), nf.from_codes(words(w[j], tx), tx, axis=0), str(acc), c=c / 32)
        np.testing.assert_array_equal(got[i, j], one)
    whole = nf.matmul(tensor(x, tx), nf.from_codes(words(w[0], tx), tx, axis=0), str(acc))
    np.testing.assert_array_equal(whole[1, 0], nf.matmul(tensor(x[1, 0], tx), nf.from_codes(words(w[0], tx), tx, axis=0), str(acc)))


def test_nothing_to_add():
    acc = FixedAccumulator(nf.parse("ap_fixed<12,6,AP_RND,AP_SAT>"))
    types_ = nf.parse("ap_fixed<8,3>"), nf.parse("ap_fixed<8,3>")
    for m, k, n in ((2, 0, 3), (0, 4, 3), (2, 4, 0)):
        start = np.full((m, n), 7)
        got = acc.accumulate(np.zeros((m, k), np.int64), np.zeros((k, n), np.int64), start, types_, acc.choose(k, *types_, start))
        np.testing.assert_array_equal(got, start)


def test_zero_width_and_weights():
    """A type of no bits holds zero; so do weights that are all zero, whatever the binary points."""
    x = tensor(np.full((2, 3), 5), nf.parse("ap_fixed<8,3>"))
    w = nf.from_codes(np.zeros((3, 2), np.uint8), "ap_fixed<8,-700>", axis=0)
    np.testing.assert_array_equal(nf.matmul(x, w, "ap_fixed<16,6>"), np.zeros((2, 2)))
    tiny = nf.from_codes(np.array([[1, 255]] * 3, np.uint8), "ap_fixed<8,-700>", axis=0)
    for path, ends in (("ap_fixed<16,6>", (0, -3)), ("ap_fixed<16,6,AP_RND,AP_SAT>", (0, 0)), ("fixed<16,6,up,wrap>", (3, 0))):
        np.testing.assert_array_equal(nf.matmul(x, tiny, path) * 1024, [ends] * 2, err_msg=path)
    far = nf.from_codes(np.full((1, 1), 128, np.uint8), "ap_fixed<8,-700>")  # the largest product, still next to nothing
    most = nf.from_codes(np.full((1, 1), 128, np.uint8), "ap_fixed<8,3>")
    for path in ("ap_fixed<16,6,AP_RND,AP_SAT>", "ap_fixed<16,6,AP_RND_INF>", "ap_fixed<16,6>"):
        assert nf.matmul(most, far, path) == 0
    b = nf.from_codes(np.zeros((3, 2), np.uint8), "fixed<0,0>", axis=0)
    np.testing.assert_array_equal(nf.matmul(x, b, "ap_fixed<16,6,AP_RND,AP_SAT>"), np.zeros((2, 2)))


def test_apytypes_accumulator_wraps_alike():
    """apytypes' accumulator context, where it wraps (version 0.5.1 wraps where it is told to saturate, too)."""
    rng = np.random.default_rng(0)
    tx, tw = nf.parse("ap_fixed<8,3>"), nf.parse("ap_fixed<8,1>")
    x, w = draw(rng, tx, (8, 40)), draw(rng, tw, (40, 8))
    a = apy.APyFixedArray(words(x, tx).tolist(), int_bits=3, frac_bits=5)
    b = apy.APyFixedArray(words(w, tw).tolist(), int_bits=1, frac_bits=7)
    modes = apy.QuantizationMode
    for name, mode in (
        ("AP_TRN", modes.TRN),
        ("AP_RND", modes.RND),
        ("AP_RND_CONV", modes.RND_CONV),
        ("AP_RND_ZERO", modes.RND_ZERO),
    ):
        acc = nf.parse(f"ap_fixed<14,6,{name},AP_WRAP>")
        with apy.APyFixedAccumulatorContext(int_bits=6, frac_bits=8, quantization=mode, overflow=apy.OverflowMode.WRAP):
            theirs = np.array((a @ b).to_bits())
        np.testing.assert_array_equal(raw_matmul(x, w, None, tx, tw, None, acc, False) & 0x3FFF, theirs)


def test_refusals():
    x = nf.from_codes(np.zeros((2, 3), np.uint8), "ap_fixed<8,3>")
    acc = FixedAccumulator(nf.parse("ap_fixed<16,6>"))
    with pytest.raises(ValueError, match="inner dimensions"):
        nf.matmul(x, x, "ap_fixed<16,6>")
    with pytest.raises(ValueError, match="fixed-point tensor"):
        nf.matmul(np.zeros((2, 3)), x, "ap_fixed<16,6>")
    with pytest.raises(ValueError, match="at most 62"):
        FixedAccumulator(nf.parse("ap_fixed<63,6>"))
    with pytest.raises(ValueError, match="rounding stochastic"):
        FixedAccumulator(nf.parse("fixed<16,6,stochastic_a,saturate>"))
    wide = nf.from_codes(np.zeros((3, 3), np.uint32), "ap_fixed<32,3>")
    with pytest.raises(ValueError, match="needs 6"):
        nf.matmul(wide, wide, "ap_fixed<16,6>")
    with pytest.raises(ValueError, match="at least two axes"):
        nf.matmul(nf.from_codes(np.zeros(3, np.uint8), "ap_fixed<8,3>"), x, "ap_fixed<16,6>")
    with pytest.raises(ValueError, match="must broadcast"):
        nf.matmul(x, x.T, "ap_fixed<16,6>", c=np.zeros(3))
    with pytest.raises(ValueError, match="batch axes"):
        nf.matmul(tensor(np.zeros((2, 2, 3), int), acc.format), tensor(np.zeros((3, 3, 2), int), acc.format), "ap_fixed<16,6>")


def test_strings():
    names = set(nf.datapaths()["name"])
    assert {"hls4ml", "fixed<16,6,down,wrap>", "fixed<16,6,down,wrap>+full"} <= names
    assert nf.datapath("hls4ml") == nf.datapath("ap_fixed<16,6>")
    for text in (
        "ap_fixed<16,6>",
        "AP_FIXED<16,6,AP_RND,AP_SAT>+full",
        "fixed<8,3,down,wrap>",
        "ap_fixed<9,3,AP_TRN,AP_WRAP_SM,2>",
    ):
        made = nf.datapath(text)
        assert nf.datapath(str(made)) == made
    x = nf.from_codes(np.arange(6, dtype=np.uint8).reshape(2, 3), "ap_fixed<8,3>")
    values, codes = (nf.matmul(x, x.T, "ap_fixed<16,6>", returns=r) for r in ("values", "codes"))
    np.testing.assert_array_equal(nf.decode(codes, "ap_fixed<16,6>"), values)
    assert nf.explain(x, x.T, "ap_fixed<16,6>")[0].kernel == "sgemm"
    with pytest.raises(ValueError, match="unscaled fixed-point"):
        nf.matmul(
            nf.quantize(np.ones((2, 4)), "int8/token"), nf.quantize(np.ones((4, 2)), "int8/channel", axis=0), "ap_fixed<16,6>>fp32"
        )
