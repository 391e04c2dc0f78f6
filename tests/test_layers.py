"""Linear and Conv2d against plain models of their datapath and against torch.nn.functional."""

import itertools
import sys
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch

import numfmt as nf
from numfmt.layers import conv

from .reference import datapaths as ref


def data(seed, *shape, sigma=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * sigma).astype(np.float32)


def with_bias(total, bias):
    """y + bias with one rounding to float32."""
    return total if bias is None else ref.round_real(Fraction(total) + Fraction(float(bias)), ref.FP32)


def plain_linear(a, w, bias, dot, outer=ref.FP32):
    """Rows of quantized a against rows of quantized w, run by run."""

    def facts(q):
        scales = np.ones(q.row_codes.shape) if q.row_scales is None else q._spread(q.row_scales)
        return q.row_values().astype(float).tolist(), scales.astype(float).tolist()

    (x, sx), (y, sy) = facts(a), facts(w)
    return np.array(
        [
            [
                with_bias(ref.scaled_dot(x[i], sx[i], y[j], sy[j], dot, outer), None if bias is None else bias[j])
                for j in range(len(y))
            ]
            for i in range(len(x))
        ]
    )


LINEAR = [
    ("int8/token", "int4/g16", "int32>fp32", partial(ref.integer_dot, width=32), ref.FP32),
    ("int8/tensor", "int8/channel", "int32>fp32", partial(ref.integer_dot, width=32), ref.FP32),
    ("int8/token+asym", "int4/g8+asym", "int32>fp32", partial(ref.integer_dot, width=32), ref.FP32),
    ("int8/g16", "int4/channel", "int10+saturate>fp16", partial(ref.integer_dot, width=10, saturate=True), ref.FP16),
    ("float16", "bitmod4/g16", "fp16>fp32", partial(ref.float_dot, fmt=ref.FP16), ref.FP32),
    ("float16", "nf4/g16", None, ref.exact_dot, ref.FP32),
    ("e4m3fn/token", "mxfp4/g32", "exact>bf16", ref.exact_dot, ref.BF16),
    ("float16", "float16", None, ref.exact_dot, ref.FP32),
]


@pytest.mark.parametrize(("a", "w", "path", "dot", "outer"), LINEAR)
def test_linear_is_its_datapath(a, w, path, dot, outer):
    x, weight, bias = data(0, 2, 3, 32), data(1, 4, 32, sigma=0.1), data(2, 4)
    layer = nf.layers.Linear(weight, bias, weight_scheme=w, activation_scheme=a, path=path)
    got = layer(x)
    assert got.shape == (2, 3, 4)
    assert got.dtype == np.float32
    rows = nf.quantize(x.reshape(6, 32), a)
    np.testing.assert_array_equal(got.reshape(6, 4), plain_linear(rows, nf.quantize(weight, w), bias, dot, outer))
    plain = nf.layers.Linear(nf.quantize(weight, w), activation_scheme=a, path=path)(x)
    np.testing.assert_array_equal(plain.reshape(6, 4), plain_linear(rows, nf.quantize(weight, w), None, dot, outer))
    assert (layer.out_features, layer.in_features) == (4, 32)


def test_linear_on_unscaled_paths():
    x, weight, bias = data(0, 3, 16), data(1, 4, 16), data(2, 4)
    half = np.float16
    for path, fmt in (("fp16", ref.FP16), ("fp32+fma", ref.FP32)):
        got = nf.layers.Linear(weight, bias, path=path)(x)
        dot = partial(ref.float_dot, fmt=fmt, fused="fma" in path)
        for i, j in itertools.product(range(3), range(4)):
            total = dot(x[i].astype(half).astype(float).tolist(), weight[j].astype(half).astype(float).tolist())
            assert got[i, j] == with_bias(total, bias[j])
    codes = np.rint(data(3, 4, 16, sigma=40))
    whole = nf.layers.Linear(codes, bias, weight_scheme="int8", activation_scheme="int8", path="int32")(codes[:2])
    exact = codes[:2].clip(-128, 127) @ codes.clip(-128, 127).T
    np.testing.assert_array_equal(whole, (exact.astype(np.float64) + bias).astype(np.float32))


