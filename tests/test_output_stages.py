"""Output stages of a datapath, and the named ones: against plain integers, PyTorch's quantized linear, and packed words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

from .reference import datapaths as ref

torch = pytest.importorskip("torch")


def doubled_high_product(a, b):
    """gemmlowp's SaturatingRoundingDoublingHighMul of int32."""
    nudge = 2**30 if a * b >= 0 else 1 - 2**30
    total = a * b + nudge
    return min(abs(total) // 2**31 * (1 if total >= 0 else -1), 2**31 - 1)


def shifted(x, places):
    """gemmlowp's RoundingDivideByPOT."""
    mask = (1 << places) - 1
    rest = x & mask
    return (x >> places) + (rest > (mask >> 1) + (x < 0))


def tflite(acc, multiplier, zero):
    fraction, exponent = np.frexp(multiplier)
    q = int(np.floor(fraction * 2.0**31 + 0.5))
    if q == 2**31:
        q, exponent = q // 2, exponent + 1
    left, right = max(int(exponent), 0), max(-int(exponent), 0)
    made = shifted(doubled_high_product(acc << left, q), right) + zero
    return min(max(made, -128), 127)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_tflite_layers(seed):
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 60))
    a, b = rng.integers(-255, 256, (4, depth)), rng.integers(-128, 128, (depth, 5))
    bias = rng.integers(-(2**20), 2**20, 5)
    multiplier = 10.0 ** rng.uniform(-5, -1, 5)
    got = nf.matmul(a, b, "tflite", bias=bias, multiplier=multiplier, zero_point=-3)
    want = [[tflite(int(a[i] @ b[:, j]) + int(bias[j]), multiplier[j], -3) for j in range(5)] for i in range(4)]
    np.testing.assert_array_equal(got, want)
    codes = nf.matmul(a, b, "tflite", bias=bias, multiplier=multiplier, zero_point=-3, returns="codes")
    np.testing.assert_array_equal(codes.view(np.int8), want)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize("per_channel", [False, True])
