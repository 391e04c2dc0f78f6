"""Norms, softmax and activations step by step: Fractions, NumPy's float16, ml_dtypes' bfloat16 and torch as witnesses."""

import itertools
import platform
from fractions import Fraction
from math import inf, nan

import ml_dtypes
import numba
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.layers import stepwise
from numfmt.layers.softmax import exponentials
from numfmt.layers.stepwise import Steps
from numfmt.layers.sums import total

from .reference import float_layers as ref

ODD = "float<5,9,bias=21>"
FORMATS = {"float16": ref.FP16, "bfloat16": ref.BF16, "float32": ref.FP32, "e5m2": ref.E5M2, ODD: ref.Format(9, -20, 9)}
PAIRS = [("float16", "float16"), ("bfloat16", "bfloat16"), ("bfloat16", "float32"), ("float16", "float32"), ("float32", "float32"),
         ("e5m2", "float16"), ("e5m2", "e5m2"), ("float32", "bfloat16"), (ODD, ODD)]  # fmt: skip
ORDERS = ("sequential", "pairwise", "exact", "chunk3", "lanes4")
DIVISIONS = ("divide", "reciprocal", "rsqrt")
HARD = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    3e-45,
    -1e-40,
    6e-8,
    -6.1e-5,
    1e-3,
    0.333,
    2.0,
    100.0,
    -255.0,
    1000.5,
    65504.0,
    -65520.0,
    1e30,
    -3.4e38,
]
SPECIAL = [inf, -inf, nan]
numbers = st.one_of(st.sampled_from(HARD), st.floats(-8, 8, width=32), st.floats(width=32, allow_nan=False, allow_infinity=False))
specials = st.one_of(numbers, st.sampled_from(SPECIAL))
rows = st.one_of(
    st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=9),
    st.lists(numbers, min_size=1, max_size=9),
    st.lists(specials, min_size=1, max_size=6),
    st.builds(lambda x, n: [x] * n, numbers, st.integers(1, 9)),
)
many = settings(deadline=None, max_examples=150)


