"""Int8 layers of TensorFlow Lite: recorded results of its reference kernels (`tools/record_tflite.py`)."""

from pathlib import Path

import numpy as np
import pytest

import numfmt as nf

L = nf.layers


@pytest.fixture(scope="module")
def held():
    with np.load(Path(__file__).parent / "vectors" / "integer_tflite.npz") as file:
        return dict(file)


def cases(held, name):
    """Every recorded case of an operator: name of its part -> array."""
    keys = sorted({k.split("/")[0] for k in held if k.split("/")[0].rstrip("0123456789") == name})
    assert len(keys) >= 12
    return [{k.split("/")[1]: v for k, v in held.items() if k.startswith(key + "/")} for key in keys]


def stage(case, zero, relu=False):
    in_scale, out_scale = case["scales"][:2]
    return L.Requantize(
        out_scale,
        in_scale=in_scale,
        weight_scale=case["scales"][2:],
        convention="tflite_double",
        zero_point=zero,
        low=zero if relu else None,
    )


@pytest.mark.parametrize("name", ["conv", "depthwise"])
def test_convolution(held, name):
    single = 0
    for case in cases(held, name):
        zx, zy, stride, dilation, same, groups, relu = case["facts"].tolist()
        options = {
            "stride": stride,
            "dilation": dilation,
            "groups": groups,
            "padding": "same" if same else 0,
            "input_zero_point": zx,
        }
        layer = L.IntegerConv2d(case["w"], case["bias"], requantize=stage(case, zy, relu), **options)
        got = layer(case["x"])
        assert got.dtype == np.int8
        np.testing.assert_array_equal(got, case["y"])
        other = stage(case, zy, relu)
        other.convention = "tflite_single"
        single += int((L.IntegerConv2d(case["w"], case["bias"], requantize=other, **options)(case["x"]) != got).sum())
    assert single > 0  # the reference kernels round twice, and these cases see it


def dense_stage(in_scale, out_scale, weight_scale, zero, convention="tvm_tonearest"):
    return L.Requantize(out_scale, in_scale=in_scale, weight_scale=weight_scale, convention=convention, zero_point=zero)


def test_dense_rounds_once(held):
    """LiteRT's dense layer rounds once, ties away from zero, where its convolutions round twice."""
    other = dict.fromkeys(("tflite_double", "tflite_single", "hawqv3"), 0)
    for case in cases(held, "dense"):
        zx, zy = case["facts"].tolist()
        sx, sy, sw = case["scales"]
        layer = L.IntegerLinear(case["w"], case["bias"], input_zero_point=zx, requantize=dense_stage(sx, sy, sw, zy))
        np.testing.assert_array_equal(layer(case["x"]), case["y"])
        for convention in other:
            layer.sums.requantize = dense_stage(sx, sy, sw, zy, convention)
            other[convention] += int((layer(case["x"]) != case["y"]).sum())
    assert min(other.values()) > 0


@pytest.mark.parametrize("bits", [8, 16])
def test_addition(held, bits):
    for case in cases(held, f"add{bits}_"):
        layer = L.ResidualAdd(*case["scales"], rule="tflite", bits=bits, zero_points=tuple(case["zeros"].tolist()))
        np.testing.assert_array_equal(layer(case["a"], case["b"]), case["y"])


@pytest.mark.parametrize("name", ["average", "maximum"])
def test_pools(held, name):
    for case in cases(held, name):
        k, stride, same = case["facts"].tolist()
        padding = "same" if same else 0
        options = {"stride": stride, "padding": padding}
        layer = L.IntegerAvgPool2d(k, rule="tflite", **options) if name == "average" else L.IntegerMaxPool2d(k, **options)
        np.testing.assert_array_equal(layer(case["x"]), case["y"])


def test_a_network_end_to_end(held):
    """Convolution, depthwise convolution, their sum, average pool, dense layer: int8 with zero points throughout."""
    case = {k.split("/")[1]: v for k, v in held.items() if k.startswith("sequence/")}
    s, z = case["scales"], case["zeros"].tolist()

    def to(i, of, weights, **options):
        return L.Requantize(s[i], in_scale=s[of], weight_scale=weights, convention="tflite_double", zero_point=z[i], **options)

    first = L.IntegerConv2d(
        case["w1"], case["b1"], stride=2, padding="same", input_zero_point=z[0], requantize=to(1, 0, case["s1"], low=z[1])
    )
    depthwise = L.IntegerConv2d(
        case["w2"], case["b2"], padding="same", groups=8, input_zero_point=z[1], requantize=to(2, 1, case["s2"])
    )
    add = L.ResidualAdd(s[2], s[1], s[3], rule="tflite", zero_points=(z[2], z[1], z[3]))
    net = L.Sequential(
        [
            ("conv", first),
            ("block", L.ResidualBlock(depthwise, add)),
            ("pool", L.IntegerAvgPool2d(8, rule="tflite")),
            ("flatten", L.Flatten()),
            (
                "dense",
                L.IntegerLinear(
                    case["w3"], case["b3"], input_zero_point=z[3], requantize=dense_stage(s[3], s[4], case["s3"], z[4])
                ),
            ),
        ]
    )
    seen = net.trace(case["x"])
    for name, want in (("conv", "y0"), ("block", "y2"), ("pool", "y3"), ("dense", "y4")):
        np.testing.assert_array_equal(seen[name], case[want], err_msg=name)
    np.testing.assert_array_equal(depthwise(seen["conv"]), case["y1"])
    np.testing.assert_array_equal(net(case["x"]), case["y4"])
    torch = pytest.importorskip("torch")
    made = net(torch.from_numpy(case["x"]))
    assert isinstance(made, torch.Tensor)
    assert made.dtype == torch.int8
    np.testing.assert_array_equal(made.numpy(), case["y4"])