def test_pytorch_quantized_linear(per_channel):
    """FBGEMM's linear, scales and zero points as PyTorch forms them."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("this PyTorch has no FBGEMM")
    torch.backends.quantized.engine = "fbgemm"
    rng = np.random.default_rng(0)
    x = rng.integers(0, 128, (16, 96)).astype(np.uint8)  # 7 bits: without VNNI the machine's pairs would saturate
    w = rng.integers(-128, 128, (24, 96)).astype(np.int8)
    bias = rng.standard_normal(24).astype(np.float32)
    sx, zx, so, zo = np.float32(0.037), 11, np.float32(0.21), 131
    sw = (
        (rng.random(24).astype(np.float32) * np.float32(0.02) + np.float32(0.001))
        if per_channel
        else np.full(24, 0.013, np.float32)
    )
    qx = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x), float(sx), zx)
    if per_channel:
        scales = torch.from_numpy(sw.astype(np.float64))
        qw = torch._make_per_channel_quantized_tensor(torch.from_numpy(w), scales, torch.zeros(24, dtype=torch.long), 0)
    else:
        qw = torch._make_per_tensor_quantized_tensor(torch.from_numpy(w), float(sw[0]), 0)
    packed = torch.ops.quantized.linear_prepack(qw, torch.from_numpy(bias))
    want = torch.ops.quantized.linear(qx, packed, float(so), zo).int_repr().numpy()
    added = np.rint(bias / (sx * sw)).astype(np.int64)
    ratio = (sx * sw) / so
    a, b = x.astype(np.int64) - zx, w.T.astype(np.int64)
    got = nf.matmul(a, b, "int32|bias|rescale=fp32_lrint|offset|cast=uint8", bias=added, multiplier=ratio, zero_point=zo)
    # FBGEMM adds the float bias to the float accumulator before rounding; without a bias the words are equal
    assert np.abs(got - want.astype(np.int64)).max() <= 1
    plain = torch.ops.quantized.linear(qx, torch.ops.quantized.linear_prepack(qw, None), float(so), zo).int_repr().numpy()
    got = nf.matmul(a, b, "fbgemm", bias=np.zeros(24, int), multiplier=ratio, zero_point=zo)
    np.testing.assert_array_equal(got, plain)


def test_multipliers_formed_from_scales():
    rng = np.random.default_rng(3)
    a = nf.quantize(rng.standard_normal((6, 32)).astype(np.float32), "int8/tensor")
    b = nf.quantize(rng.standard_normal((5, 32)).astype(np.float32), "int8/channel")
    sums = a.row_values().astype(np.int64) @ b.row_values().astype(np.int64).T
    out = np.float32(0.31)
    sa, sb = np.float32(a.row_scales.reshape(-1)[0]), b.row_scales[:, 0].astype(np.float32)
    made = {
        "hawqv3": (sa.astype(np.float64) * sb).astype(np.float32).astype(np.float64) / np.float64(out),
        "tflite_double": sa.astype(np.float64) * sb.astype(np.float64) / np.float64(out),
        "fp32_lrint": ((sa * sb) / out).astype(np.float64),
    }
    for convention, multiplier in made.items():
        got = nf.matmul(a, b.T, f"int32|rescale={convention}", out_scale=out)
        np.testing.assert_array_equal(got, nf.requantize(sums, multiplier, convention))
    np.testing.assert_array_equal(
        nf.matmul(a, b.T, "hawqv3", bias=np.zeros(5, int), out_scale=out),
        np.clip(nf.requantize(sums, made["hawqv3"], "hawqv3"), -128, 127),
    )


def test_stages_in_their_order():
    a, b = np.array([[3, -5]]), np.array([[7, -7, 1], [1, 1, 9]])
    sums = a @ b  # 16, -26, -42
    kw = {"multiplier": 0.5, "zero_point": 10}
    np.testing.assert_array_equal(nf.matmul(a, b, "int32|rescale=tflite_double|relu|offset", **kw), [[18, 10, 10]])
    np.testing.assert_array_equal(nf.matmul(a, b, "int32|rescale=tflite_double|offset|relu", **kw), [[18, 10, 10]])
    np.testing.assert_array_equal(nf.matmul(a, b, "int32|rescale=tflite_double|offset|clip=0:15", **kw), [[15, 0, 0]])
    np.testing.assert_array_equal(nf.matmul(a, b, "int32|relu"), np.maximum(sums, 0))
    np.testing.assert_array_equal(nf.matmul(a, b, "int6|bias", bias=[20, 0, 0]), [[-28, -26, 22]])
    np.testing.assert_array_equal(nf.matmul(a, b, "int6+saturate|bias", bias=[20, 0, -9]), [[31, -26, -32]])
    np.testing.assert_array_equal(nf.matmul(a, b, "int6|bias", bias=[20, 0, 0], returns="codes"), [[36, 38, 22]])


def test_float_stages():
    rng = np.random.default_rng(4)
    x, w, bias = (rng.standard_normal(s).astype(np.float32) for s in ((5, 16), (16, 7), (7,)))
    got = nf.matmul(x, w, "fp32|bias|relu|cast=bfloat16", bias=bias)
    want = nf.cast(np.maximum(nf.matmul(x, w, "fp32") + bias, np.float32(0)), "bfloat16")
    np.testing.assert_array_equal(got.astype(np.float32), want.astype(np.float32))
    words = nf.matmul(x, w, "fp32|bias|relu|cast=bfloat16", bias=bias, returns="codes")
    np.testing.assert_array_equal(words, nf.encode(want, "bfloat16"))
    half = nf.matmul(nf.cast(x, "float16"), nf.cast(w, "float16"), "fp16|bias", bias=bias.astype(np.float16))
    for i in range(5):
        for j in range(7):
            total = ref.float_dot(nf.cast(x, "float16")[i].tolist(), nf.cast(w, "float16")[:, j].tolist(), ref.FP16)
            assert half[i, j] == ref.add(total, float(np.float16(bias[j])), ref.FP16)
    got = nf.matmul(np.array([[np.nan, 1.0]], np.float32), np.eye(2, dtype=np.float32), "fp32|relu|clip=0:6")
    assert np.isnan(got).all()


def test_batches_and_tensors():
    rng = np.random.default_rng(5)
    a, b = rng.integers(-9, 9, (2, 3, 4)), rng.integers(-9, 9, (4, 5))
    got = nf.matmul(
        torch.from_numpy(a), torch.from_numpy(b), "int32|bias|rescale=exact_half_even", bias=np.arange(5), multiplier=0.25
    )
    assert isinstance(got, torch.Tensor)
    np.testing.assert_array_equal(got.numpy(), np.rint((a @ b + np.arange(5)) * 0.25))


def test_pairs_that_saturate_without_vnni():
    """PyTorch issue 44939: 211 * 71 + 171 * 107 = 33278 leaves 16 bits."""
    a, b = np.array([[211, 171, 1]]), np.array([[71], [107], [2]])
    assert nf.matmul(a, b, "x86.vpmaddubsw")[0, 0] == 32767 + 2
    assert nf.matmul(a, b, "int32")[0, 0] == 33278 + 2


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 5), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_two_products_in_one_slice(rows, depth, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-128, 128, (rows, depth)), rng.integers(-128, 128, (depth, 2))
    if seed % 3 == 0:
        a[:], b[:] = -128, -128  # the lower sum leaves 18 bits from the eighth product on
    got = nf.matmul(a, b, "dsp48e2.int8x2")
    for i in range(0, rows, 2):
        for j in range(2):
            word = 0
            for k in range(depth):
                lower = int(a[i + 1, k]) if i + 1 < rows else 0
                word += ((int(a[i, k]) << 18) + lower) * int(b[k, j])
                word = ref.wrap(word, 48)
            low = ref.wrap(word, 18)
            assert got[i, j] == (word - low) >> 18
            if i + 1 < rows:
                assert got[i + 1, j] == low
    np.testing.assert_array_equal(nf.matmul(a, b, "dsp48e2.int8x2+chunk7>int32"), a @ b)


def test_slices_wrap_at_48_bits():
    a, b = np.full((1, 40), (1 << 26) - 1), np.full((40, 1), (1 << 17) - 1)
    exact = 40 * ((1 << 26) - 1) * ((1 << 17) - 1)
    assert nf.matmul(a, b, "dsp48e2")[0, 0] == ref.wrap(exact, 48) != exact
    assert nf.matmul(a, b, "dsp58")[0, 0] == exact
    with pytest.raises(ValueError, match="25 by 18"):
        nf.matmul(a, b, "dsp48e1")
    both = np.full((1, 2), 1 << 18), np.full((2, 1), -(1 << 18))  # 20 and 19 bits: too wide for the narrow port
    with pytest.raises(ValueError, match="27 by 18"):
        nf.matmul(*both, "dsp48e2")
    assert nf.matmul(*both, "dsp58")[0, 0] == -(1 << 37)
    with pytest.raises(ValueError, match="takes int8"):
        nf.matmul(a, b, "dsp48e2.int8x2")


@pytest.mark.parametrize(
    "path",
    [
        "int32|bias|rescale=tflite_double|offset|cast=int8",
        "fp16+chunk4>fp32|bias|relu|clip=-1.5:6|cast=fixed<8,3>",
        "int16+saturate+chunk2>int32|relu",
        "dsp48e2.int8x2+chunk7>int32|rescale=hawqv3",
    ],
)
def test_strings_round_trip(path):
    made = nf.datapath(path)
    assert nf.datapath(str(made)) == made
    assert hash(made) == hash(nf.datapath(str(made)))


def test_every_named_datapath_parses_and_round_trips():
    for name in nf.datapaths().name:
        made = nf.datapath(name)
        assert nf.datapath(str(made)) == made


ONE = np.ones((2, 2), np.float32)


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("int32|scale", {}, "output stage"),
        ("int32|relu|bias", {"bias": 1}, "must be the first"),
        ("int32|offset|rescale=hawqv3", {"multiplier": 1, "zero_point": 0}, "behind"),
        ("int32|rescale=hawq", {"multiplier": 1}, "hawqv3"),
        ("int32|rescale", {"multiplier": 1}, "malformed"),
        ("int32|clip=3:1", {}, "empty"),
        ("int32|clip=a:b", {}, "malformed"),
        ("int32|relu|relu", {}, "twice"),
        ("int32|bias", {}, "give bias"),
        ("int32|offset", {}, "give zero_point"),
        ("int32|rescale=hawqv3", {}, "multiplier"),
        ("int32|rescale=hawqv3", {"multiplier": 1, "out_scale": 1}, "both"),
        ("int32", {"bias": 1}, "no stage bias"),
        ("int32", {"zero_point": 1}, "no stage offset"),
        ("fp32|rescale=hawqv3", {"multiplier": 1}, "integer accumulator"),
        ("int32|bias", {"bias": 0.5}, "not integers"),
        ("int32|bias", {"bias": np.ones(3)}, "broadcast"),
        ("int32|clip=0.5:2", {}, "no integer"),
        ("int32|relu", {"returns": "codes"}, "no format"),
        ("int32|cast=int99x", {}, "int99x"),
    ],
)
def test_refusals(path, options, words):
    with pytest.raises(ValueError, match=words):
        nf.matmul(ONE, ONE, path, **options)


def test_grouped_scales_take_no_rescale():
    q = nf.quantize(np.ones((2, 8), np.float32), "int8/g4")
    with pytest.raises(ValueError, match="2 scales a row"):
        nf.matmul(q, q.T, "int32|rescale=hawqv3", out_scale=1.0)


def test_layers_refuse_stages():
    with pytest.raises(ValueError, match="output stages"):
        nf.layers.Linear(ONE, path="fp32|relu")(ONE)
