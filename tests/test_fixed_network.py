"""Networks in ap_fixed from floats and an hls4ml configuration: integers from the first cast to the last word."""

import json
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.layers import (
    FixedAdd,
    FixedBatchNorm,
    FixedCast,
    FixedConv2d,
    FixedDense,
    FixedReLU,
    Flatten,
    Sequential,
    fixed_network,
)
from numfmt.layers.fixed_config import Precisions
from numfmt.layers.fixed_tensor import hls4ml_type

from .fixed_layer_cases import raw, tensor
from .reference import fixed_layers as plain
from .reference.fixed import cast
from .test_fixed_sums import facts

DIGITS = Path(__file__).parent.parent / "hwmodel" / "models" / "data" / "digits"
NARROW = {  # a configuration as hls4ml takes it
    "Model": {"Precision": "ap_fixed<16,6>", "ReuseFactor": 1, "Strategy": "Latency"},
    "LayerType": {"ReLU": {"Precision": {"result": "ufixed<6,3,RND,SAT>"}}},
    "LayerName": {
        "input": {"Precision": "ufixed<5,1>"},
        **{
            name: {"Precision": {"weight": "fixed<6,1,RND,SAT>", "bias": "fixed<8,2,RND,SAT>", "accum": accum, "result": result}}
            for name, accum, result in (
                ("conv1", "auto", "fixed<8,3,RND,SAT>"),
                ("conv2", "fixed<10,4,TRN,SAT>", "fixed<8,3,RND,SAT>"),
                ("conv3", "fixed<12,4,RND_CONV,SAT>", "fixed<8,3,RND,SAT_SYM>"),
                ("fc1", "fixed<13,5>", "fixed<8,3,RND,SAT>"),
                ("fc2", "auto", "auto"),
            )
        },
    },
}


def digits():
    """The steps of the embedded classifier, in Keras's order of axes, and its test images."""
    from safetensors.numpy import load_file

    t, held = load_file(DIGITS / "model.safetensors"), np.load(DIGITS / "test_images.npz")
    strides = {s["name"]: s["stride"] for s in json.loads((DIGITS / "config.json").read_text())["steps"] if s["op"] == "conv2d"}
    steps = [{"class": "InputLayer", "name": "input"}]
    for name, stride in strides.items():
        weight = t[f"{name}.weight"].transpose(2, 3, 1, 0)
        steps += [
            {"class": "Conv2D", "name": name, "weight": weight, "bias": t[f"{name}.bias"], "strides": stride, "padding": 1},
            {"class": "ReLU", "name": f"{name}_relu"},
        ]
    first = t["fc1.weight"].reshape(128, 32, 4, 4).transpose(2, 3, 1, 0).reshape(512, 128)
    steps += [
        {"class": "Flatten", "name": "flatten"},
        {"class": "Dense", "name": "fc1", "weight": first, "bias": t["fc1.bias"]},
        {"class": "ReLU", "name": "fc1_relu"},
        {"class": "Dense", "name": "fc2", "weight": t["fc2.weight"].T, "bias": t["fc2.bias"]},
    ]
    return steps, held["images"][..., None] * 0.0625, held["labels"]


def right(net, images, labels):
    return float((raw(net(images)).argmax(1) == labels).mean())


def test_digits_in_fixed_point():
    """The float network gets 0.99 of the 400 images."""
    steps, images, labels = digits()
    assert right(fixed_network(steps, {"Model": {"Precision": "ap_fixed<16,6>"}}), images, labels) == 0.9825
    assert right(fixed_network(steps, {"Model": {"Precision": "ap_fixed<12,6>"}}), images, labels) < 0.3  # truncation drifts down
    net = fixed_network(steps, NARROW)
    assert right(net, images, labels) > 0.9
    a, b = net(images[:7]), net(images[3:5])
    np.testing.assert_array_equal(raw(a)[3:5], raw(b))  # rows do not depend on the batch