def test_the_bias_is_added_with_one_rounding():
    """An exact float64 sum plus a bias: rounding to float64 in between would fall on a tie of float32."""
    x, w = np.array([[1.0 + 2.0**-23, 2.0**-24]], np.float32), np.ones((1, 2), np.float32)
    for bias, want in ((2.0**-80, 1 + 2.0**-22), (-(2.0**-80), 1 + 2.0**-23)):
        layer = nf.layers.Linear(
            w, np.array([bias], np.float32), weight_scheme="float32", activation_scheme="float32", path="exact"
        )
        assert layer(x).item() == want


def test_weights_dequantized_in_front_of_the_multipliers():
    x, weight = data(0, 3, 32), data(1, 4, 32, sigma=0.1)
    for scheme, dtype in (("int4/g16", np.float16), ("bitmod3/g16", np.float16), ("nf4/g16", np.float32)):
        operand = np.dtype(dtype).name
        layer = nf.layers.Linear(weight, weight_scheme=scheme, path="fp32", weight_operand=operand)
        q = nf.quantize(weight, scheme)
        exact = q.row_values().astype(np.float64) * q._spread(q.row_scales)
        want = nf.matmul(x.astype(np.float16), exact.astype(dtype).T, "fp32")
        np.testing.assert_array_equal(layer(x), want)
        assert layer.weight.scheme == q.scheme
        assert str(layer.operand.scheme) == operand
    unscaled = nf.layers.Linear(weight, weight_scheme="float32", path="fp32", weight_operand="float16")
    np.testing.assert_array_equal(unscaled(x), nf.matmul(x.astype(np.float16), weight.astype(np.float16).T, "fp32"))


def test_linear_near_torch():
    x, weight, bias = data(0, 5, 64), data(1, 8, 64), data(2, 8)
    layer = nf.layers.Linear(weight, weight_scheme="float32", activation_scheme="float32")
    want = torch.nn.functional.linear(torch.from_numpy(x).double(), torch.from_numpy(weight).double())
    got = layer(torch.from_numpy(x))
    assert isinstance(got, torch.Tensor)
    assert got.dtype == torch.float32
    np.testing.assert_array_equal(got.numpy(), want.float().numpy())  # the sum of these is exact enough to round alike
    np.testing.assert_array_equal(layer(x), got.numpy())
    biased = nf.layers.Linear(weight, bias, weight_scheme="float32", activation_scheme="float32")(x)
    np.testing.assert_array_equal(biased, want.float().numpy() + bias)


GEOMETRY = [
    {},
    {"stride": 2},
    {"padding": 1},
    {"dilation": 2},
    {"stride": 2, "padding": 2, "dilation": 2},
    {"groups": 2, "padding": 1},
    {"groups": 4, "stride": 3},
]