def same(got, want):
    """The same numbers, signs of zeros and NaNs."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape
    good = np.where(np.isnan(want), np.isnan(got), (got == want) & (np.signbit(got) == np.signbit(want)))
    assert good.all(), (got[~good][:4], want[~good][:4])


def data(seed, *shape, sigma=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * sigma).astype(np.float32)


x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="torch's orders are those of its x86 kernels")


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# -- against Fractions -------------------------------------------------------------------------------------------------------------


@many
@given(rows, st.sampled_from(PAIRS), st.sampled_from(ORDERS), st.sampled_from(DIVISIONS), st.data())
def test_rms_norm(xs, pair, order, division, draw):
    mean, early = draw.draw(st.sampled_from(("divide", "multiply"))), draw.draw(st.booleans())
    eps = draw.draw(st.sampled_from([0.0, 1e-6, 1e-3]))
    weight = draw.draw(st.none() | st.lists(st.floats(-4, 4, width=32), min_size=len(xs), max_size=len(xs)))
    mode = draw.draw(st.sampled_from(ref.MODES))
    rounding = "toward_zero" if mode == "rz" else None
    fmt, inner = FORMATS[pair[0]], FORMATS[pair[1]]
    inner = inner.towards_zero() if mode == "rz" else inner
    if mode == "rz" and order == "exact":
        order = "sequential"
    layer = nf.layers.RMSNorm(
        weight,
        eps=eps,
        fmt=pair[0],
        internal=pair[1],
        sum=order,
        mean=mean,
        division=division,
        cast_before_weight=early,
        rounding=rounding,
    )
    same(layer(np.array(xs)), ref.rms_norm(xs, weight, eps, fmt, inner, order, mean, division, early))


@many
@given(rows, st.sampled_from(PAIRS), st.sampled_from(ORDERS), st.sampled_from(DIVISIONS), st.data())
def test_layer_norm(xs, pair, order, division, draw):
    mean, early = draw.draw(st.sampled_from(("divide", "multiply"))), draw.draw(st.booleans())
    variance = draw.draw(st.sampled_from(("centered", "moments")))
    one_each = st.none() | st.lists(st.floats(-4, 4, width=32), min_size=len(xs), max_size=len(xs))
    weight, bias = draw.draw(one_each), draw.draw(one_each)
    layer = nf.layers.LayerNorm(
        weight, bias, eps=1e-5, fmt=pair[0], internal=pair[1], sum=order, mean=mean, division=division, variance=variance,
        cast_before_weight=early,
    )  # fmt: skip
    fmt, inner = FORMATS[pair[0]], FORMATS[pair[1]]
    want = ref.layer_norm(xs, weight, bias, 1e-5, fmt, inner, order, mean, division, early, variance)
    same(layer(np.array(xs)), want)


@many
@given(rows, st.sampled_from(PAIRS), st.sampled_from(ORDERS), st.sampled_from(("divide", "reciprocal")), st.data())
def test_softmax(xs, pair, order, division, draw):
    mask = draw.draw(st.none() | st.lists(st.booleans(), min_size=len(xs), max_size=len(xs)))
    empty, least = draw.draw(st.sampled_from(("nan", "zero"))), draw.draw(st.booleans())
    layer = nf.layers.Softmax(pair[0], internal=pair[1], sum=order, division=division, empty=empty, subtract_max=least)
    got = layer(np.array(xs), None if mask is None else np.array(mask))
    same(got, ref.softmax(xs, FORMATS[pair[0]], FORMATS[pair[1]], order, division, mask, empty, least))


@many
@given(specials, st.sampled_from(PAIRS))
def test_silu_and_gelu(x, pair):
    fmt, inner = FORMATS[pair[0]], FORMATS[pair[1]]
    for form in ("divide", "multiply"):
        same(nf.layers.SiLU(pair[0], internal=pair[1], method=form)(np.array([x])), [ref.silu(x, fmt, inner, form)])
    for approximate in ("none", "tanh"):
        layer = nf.layers.GELU(pair[0], internal=pair[1], method="steps", approximate=approximate)
        same(layer(np.array([x])), [ref.gelu(x, fmt, inner, approximate)])


def test_long_rows_of_every_order():
    x = data(0, 2, 203, sigma=3)
    for pair, order in itertools.product(PAIRS[:5], ORDERS):
        fmt, inner = FORMATS[pair[0]], FORMATS[pair[1]]
        got = nf.layers.LayerNorm(fmt=pair[0], internal=pair[1], sum=order)(x)
        same(
            got, [ref.layer_norm(r, None, None, 1e-5, fmt, inner, order, "divide", "divide", False, "centered") for r in x.tolist()]
        )


# -- other witnesses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), [("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16)])
def test_numpy_and_ml_dtypes_step_by_step(name, dtype):
    """Both round every operation of their 16-bit types; exp is compared where it is given."""
    n = 75
    x, w, b = data(1, 40, n, sigma=4).astype(dtype), data(2, n).astype(dtype), data(3, n).astype(dtype)
    got = nf.layers.LayerNorm(w, b, fmt=name, eps=1e-5)(x)
    soft = nf.layers.Softmax(name)(x)
    exp = nf.layers.Exp(name)
    for row, mine, probabilities in zip(x, got, soft, strict=True):
        s = dtype(0)
        for value in row:
            s = s + value
        d = row - s / dtype(n)
        v = dtype(0)
        for value in d * d:
            v = v + value
        y = d / np.sqrt(v / dtype(n) + dtype(1e-5)) * w + b
        assert y.dtype == dtype
        same(mine, y.astype(np.float32))
        e = exp(row - row.max()).astype(dtype)
        s = dtype(0)
        for value in e:
            s = s + value
        same(probabilities, (e / s).astype(np.float32))


@x86
@pytest.mark.parametrize("n", [1, 7, 64, 576, 1000, 2048, 5003])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_rms_norm_has_the_bits_of_torch_and_hugging_face(n, dtype, one_thread):
    """LlamaRMSNorm is five lines of torch: float32, mean of squares, rsqrt, back to the dtype, weight."""
    name = str(dtype).removeprefix("torch.")
    generator = torch.Generator().manual_seed(n)
    x = (torch.randn(60, n, generator=generator) * 3).to(dtype)
    x[0], x[1] = 0, 1e-3
    w = torch.rand(n, generator=generator).to(dtype)
    wide = x.float()
    llama = w * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)).to(dtype)
    assert torch.equal(nf.layers.RMSNorm.huggingface(w, fmt=name)(x), llama.float())
    assert torch.equal(nf.layers.RMSNorm.torch(w, fmt=name)(x), F.rms_norm(x, (n,), w, 1e-6).float())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_activations_against_torch_on_every_input(dtype):
    name = str(dtype).removeprefix("torch.")
    x = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(dtype)

    def differing(layer, theirs):
        mine, theirs = layer(x), theirs.float()
        return int((~((mine == theirs) | (mine.isnan() & theirs.isnan()))).sum())

    assert differing(nf.layers.SiLU.torch(name), F.silu(x)) == 0
    assert differing(nf.layers.ReLU(name), F.relu(x)) == 0
    assert differing(nf.layers.Sqrt(name), x.sqrt()) == 0
    assert differing(nf.layers.Exp(name), x.exp()) <= 10  # torch's vector exp is not correctly rounded
    assert differing(nf.layers.GELU.torch(name), F.gelu(x)) < 1300  # 1 + erf cancels, torch's erf is a short polynomial
    assert differing(nf.layers.GELU.torch(name, approximate="tanh"), F.gelu(x, approximate="tanh")) < 60


@x86
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_layer_norm_has_the_bits_of_torch(dtype, one_thread):
    """Rows shorter and longer than vectors, chunks and the levels of the cascade; weight and bias given or not."""
    name = str(dtype).removeprefix("torch.")
    for n in (1, 3, 8, 15, 16, 31, 100, 129, 256, 296, 344, 768, 1000, 2048):
        x = torch.from_numpy(data(n, 120, n, sigma=3) + 1).to(dtype)
        x[0] = 2
        w, b = (torch.from_numpy(data(i, n)).to(dtype) for i in (6, 7))
        for weight, bias in ((w, b), (w, None), (None, b), (None, None)):
            theirs = F.layer_norm(x, (n,), weight, bias)
            assert torch.equal(nf.layers.LayerNorm.torch(weight, bias, fmt=name)(x), theirs.float()), (
                n,
                weight is None,
                bias is None,
            )


@pytest.mark.parametrize(("name", "unit"), [("bfloat16", 2.0**-7), ("float16", 2.0**-10)])
def test_softmax_stays_within_a_unit_of_torch(name, unit):
    x = torch.from_numpy(data(5, 60, 768, sigma=3)).to(getattr(torch, name))
    mine, theirs = nf.layers.Softmax.torch(name)(x), F.softmax(x, -1).float()
    assert float((mine != theirs).float().mean()) < 0.002
    assert bool(((mine - theirs).abs() <= unit * theirs.abs().clamp(min=2.0**-13)).all())


def test_functions_rounded_once():
    x = data(8, 4096, sigma=6)
    for layer, name in ((nf.layers.GELU, "gelu"), (nf.layers.SiLU, "silu"), (nf.layers.Exp, "exp")):
        for fmt in ("float16", "float32", "e4m3fn"):
            values = nf.cast(x, fmt)
            same(layer(fmt)(x), nf.decode(nf.elementary(name, values.astype(object), fmt, returns="codes"), fmt)[: x.size])


# -- the ways agree ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "e5m2", "float<6,9>", "float<4,3>", "float<8,17>"])
def test_kernels_give_the_bits_of_single_operations(name, monkeypatch):
    x = data(9, 70, 130, sigma=5)
    x[:4, :9] = [[1e30] * 9, [3e-45] * 9, [-0.0] * 9, [inf, nan, -inf, 1, 2, 3, 4, 5, 6]]
    x[4], x[5], x[6] = 0, 65504, 1e-42
    w, b = data(10, 130), data(11, 130)
    inner = "float32" if name in ("e5m2", "float<4,3>") else name

    def run():
        for order in ("sequential", "chunk16", "lanes8", "pairwise"):
            yield nf.layers.LayerNorm(w, b, fmt=name, sum=order)(x)
            yield nf.layers.RMSNorm(w, fmt=name, internal=inner, sum=order, division="reciprocal", cast_before_weight=True)(x)
            yield nf.layers.Softmax(name, internal=inner, sum=order)(x)
            yield nf.layers.Softmax(name, sum=order, division="reciprocal", exponential="exp2")(x, x > -3)

    with np.errstate(invalid="ignore"):
        quick = list(run())
    monkeypatch.setattr(stepwise, "_lanes", lambda fmt: None)
    monkeypatch.setattr(stepwise.Steps, "native", False)
    for mine, plain in zip(quick, run(), strict=True):
        same(mine, plain)


def test_exponentials_decided_by_more_digits():
    """With a margin that sends many elements the long way, the results are the same."""
    for name in ("float16", "float32"):
        steps = Steps(name)
        x, zero = steps.cast(data(12, 20, 300, sigma=9)), np.zeros((20, 1), np.float32)
        same(exponentials(x, zero, steps, margin=2.0**-26), exponentials(x, zero, steps))
        same(exponentials(x, zero, steps), steps.function("exp", x))


def test_single_exponential_on_many_numbers():
    x = np.random.default_rng(15).uniform(-104.5, 89.5, 400_000).astype(np.float32)
    same(nf.elementary("exp", x, "float32"), nf.decode(nf.elementary("exp", x, "float32", returns="codes"), "float32"))


def test_single_functions_agree_with_the_codes():
    x = np.concatenate(
        [data(13, 20000, sigma=20), np.float32([0, -0.0, inf, -inf, nan, 1, 1e-45, -1e-45, 1e-38, 88.72284, -103.9721, 3e38])]
    )
    from numfmt.formats.functions import FUNCTIONS

    for name in FUNCTIONS:
        codes = nf.elementary(name, x, "float32", returns="codes")
        same(nf.elementary(name, x, "float32"), nf.decode(codes, "float32"))


@pytest.mark.parametrize("layer", [
    nf.layers.LayerNorm(fmt="float16"), nf.layers.LayerNorm.torch(), nf.layers.RMSNorm.huggingface(),
    nf.layers.Softmax("float16", internal="float32"),
    nf.layers.Softmax(sum="exact"), nf.layers.SiLU("bfloat16"), nf.layers.GELU("float32", method="steps"),
], ids=repr)  # fmt: skip
def test_threads_and_order_in_memory(layer):
    x = data(14, 700, 600)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = layer(x)
        numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
        same(layer(x), one)
    finally:
        numba.set_num_threads(before)
    same(layer(np.asfortranarray(x)), one)
    same(layer(x[::2, ::-1][:, ::-1]), one[::2])
    same(layer(x.reshape(7, 100, 600)), one.reshape(7, 100, 600))
    got = layer(torch.from_numpy(x))
    assert isinstance(got, torch.Tensor)
    same(got.numpy(), one)


def test_fixed_point_softmax():
    """fixed<24,8>: rounds down and wraps; exp, sum and quotient each."""
    x = [[0.5, -1.25, 3.75, 2.0], [1.0, 1.0, 1.0, 1.0]]

    def fixed(value):
        return Fraction((value * 2**16).__floor__(), 2**16)

    for row in x:
        e = [fixed(Fraction(float(np.exp(v - max(row))))) for v in row]
        want = [float(fixed(v / sum(e))) for v in e]
        for order in ("sequential", "pairwise", "exact", "chunk2"):
            same(nf.layers.Softmax("ap_fixed<24,8>", sum=order)(np.array(row)), want)


# -- ends --------------------------------------------------------------------------------------------------------------------------


def test_sums_that_overflow_and_cancel():
    steps = Steps("float16")
    x = np.float32([[65504, 65504, -65504, 1], [1, 2048, 1, -2048], [inf, -inf, 0, 0], [-0.0, -0.0, -0.0, -0.0]])
    same(total(x, steps, "sequential").ravel(), [inf, 0, nan, 0])
    same(total(x, steps, "pairwise").ravel(), [inf, 1, nan, -0.0])
    same(total(x, steps, "exact").ravel(), [65504, 2, nan, 0])


def test_rows_of_one_and_of_equal_elements():
    x = np.float32([[3.0], [-7.0], [0.0]])
    same(nf.layers.LayerNorm(fmt="float16")(x), np.zeros((3, 1)))
    same(nf.layers.Softmax("float16")(x), np.ones((3, 1)))
    same(nf.layers.Softmax("bfloat16")(np.full((2, 8), -3.3e38)), np.full((2, 8), 0.125))
    assert np.isnan(nf.layers.LayerNorm(fmt="float16", eps=0)(np.ones((1, 4)))).all()  # 0 / 0
    same(nf.layers.LayerNorm(np.ones(4), np.full(4, 0.5), fmt="float16", eps=1e-3)(np.full((1, 4), 5.0)), np.full((1, 4), 0.5))


def test_masked_rows():
    x = np.float32([[1, 2, 3], [nan, inf, 5], [-inf, -inf, -inf]])
    mask = np.array([[True, True, False], [False, False, True], [True, True, True]])
    got = nf.layers.Softmax("float16")(x, mask)
    same(got[1], [0, 0, 1])
    assert np.isnan(got[2]).all()
    assert got[0, 2] == 0 == nf.layers.Softmax("float16", empty="zero")(x, mask)[2].max()
    same(nf.layers.Softmax(empty="zero")(x, np.zeros(3, bool)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="no NaN"):
        nf.layers.Softmax("ap_fixed<16,6>")(np.ones(3), np.zeros(3, bool))


def test_empty_and_scalar():
    assert nf.layers.Softmax()(np.zeros((0, 5))).shape == (0, 5)
    assert nf.layers.SiLU("float16")(np.zeros((3, 0))).shape == (3, 0)
    assert nf.layers.SiLU()(0.0).shape == ()
    with pytest.raises(ValueError, match="empty"):
        nf.layers.LayerNorm()(np.zeros((5, 0)))
    with pytest.raises(ValueError, match="last axis"):
        nf.layers.Softmax()(1.0)


def test_formats_without_nan_say_so():
    with pytest.raises(ValueError, match="cannot hold"):
        nf.layers.Sqrt("e2m1")(np.float32([-1.0]))
    same(nf.layers.Sqrt("e2m1")(np.float32([4.0, 0.5])), [2.0, 0.5])
    with pytest.raises(ValueError, match="NaN"):
        nf.layers.Softmax("e2m1", sum="sequential")(np.float32([nan, 1.0]))


@pytest.mark.parametrize(("make", "words"), [
    (lambda: nf.layers.RMSNorm(eps=-1e-6), "eps"), (lambda: nf.layers.LayerNorm(eps=nan), "eps"),
    (lambda: nf.layers.RMSNorm(np.ones((2, 2))), "weight"), (lambda: nf.layers.LayerNorm(np.ones(3), np.ones(4)), "bias"),
    (lambda: nf.layers.RMSNorm([1.0, nan]), "NaN"), (lambda: nf.layers.RMSNorm(sum="fast"), "sequential"),
    (lambda: nf.layers.RMSNorm(sum="chunk0"), "sum="), (lambda: nf.layers.RMSNorm(fmt="float16", sum="torch"), "float32"),
    (lambda: nf.layers.RMSNorm(division="newton"), "division"), (lambda: nf.layers.LayerNorm(variance="welford"), "variance"),
    (lambda: nf.layers.LayerNorm(mean="median"), "mean"), (lambda: nf.layers.Softmax(division="rsqrt"), "division"),
    (lambda: nf.layers.Softmax(empty="one"), "empty"), (lambda: nf.layers.Softmax(exponential="e"), "exponential"),
    (lambda: nf.layers.GELU(approximate="erf"), "approximate"), (lambda: nf.layers.SiLU(method="table"), "method"),
    (lambda: nf.layers.Softmax(rounding="stochastic_a"), "stochastic"), (lambda: nf.layers.Softmax("float99"), "float99"),
    (lambda: nf.layers.LayerNorm(np.ones(4))(np.ones((2, 5))), "last axis"), (lambda: nf.layers.Softmax("posit<64,2>"), "float64"),
    (lambda: nf.layers.Softmax(sum="exact", fmt="float64"), "exact"),
        (lambda: nf.layers.Softmax()(np.ones(3), np.ones(3)), "booleans"),
    (lambda: nf.layers.Softmax()(np.ones(3), np.ones(4, bool)), "broadcast"),
        (lambda: nf.layers.Activation("y = sinh(x)"), "functions"),
])  # fmt: skip
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_programs_are_told():
    text = nf.layers.LayerNorm(np.ones(4), fmt="float16", internal="float32", division="rsqrt").program
    assert text.splitlines() == [
        "# each line rounded to float32; sums: sequential", "x = float16(x)", "m = sum(x)", "m = m / n", "d = x - m", "q = d * d",
        "v = sum(q)", "v = v / n", "t = v + eps", "r = rsqrt(t)", "y = d * r", "y = y * weight", "y = float16(y)",
    ]  # fmt: skip
    assert "y = bfloat16(y)" in nf.layers.RMSNorm.huggingface(np.ones(2)).program
    assert "e = exp(d)" in nf.layers.Softmax().program
    assert "erf" in nf.layers.GELU(method="steps").program
    assert "y = fma(x, r, b)" in nf.layers.LayerNorm.torch().program
    custom = nf.layers.Activation("s = sigmoid(1.702 * x); y = x * s", "bfloat16")
    same(
        custom(np.float32([1.0])),
        nf.multiply(1.0, nf.elementary("sigmoid", nf.cast(1.702, "bfloat16"), "bfloat16"), "bfloat16").reshape(1),
    )