def narrowed(values, fmt):
    """Raw integers of floats in the reference: through decimals, as hls4ml writes weights."""
    w, i, signed, rounding, overflow, n = facts(fmt)
    made = [
        cast(plain.Fraction(format(v, f".{max(0, w - i)}f")), w, i, signed, rounding, overflow, n) for v in np.float64(values).flat
    ]
    return np.array(made, object).reshape(np.shape(values))


def test_every_word_of_a_network():
    """conv-bn-relu-pool-depthwise-relu-maxpool-conv-relu-flatten-dense against the reference, layer by layer."""
    rng = np.random.default_rng(0)
    floats = {
        n: rng.standard_normal(s) * 0.5 for n, s in (("w1", (3, 3, 2, 4)), ("w2", (3, 3, 4)), ("w3", (2, 2, 4, 3)), ("w4", (12, 5)))
    }
    scale, bias = rng.uniform(0.5, 1.5, 4), rng.standard_normal(4) * 0.2
    steps = [
        {"class": "InputLayer", "name": "in"},
        {"class": "Conv2D", "name": "c1", "weight": floats["w1"], "bias": bias, "padding": "same"},
        {"class": "BatchNormalization", "name": "bn", "scale": scale, "bias": bias},
        {"class": "ReLU", "name": "r1"},
        {"class": "AveragePooling2D", "name": "p1", "pool_size": 3, "strides": 2, "padding": "same"},
        {"class": "DepthwiseConv2D", "name": "c2", "weight": floats["w2"], "padding": "same"},
        {"class": "Activation", "name": "r2", "activation": "relu"},
        {"class": "MaxPooling2D", "name": "p2", "pool_size": 2, "strides": 1},
        {"class": "Conv2D", "name": "c3", "weight": floats["w3"], "bias": bias[:3]},
        {"class": "Activation", "name": "a3", "activation": "linear"},
        {"class": "Flatten", "name": "flat"},
        {"class": "Dense", "name": "d", "weight": floats["w4"]},
    ]
    config = {
        "Model": {"Precision": {"default": "ap_fixed<12,5,AP_RND,AP_SAT>", "accum": "ap_fixed<14,6,AP_RND_CONV,AP_WRAP_SM>"}},
        "LayerType": {"DepthwiseConv2D": {"Precision": {"accum": "ap_fixed<11,3,AP_RND_ZERO,AP_SAT_SYM>"}}},
        "LayerName": {"bn": {"Precision": {"result": "auto"}}, "d": {"Precision": {"result": "auto", "accum": "auto"}},
                      "p1": {"Precision": {"accum": "auto"}}},
    }  # fmt: skip
    net = fixed_network(steps, config)
    x = rng.standard_normal((2, 7, 7, 2)) * 2
    seen = net.trace(x)
    types = {name: facts(made.scheme.candidates[0]) for name, made in seen.items()}
    t = nf.parse("ap_fixed<12,5,AP_RND,AP_SAT>")
    w = facts(t)
    acc = facts(nf.parse("ap_fixed<14,6,AP_RND_CONV,AP_WRAP_SM>"))
    none = (1, 1, False, "down", "wrap", 0)
    want = {"in": np.array([cast(plain.Fraction(v), *w) for v in x.flat], object).reshape(x.shape)}
    want["c1"] = plain.conv2d(want["in"], narrowed(floats["w1"], t), narrowed(bias, t), w, w, w, acc, w, pads=(1, 1, 1, 1))
    want["bn"] = plain.batch_norm(want["c1"], narrowed(scale, t), narrowed(bias, t), w, w, w, types["bn"])
    want["r1"] = plain.relu(want["bn"], types["bn"], w)
    grown = (12 + 8, 5 + 4, True, "down", "wrap", 0)
    want["p1"] = plain.pool2d(want["r1"], w, grown, w, "average", (3, 3), (2, 2), (1, 1, 1, 1))
    narrow = facts(nf.parse("ap_fixed<11,3,AP_RND_ZERO,AP_SAT_SYM>"))
    zeros = np.zeros(4, object)
    want["c2"] = plain.conv2d(
        want["p1"], narrowed(floats["w2"], t), zeros, w, w, none, narrow, w, pads=(1, 1, 1, 1), depthwise=True
    )
    want["r2"] = plain.relu(want["c2"], w, w)
    want["p2"] = plain.pool2d(want["r2"], w, acc, w, "max", (2, 2), (1, 1))
    want["c3"] = plain.conv2d(want["p2"], narrowed(floats["w3"], t), narrowed(bias[:3], t), w, w, w, acc, w)
    want["a3"], want["flat"] = want["c3"], want["c3"].reshape(2, -1)
    auto = (*plain.inferred(w, w, none, 12), "down", "wrap", 0)
    want["d"] = plain.dense(want["flat"], narrowed(floats["w4"], t), np.zeros(5, object), w, w, none, auto, auto)
    assert types["d"] == auto
    assert list(want) == list(seen)
    for name, words in want.items():
        np.testing.assert_array_equal(raw(seen[name]), words.astype(np.int64), err_msg=name)
    np.testing.assert_array_equal(raw(net(x)), raw(seen["d"]))