@pytest.mark.parametrize("geometry", GEOMETRY, ids=str)
def test_conv_geometry_equals_torch_exactly_on_integers(geometry):
    """Integer codes and power-of-two scales: torch's float64 convolution is exact."""
    rng = np.random.default_rng(0)
    groups = geometry.get("groups", 1)
    x = rng.integers(-7, 8, (2, 4, 9, 8)).astype(np.float32)
    weight = rng.integers(-7, 8, (8, 4 // groups, 3, 2)).astype(np.float32)
    bias = rng.integers(-50, 50, 8).astype(np.float32)
    want = torch.nn.functional.conv2d(*(torch.from_numpy(v).double() for v in (x, weight, bias)), **geometry)
    for path in ("exact", "exact>fp32", "fp32", "int32", "int32>fp32"):
        layer = nf.layers.Conv2d(weight, bias, weight_scheme="int4", activation_scheme="int4", path=path, **geometry)
        got = layer(x)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, want.numpy())
        assert layer.out_size(9, 8) == tuple(want.shape[2:])
        np.testing.assert_array_equal(layer(torch.from_numpy(x)).numpy(), want.numpy())
    plain = nf.layers.Conv2d(weight, weight_scheme="int4", activation_scheme="int4", **geometry)(x)
    np.testing.assert_array_equal(plain, want.numpy() - bias[None, :, None, None])


CONV = [
    ("int8/tensor", "int8/channel", "int32>fp32", partial(ref.integer_dot, width=32)),
    ("int8/token", "int4/tensor", "int32>fp32", partial(ref.integer_dot, width=32)),
    ("int8/token+asym", "int4/g6+asym", "int12>fp32", partial(ref.integer_dot, width=12)),
    ("float16", "int4/g4", "fp16>fp32", partial(ref.float_dot, fmt=ref.FP16)),
    ("float16", "bitmod4/channel", None, ref.exact_dot),
]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("a", "w", "path", "dot"), CONV)
def test_conv_is_the_matrix_product_of_its_patches(a, w, path, dot, groups):
    x, weight, bias = data(0, 2, 4, 5, 4), data(1, 4, 4 // groups, 2, 3, sigma=0.2), data(2, 4)
    if w == "int4/tensor":
        weight[2:] *= 8  # one scale for all groups of channels
    layer = nf.layers.Conv2d(weight, bias, stride=2, padding=1, groups=groups, weight_scheme=w, activation_scheme=a, path=path)
    got = layer(x)
    q = nf.quantize(weight.reshape(4, -1), w)
    images = nf.quantize(x.reshape(2, -1), a)
    values = images.row_values().astype(float).reshape(x.shape)
    scales = np.ones(2) if images.row_scales is None else np.broadcast_to(images.row_scales[:, 0], 2).astype(float)
    padded = np.pad(values, ((0, 0), (0, 0), (1, 1), (1, 1)))
    w_values = q.row_values().astype(float).tolist()
    w_scales = (np.ones(q.row_codes.shape) if q.row_scales is None else q._spread(q.row_scales)).astype(float).tolist()
    per = 4 // groups
    for n, o, i, j in itertools.product(range(2), range(4), range(got.shape[2]), range(got.shape[3])):
        first = o // (4 // groups) * per
        patch = [padded[n, first + c, 2 * i + u, 2 * j + v] for c in range(per) for u in range(2) for v in range(3)]
        total = ref.scaled_dot(patch, [scales[n]] * len(patch), w_values[o], w_scales[o], dot, ref.FP32)
        assert got[n, o, i, j] == with_bias(total, bias[o]), (n, o, i, j)


def test_conv_with_dequantized_weights_and_in_blocks(monkeypatch):
    x, weight = data(0, 2, 3, 6, 6), data(1, 5, 3, 3, 3, sigma=0.2)
    layer = nf.layers.Conv2d(weight, weight_scheme="int4/g9", path="fp16", weight_operand="float16")
    q = nf.quantize(weight.reshape(5, -1), "int4/g9")
    half = nf.layers.Conv2d((q.row_values() * q._spread(q.row_scales)).astype(np.float16).reshape(weight.shape), path="fp16")
    want = layer(x)
    np.testing.assert_array_equal(want, half(x))
    for bytes_at_once in (1, 700, 5000):  # a pixel, lines, an image at a time
        monkeypatch.setattr(conv, "_BYTES", bytes_at_once)
        np.testing.assert_array_equal(layer(x), want)


@pytest.mark.parametrize("scheme", ["int8/token", "int8/tensor", "int8/token+asym", "float16"])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv_of_any_number_of_images_and_lines_at_once(monkeypatch, scheme, groups):
    x = data(0, 3, 4, 7, 6) * np.array([1, 5, 0.2], np.float32).reshape(3, 1, 1, 1)  # a scale an image
    weight = data(1, 6, 4 // groups, 3, 2, sigma=0.2)
    layer = nf.layers.Conv2d(
        weight,
        stride=2,
        padding=1,
        dilation=1,
        groups=groups,
        activation_scheme=scheme,
        weight_scheme="int8/channel",
        path="exact>fp32",
    )
    want = layer(x)
    for i in range(3):  # one image at a time, where its scale is its own
        if "tensor" not in scheme:
            np.testing.assert_array_equal(layer(x[i : i + 1])[0], want[i])
    for bytes_at_once in (1, 700, 2000, 5000, 9000):
        monkeypatch.setattr(conv, "_BYTES", bytes_at_once)
        np.testing.assert_array_equal(layer(x), want)


def test_conv_near_torch():
    x, weight = data(0, 2, 3, 8, 8), data(1, 4, 3, 3, 3)
    got = nf.layers.Conv2d(weight, weight_scheme="float32", activation_scheme="float32", padding=1)(x)
    want = torch.nn.functional.conv2d(torch.from_numpy(x).double(), torch.from_numpy(weight).double(), padding=1)
    np.testing.assert_array_equal(got, want.float().numpy())


W, K4 = np.ones((2, 8), np.float32), np.ones((2, 4, 3, 3), np.float32)
REFUSED = [
    (lambda: nf.layers.Linear(np.ones(3)), "outputs, inputs"),
    (lambda: nf.layers.Linear(W, np.ones(3)), r"bias has shape \(3,\)"),
    (lambda: nf.layers.Linear(W, np.array([1, np.nan])), "bias holds 1"),
    (lambda: nf.layers.Linear(W, np.array([1, 1e300])), "bias holds 1"),
    (lambda: nf.layers.Linear(W, weight_scheme="int4/g3"), "does not divide"),
    (lambda: nf.layers.Linear(nf.quantize(W, "int4/g2", axis=0)), "quantized along K"),
    (lambda: nf.layers.Linear(W)(np.ones((2, 7))), "last axis must be the layer's 8"),
    (lambda: nf.layers.Linear(W)(np.full((2, 8), np.nan)), "NaN"),
    (lambda: nf.layers.Linear(W)(np.zeros((0, 8))), "empty"),
    (lambda: nf.layers.Linear(W, path="int32")(W), "not integers"),
    (lambda: nf.layers.Linear(W, path="fq16"), "fp16"),
    (lambda: nf.layers.Linear(W, weight_scheme="int4/g4", weight_operand="int8"), "not a float format"),
    (lambda: nf.layers.Conv2d(W), "height, width"),
    (lambda: nf.layers.Conv2d(K4, stride=0), "stride=0"),
    (lambda: nf.layers.Conv2d(K4, stride=True), "stride=True"),
    (lambda: nf.layers.Conv2d(K4, padding=-1), "padding=-1"),
    (lambda: nf.layers.Conv2d(K4, dilation=1.5), "dilation=1.5"),
    (lambda: nf.layers.Conv2d(K4, groups=3), "groups=3"),
    (lambda: nf.layers.Conv2d(K4, activation_scheme="int8/g4"), "use tensor, token"),
    (lambda: nf.layers.Conv2d(K4, activation_scheme="int8/channel"), "use tensor, token"),
    (lambda: nf.layers.Conv2d(K4)(np.ones((1, 3, 8, 8))), r"\(batch, 4, height, width\)"),
    (lambda: nf.layers.Conv2d(K4)(np.ones((1, 4, 2, 8))), "smaller than the kernel"),
    (lambda: nf.layers.Conv2d(K4)(np.full((1, 4, 8, 8), np.inf)), "infinite"),
    (lambda: nf.layers.Conv2d(K4, np.ones(3)), "bias has shape"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "scheme", ["int4/g16", "int4/g16+asym", "bitmod4/g16", "int8/channel", "int8/tensor", "nf4/g16", "float16"]
)
def test_large_layers_a_span_at_a_time_give_the_same_bits(scheme, monkeypatch):
    x, weight, bias = data(0, 3, 64), data(1, 23, 64, sigma=0.1), data(2, 23)
    whole_q, whole = nf.quantize(weight, scheme), nf.layers.Linear(weight, bias, weight_scheme=scheme)(x)
    monkeypatch.setattr(sys.modules["numfmt.blocks.quantize"], "_ELEMENTS_AT_ONCE", 5 * 64)
    monkeypatch.setattr(sys.modules["numfmt.layers.linear"], "_ELEMENTS_AT_ONCE", 5 * 64)
    parts_q = nf.quantize(weight, scheme)
    for name in ("codes", "scales", "zero_points", "choice"):
        np.testing.assert_array_equal(getattr(parts_q, name), getattr(whole_q, name))
    layer = nf.layers.Linear(weight, bias, weight_scheme=scheme)
    assert len(layer._spans) == 5
    np.testing.assert_array_equal(layer(x), whole)
    np.testing.assert_array_equal(layer(x), whole)  # spans are prepared again, as they are not kept
    np.testing.assert_array_equal(whole_q.take_rows(3, 8).dequantize(), whole_q.dequantize()[3:8])
    with pytest.raises(ValueError, match="take_rows"):
        whole_q.T.take_rows(0, 1)
