"""Integer layers against HAWQ-V3's released code: recorded integers of whole quantized networks and of single modules."""

from pathlib import Path

import numpy as np
import pytest

import numfmt as nf

L = nf.layers
NETWORKS = ("resnet18.w8", "resnet18.w4", "resnet50.w8")


@pytest.fixture(scope="module")
def held():
    with np.load(Path(__file__).parent / "vectors" / "integer_layers.npz") as file:
        return dict(file)


def network(held, key, **options):
    tensors, at = {}, 0
    for name, shape in zip(held[f"{key}/tensor_names"], held[f"{key}/shapes"], strict=True):
        shape = tuple(s for s in shape if s)
        tensors[str(name)] = held[f"{key}/tensors"][at : at + np.prod(shape)].reshape(shape)
        at += int(np.prod(shape))
    bits = 8
    if key.endswith("w4"):
        bits = {n[: -len(".weight")]: 4 for n in tensors if ".conv" in n or n.endswith("downsample.0.weight")}
    options = {"image_scale": held[f"{key}/image_scale"], "bits": bits, "stride_at": "conv1"} | options
    return L.hawq_resnet(tensors, **options)


def scales(held, key):
    return dict(zip(map(str, held[f"{key}/scale_names"]), held[f"{key}/scales"].tolist(), strict=True))


def watch(net, x):
    """Integers of every activation by name, as `hawq_resnet` names scales."""
    seen = {}
    for name, layer in net.layers.layers.items():
        if not name.startswith("layer"):
            x = layer(x)
            seen[name] = x
            continue
        h = x
        for part, inner in layer.main.layers.items():
            h = inner(h)
            seen[f"{name}.{part}"] = h
        seen[f"{name}.out"] = layer.add(h, x if layer.shortcut is None else layer.shortcut(x))
        x = layer(x)
    return seen, x


@pytest.mark.parametrize("key", NETWORKS)
def test_whole_networks_give_hawqs_integers(held, key):
    given = scales(held, key)
    net = network(held, key, scales=given)
    images = held[f"{key}/images"]
    seen, logits = watch(net, images)
    compared = 0
    for name in given:
        want = held[f"{key}/at/{name}"]
        got = seen["fc.in" if name == "fc" else name]
        got = got.reshape(*got.shape, *[1] * (want.ndim - got.ndim))[:1, :3]
        np.testing.assert_array_equal(got, want, err_msg=name)
        compared += want.size
    np.testing.assert_array_equal(logits, held[f"{key}/logits"])
    np.testing.assert_array_equal(net(images), logits)
    assert compared > 1000


@pytest.mark.parametrize("key", NETWORKS)
def test_scales_are_found_as_hawq_finds_them(held, key):
    """On the same batch. HAWQ's ranges go through float32 convolutions of real values, so the last bits may differ."""
    net = network(held, key, calibration=held[f"{key}/images"])
    for name, scale in scales(held, key).items():
        assert net.scales[name] == pytest.approx(scale, rel=2e-2 if key.endswith("w4") else 1e-3), name


def test_dense_layer(held):
    w, b, s = held["linear/weight"], held["linear/bias"], held["linear/scale"]
    scale = L.weight_scale(w, 8)
    np.testing.assert_array_equal(scale, held["linear/weight_scale"])
    weight, bias = L.quantize_weight(w, scale, 8), L.quantize_bias(b, scale, s)
    np.testing.assert_array_equal(weight, held["linear/weight_int"])
    np.testing.assert_array_equal(bias, held["linear/bias_int"])
    np.testing.assert_array_equal(L.IntegerLinear(weight, bias)(held["linear/x"]), held["linear/acc"])


def test_hawqs_float32_sums_differ_beyond_24_bits(held):
    """K = 4608 of one sign: its float32 accumulator rounds, these integers do not."""
    got = L.IntegerLinear(held["wide/weight_int"], held["wide/bias_int"])(held["wide/x"])
    exact = held["wide/x"].astype(object) @ held["wide/weight_int"].T.astype(object) + held["wide/bias_int"].astype(object)
    np.testing.assert_array_equal(got, exact)
    assert got.min() > 2**24
    assert (got != held["wide/acc"]).mean() > 0.5
    assert np.abs(got - held["wide/acc"]).max() < 64  # below one step of an 8-bit result


def test_concatenation(held):
    parts = np.split(held["concat/x"], np.cumsum(held["concat/widths"])[:-1], axis=1)
    joined = L.Concatenate(list(held["concat/scales"]), held["concat/out_scale"], 8)(parts)
    np.testing.assert_array_equal(joined, held["concat/made"])


@pytest.mark.parametrize("size", [2, 7])
def test_average_pool(held, size):
    x = held[f"pool{size}/x"]
    np.testing.assert_array_equal(L.IntegerAvgPool2d(size)(x), held[f"pool{size}/made"])
    floors = L.IntegerAvgPool2d(size, rule="floor")(x)
    assert np.array_equal(floors, held[f"pool{size}/made"]) == (size != 2)  # negative sums: 2 holds them


@pytest.mark.parametrize("size", [10, 12])
def test_hawqs_average_pool_of_large_windows_is_no_floor(held, size):
    """From 100 cells on 0.01 lifts means just below an integer; where the mean lies at .99 exactly, float32 decides."""
    x, want = held[f"pool{size}/x"], held[f"pool{size}/made"]
    got = L.IntegerAvgPool2d(size)(x)
    n = size * size
    total = x.astype(np.int64).reshape(1, 3, 3, size, 2, size).sum(axis=(3, 5))
    near = total % n * 100 == 99 * n
    np.testing.assert_array_equal(got[~near], want[~near])


def test_negative_multipliers_of_batch_normalization_that_is_not_folded(held):
    """Gamma in the scale: its sign comes with the multiplier. HAWQ adds the bias before it rounds."""
    scale, ours = held["unfolded/scale"], L.weight_scale(held["unfolded/weight"], 8)
    assert (held["unfolded/weight_scale"] < 0).any()
    weight = L.quantize_weight(held["unfolded/weight"], ours, 8)
    acc = L.IntegerConv2d(weight, padding=1)(held["unfolded/x"]).astype(np.float64)
    real = acc * scale * 1.0
    # HAWQ's code leaves the input real here and multiplies by the weight's scale alone
    out = real * ours.reshape(-1, 1, 1)
    mean, var = out.mean(axis=(0, 2, 3)), out.var(axis=(0, 2, 3), ddof=1)
    count = out[:, 0].size
    folded = L.fold_batch_norm(
        held["unfolded/weight"],
        None,
        held["unfolded/gamma"],
        held["unfolded/beta"],
        mean,
        var * (count - 1) / count,
        into="scale",
        batch_count=count,
    )
    np.testing.assert_allclose(ours * folded.factor, held["unfolded/weight_scale"], rtol=3e-6)
    given = held["unfolded/weight_scale"]
    bias = np.rint(folded.bias / (given * scale)).astype(np.int64)
    layer = L.IntegerConv2d(
        weight, bias, padding=1, requantize=L.Requantize(held["unfolded/out_scale"], 8, in_scale=scale, weight_scale=given)
    )
    difference = layer(held["unfolded/x"]).astype(int) - held["unfolded/made"]
    assert (difference != 0).mean() < 0.02
    assert np.abs(difference).max() <= 1