def test_one_image_of_the_digits_word_for_word():
    """The first convolution and the dense layers of the narrow network against the reference."""
    steps, images, _ = digits()
    net = fixed_network(steps, NARROW)
    seen = net.trace(images[:1])
    for name, given in (("conv1", "input"), ("fc2", "fc1_relu")):
        x, y = seen[given], seen[name]
        types = {k: facts(v) for k, v in net[name].types(x.scheme.candidates[0]).items()}
        step = next(s for s in steps if s["name"] == name)
        weight, bias = (narrowed(step[n], net[name].types(x.scheme.candidates[0])[f"{n}_t"]) for n in ("weight", "bias"))
        each = [types[f"{n}_t"] for n in ("input", "weight", "bias", "accum", "result")]
        want = (
            plain.dense(raw(x), weight, bias, *each)
            if name == "fc2"
            else plain.conv2d(raw(x), weight, bias, *each, pads=(1, 1, 1, 1))
        )
        np.testing.assert_array_equal(raw(y), want.astype(np.int64))


def test_types_of_a_configuration():
    for text, said in (
        ("fixed<16,6>", "fixed<16,6,down,wrap>"),
        ("ap_fixed<16,6>", "fixed<16,6,down,wrap>"),
        ("ufixed<8, 0, RND, SAT>", "ufixed<8,0,ties_up,saturate>"),
        ("ap_ufixed<8,0,AP_RND_CONV,AP_SAT_SYM>", "ufixed<8,0,ties_even,saturate_symmetric>"),
        ("fixed<8,3,TRN,WRAP,2>", "fixed<8,3,down,wrap,2>"),
        ("int<8>", "fixed<8,8,down,wrap>"),
        ("ap_uint<4>", "ufixed<4,4,down,wrap>"),
    ):
        assert str(hls4ml_type(text)) == said
    for text in ("float", "ac_fixed<8,3>", "fixed<8>", "auto", "e4m3"):
        with pytest.raises(ValueError):
            hls4ml_type(text)
    found = Precisions(
        {
            "Model": {"Precision": {"default": "fixed<1,1>", "accum": "fixed<2,2>"}},
            "LayerType": {"Dense": {"Precision": {"weight": "fixed<3,3>", "accum": "auto"}}},
            "LayerName": {"A": {"Precision": {"weight": "fixed<4,4>"}}, "b": {"Precision": "fixed<5,5>"}},
        }
    )
    asked = (("a", "Dense", "weight"), ("a", "Dense", "accum"), ("a", "Dense", "bias"), ("B", "Dense", "weight"))
    got = [found.of(*names) for names in (*asked, ("c", "Conv2D", "accum"), ("c", "Conv2D", "bias"))]
    assert [None if t is None else t.width for t in got] == [4, None, 1, 5, 2, 1]
    with pytest.raises(ValueError, match="names no precision for bias of layer 'x'"):
        Precisions({"LayerName": {"x": {"Precision": {"weight": "fixed<4,4>"}}}}).of("x", "Dense", "bias")
    with pytest.raises(ValueError, match="it needs Model"):
        Precisions({"Precision": "fixed<8,3>"})


