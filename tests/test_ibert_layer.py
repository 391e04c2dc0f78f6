"""An I-BERT encoder layer against Python integers, and against real numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.layers import ibert

from .reference import ibert_layer as ref

L = nf.layers
DENSE = ("query", "key", "value", "output", "fc1", "fc2")


def tensors(rng, d, inner):
    shapes = dict.fromkeys(DENSE[:4], (d, d)) | {"fc1": (inner, d), "fc2": (d, inner)}
    made = {}
    for name, (o, i) in shapes.items():
        spread = 3 if name in ("query", "key") else 1  # scales of the scores that 64-bit exponentials hold
        made[f"{name}.weight"] = rng.normal(0, spread / np.sqrt(i), (o, i)).astype(np.float32)
        made[f"{name}.bias"] = rng.normal(0, 0.1, o).astype(np.float32)
    for name in ("attention_norm", "output_norm"):
        made[f"{name}.weight"] = (rng.normal(1, 0.2, d) * rng.choice([1, 1, 1, -1], d)).astype(np.float32)
        made[f"{name}.bias"] = rng.normal(0, 0.1, d).astype(np.float32)
    return made


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 2**32 - 1))
def test_every_integer(seed):
    rng = np.random.default_rng(seed)
    heads = int(rng.integers(1, 4))
    d, inner, t = heads * int(rng.integers(2, 5)), int(rng.integers(3, 12)), int(rng.integers(1, 6))
    held = tensors(rng, d, inner)
    s = np.float32(rng.uniform(0.02, 0.05))
    x = rng.integers(-128, 128, (2, t, d)).astype(np.int8)
    clamp = str(rng.choice(["ibert", "hawqv3"]))
    layer = L.IBertEncoderLayer(held, heads, s, calibration=x, weight_clamp=clamp)
    got = layer(x)
    assert got.dtype == np.int8
    parts = {}
    for name, given_scale in zip(
        DENSE, (s, s, s, layer.scales["context"], layer.scales["attention_norm"], layer.scales["gelu"]), strict=True
    ):
        scale = L.weight_scale(held[f"{name}.weight"])
        words = L.quantize_weight(held[f"{name}.weight"], scale, clamp=clamp)
        parts[name] = words, L.quantize_bias(held[f"{name}.bias"], scale, given_scale), scale
    norms = {n: (held[f"{n}.weight"], held[f"{n}.bias"]) for n in ("attention_norm", "output_norm")}
    for image, made in zip(x, got, strict=True):
        np.testing.assert_array_equal(made, ref.layer(image, parts, norms, heads, s, layer.scales, layer.shifts))
    again = L.IBertEncoderLayer(held, heads, s, scales=layer.scales, shifts=layer.shifts, weight_clamp=clamp)
    np.testing.assert_array_equal(again(x[0]), got[0])


def test_it_is_close_to_real_numbers():
    rng = np.random.default_rng(0)
    d, heads = 32, 4
    held, s = tensors(rng, d, 64), 0.02
    x = rng.integers(-127, 128, (3, 6, d)).astype(np.int8)
    layer = L.IBertEncoderLayer(held, heads, s, calibration=x)

    def dense(name, h):
        return h @ held[f"{name}.weight"].T.astype(np.float64) + held[f"{name}.bias"]

    def split(h):
        return h.reshape(*h.shape[:-1], heads, -1).swapaxes(-2, -3)

    def norm(name, h):
        h = h - h.mean(-1, keepdims=True)
        return h / np.sqrt((h**2).mean(-1, keepdims=True)) * held[f"{name}.weight"] + held[f"{name}.bias"]

    real = x * s
    q, k, v = (split(dense(n, real)) for n in DENSE[:3])
    p = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(d // heads))
    h = norm("attention_norm", dense("output", (p / p.sum(-1, keepdims=True) @ v).swapaxes(-2, -3).reshape(x.shape)) + real)
    inner = dense("fc1", h)
    gelu = 0.5 * inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
    want = norm("output_norm", dense("fc2", gelu) + h)
    assert np.abs(layer(x) * layer.out_scale - want).mean() < 0.05
    torch = pytest.importorskip("torch")
    made = layer(torch.from_numpy(x))
    assert made.dtype == torch.int8
    np.testing.assert_array_equal(made.numpy(), layer(x))


def test_gelu_of_channels():
    rng = np.random.default_rng(1)
    q, scales = rng.integers(-(2**15), 2**15, (4, 3)), np.float32([1e-3, 2e-4, 5e-4])
    made, out = ibert.int_gelu(q, scales)
    for i, s in enumerate(scales):
        column, scale = ibert.int_gelu(q[:, i], s)
        np.testing.assert_array_equal(made[:, i], column)
        assert out[i] == scale
    with pytest.raises(ValueError, match="one a column"):
        ibert.int_gelu(q, scales[:2])


def test_refusals():
    rng = np.random.default_rng(0)
    held = tensors(rng, 4, 6)
    x = rng.integers(-128, 128, (3, 4))
    for make, match in (
        (lambda: L.IBertEncoderLayer(held, 2, 1e-6, calibration=x), "coarser scale"),
        (lambda: L.IBertEncoderLayer({}, 2, 0.1, calibration=x), "is missing"),
        (lambda: L.IBertEncoderLayer(held, 3, 0.1, calibration=x), "heads=3"),
        (lambda: L.IBertEncoderLayer(held, 2, 0.1), "scales lacks"),
        (lambda: L.IBertEncoderLayer(held, 2, 0.1, calibration=x[:, :3]), "positions, 4"),
        (lambda: L.IBertEncoderLayer(held, 2, 0.1, calibration=x * 0.5), "takes integers"),
        (lambda: L.IBertEncoderLayer(held | {"fc1.bias": np.ones(3)}, 2, 0.1, calibration=x), "has shape"),
        (lambda: L.IBertEncoderLayer(held | {"output_norm.weight": np.zeros(4)}, 2, 0.1, calibration=x), "zeros"),
    ):
        with pytest.raises(ValueError, match=match):
            make()
