"""The convolutional net against torch, and its refusals; the measures of a network's quality."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from numfmt.layers.convnet import ConvNet
from numfmt.layers.evaluate import LabelledImages, TokenWindows, accuracy, cross_entropy, perplexity
from numfmt.layers.network import LayerBag, LayerSpec, Network

CONFIG = {
    "image": {"channels": 3, "height": 9, "width": 7, "scale": 0.25},
    "steps": [
        {"op": "conv2d", "name": "a", "stride": 2, "padding": 1},
        {"op": "relu"},
        {"op": "conv2d", "name": "b"},
        {"op": "flatten"},
        {"op": "linear", "name": "c"},
    ],
}


def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {
        "a.weight": (5, 3, 3, 3),
        "a.bias": (5,),
        "b.weight": (4, 5, 2, 3),
        "c.weight": (6, 4 * 4 * 2),
        "c.bias": (6,),
    }
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def test_forward_pass_equals_torch() -> None:
    network = ConvNet(CONFIG, tensors())
    images = np.random.default_rng(1).integers(0, 17, (4, 3, 9, 7)).astype(np.uint8)
    w = {k: torch.from_numpy(v).double() for k, v in tensors().items()}
    x = torch.from_numpy(images).double() * 0.25
    x = F.relu(F.conv2d(x, w["a.weight"], w["a.bias"], stride=2, padding=1))
    want = F.linear(F.conv2d(x, w["b.weight"]).flatten(1), w["c.weight"], w["c.bias"]).numpy()
    got = network.run(images, network.reference)
    assert got.shape == (4, 6)
    assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()
    assert list(network.layers) == ["a", "b", "c"]
    assert network.layers["b"].reduction == 30
    assert (network.layers["a"].stride, network.layers["a"].padding) == (2, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": None}, "config"),
        ({"image": {"channels": 3}}, "height"),
        ({"steps": [{"op": "pool"}]}, "unknown op; use one of conv2d, linear, relu, flatten"),
        ({"steps": [{"op": "linear"}]}, "needs a name"),
        ({"steps": [{"op": "linear", "name": "d"}]}, "'d.weight' is missing"),
        ({"steps": [{"op": "linear", "name": "c"}]}, "takes 32 inputs"),
        ({"steps": [{"op": "conv2d", "name": "b"}]}, "takes 5 channels"),
        ({"image": {"channels": 3, "height": 2, "width": 2, "scale": 1}}, "does not fit"),
        ({"steps": [{"op": "conv2d", "name": "c"}]}, "needs 4 non-empty axes"),
        ({"steps": [*CONFIG["steps"][:2], CONFIG["steps"][0]]}, "two steps are named 'a'"),
    ],
)
def test_configs_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvNet({**CONFIG, **change}, tensors())


def test_images_of_another_shape_are_refused() -> None:
    network = ConvNet(CONFIG, tensors())
    with pytest.raises(ValueError, match="images have shape"):
        network.run(np.zeros((1, 3, 7, 9)), network.reference)


def test_layer_spec_checks_itself() -> None:
    w = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="kind 'dense'"):
        LayerSpec("x", "dense", w)
    with pytest.raises(ValueError, match=r"bias has shape \(2,\), expected \(3,\)"):
        LayerSpec("x", "linear", w, np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="non-empty axes"):
        LayerSpec("x", "linear", w[:0])
    bag = LayerBag("bag", {"x": LayerSpec("x", "linear", w)})
    assert bag.reference("x", np.ones((4, 2), np.float32)).shape == (4, 3)
    with pytest.raises(ValueError, match="no forward pass"):
        bag.run(np.zeros((1, 2)), bag.reference)


class Fixed(Network):
    """Returns given logits: (T, V) for every window, or (n, classes) for images."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__("fixed", {})
        self.logits = logits

    def run(self, batch, apply, kv=None):
        return self.logits[None] if batch.ndim == 2 else self.logits[: len(batch)]


def windows(*rows: list[int]) -> TokenWindows:
    tokens = np.array(rows, dtype=np.int64)
    return TokenWindows(tokens, np.full(len(tokens), 2 * (tokens.shape[1] - 1)))


def test_cross_entropy_equals_torch() -> None:
    rng = np.random.default_rng(2)
    logits = (rng.standard_normal((50, 301)) * 9).astype(np.float32)
    targets = rng.integers(0, 301, 50)
    want = F.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(targets), reduction="none").numpy()
    assert np.abs(cross_entropy(logits, targets) - want).max() < 1e-13


def test_uniform_logits_have_the_vocabulary_as_perplexity() -> None:
    steps: list[int] = []
    result = perplexity(Fixed(np.zeros((4, 8), np.float32)), windows([0, 1, 2, 3], [4, 5, 6, 7]), None, progress=steps.append)
    assert result["perplexity"] == pytest.approx(8, rel=1e-14)
    assert result["nats_per_token"] == pytest.approx(math.log(8), rel=1e-15)
    assert result["bits_per_byte"] == pytest.approx(1.5, rel=1e-15)
    assert (result["tokens"], result["non_finite"]) == (6, 0)
    assert steps == [1, 2]


def test_overflowed_logits_are_counted_and_make_the_measure_nan() -> None:
    logits = np.zeros((4, 8), np.float32)
    logits[1, 3] = np.nan
    logits[2, 0] = np.inf
    result = perplexity(Fixed(logits), windows([0, 1, 2, 3]), None)
    assert result["non_finite"] == 2
    assert math.isnan(result["perplexity"])
    assert math.isnan(result["bits_per_byte"])


def test_accuracy_counts_overflow_as_wrong() -> None:
    scores = np.array([[1, 2, 0], [3, 0, 0], [0, 0, np.inf], [0, 1, 0]], np.float32)
    data = LabelledImages(np.zeros((4, 1, 2, 2)), np.array([1, 1, 2, 1]))
    assert accuracy(Fixed(scores), data, None) == {"accuracy": 0.5, "correct": 2, "images": 4, "non_finite": 1}


def test_spread_takes_evenly_spaced_rows() -> None:
    data = windows(*[[i, i] for i in range(10)])
    assert data.spread(4).tokens[:, 0].tolist() == [0, 2, 5, 7]
    assert len(data.spread(10)) == 10
    for count in (0, 11):
        with pytest.raises(ValueError, match="the data has 10 rows"):
            data.spread(count)