def test_a_batch_normalization_folds_its_moments():
    moments = {"gamma": [1.5, 0.5], "beta": [0.1, -0.2], "mean": [0.3, 0.4], "variance": [0.9, 2.0]}
    made = FixedBatchNorm.from_moments(
        **{k: np.array(v) for k, v in moments.items()}, scale_t="ap_fixed<20,4>", bias_t="ap_fixed<20,4>"
    )
    scale = np.array([1.5, 0.5]) / np.sqrt(np.array([0.9, 2.0]) + 1e-3)
    np.testing.assert_array_equal(made._scale, np.floor(scale * 2**16))
    net = fixed_network([{"class": "BatchNormalization", "name": "bn", **moments}], {"Model": {"Precision": "ap_fixed<20,4>"}})
    assert np.abs(net[0]._scale - made._scale).max() <= 1  # hls4ml writes 16 decimals


def test_sequences():
    weight = tensor(np.ones((4, 3), int), nf.parse("ap_fixed<4,2>"))
    net = Sequential([("in", FixedCast("ap_fixed<8,3>")), FixedReLU("ap_ufixed<7,3>"), FixedDense(weight), FixedReLU(), Flatten()])
    assert list(net.layers) == ["in", "fixedrelu", "fixeddense", "fixedrelu_1", "flatten"]
    assert len(net) == 5
    assert net["in"] is net[0]
    assert [str(f[1]) for f in net.formats.values()] == [
        "fixed<8,3,down,wrap>",
        "ufixed<7,3,down,wrap>",
        *["fixed<13,7,down,wrap>"] * 3,
    ]
    assert "FixedDense(4 -> 3)" in repr(net)
    assert "never acts" in net.explain()
    y = net(np.array([[1.0, 2.0, -1.0, 0.5]]))
    np.testing.assert_array_equal(y.dequantize(), [[(1 + 2 + 0.5) * 0.25] * 3])
    assert list(net.trace(np.ones((1, 4)))) == list(net.layers)
    plain_net = Sequential([lambda x: x + 1, Flatten()])
    np.testing.assert_array_equal(plain_net(np.zeros((2, 2, 2))), np.ones((2, 4)))
    assert list(plain_net.formats.values()) == [(None, None)] * 2
    skip = FixedAdd("ap_fixed<8,3>")
    assert skip(y, y).shape == (1, 3)


def test_refusals():
    weight = tensor(np.ones((4, 3), int), nf.parse("ap_fixed<4,2>"))
    config = {"Model": {"Precision": "ap_fixed<16,6>"}}
    for call, said in (
        (lambda: Sequential([]), "layers is empty"),
        (lambda: Sequential([("a", FixedReLU()), ("a", FixedReLU())]), "two layers are named 'a'"),
        (lambda: Sequential([3]), "cannot be called"),
        (
            lambda: Sequential([FixedDense(weight)], input_format="float16"),
            "layer 'fixeddense' cannot follow: input format float16",
        ),
        (lambda: Sequential([FixedDense(weight)], input_format="ap_fixed<60,3>"), "cannot follow"),
        (lambda: Sequential([FixedCast("ap_fixed<8,3>"), FixedDense(weight)])(np.ones((2, 5))), "layer 'fixeddense': x has shape"),
        (lambda: Flatten()(nf.quantize(np.ones((2, 4)), "int8/channel")), "dequantize first"),
        (lambda: fixed_network([{"class": "Dens", "name": "d"}], config), "did you mean Dense"),
        (lambda: fixed_network([{"class": "Dense", "name": "d"}], config), "'d' of class Dense lacks the field 'weight'"),
        (lambda: fixed_network([{"class": "Activation", "name": "s", "activation": "softmax"}], config), "'softmax' is not built"),
        (lambda: fixed_network([{"class": "InputLayer", "name": "i"}], {"Model": {"Precision": "auto"}}), "cannot be 'auto'"),
        (
            lambda: fixed_network([{"class": "Dense", "name": "d", "weight": np.ones((2, 2))}], {"Model": {"Precision": "auto"}}),
            "state it",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    assert FixedConv2d(tensor(np.ones((1, 1, 2, 3), int), nf.parse("ap_fixed<4,2>"))).explain() == ""
