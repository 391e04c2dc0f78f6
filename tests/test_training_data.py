"""The shipped networks and their data: pinned, described truthfully, and as good as recorded."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hwmodel.models import load_network
from hwmodel.models.embedded import DATA, heldout_text, verify
from numfmt.layers.attention import matmul_float64
from numfmt.layers.evaluate import accuracy, perplexity

from .reference.llama import digits_scores, llama_logits

TOOLS = Path(__file__).parent.parent / "tools"


@pytest.fixture
def training_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(TOOLS)
    import training_text

    return training_text


def record(name: str) -> dict:
    return json.loads((DATA / name / "training.json").read_text())


@pytest.mark.parametrize("name", ["pydoc-lm", "digits"])
def test_shipped_files_are_the_pinned_ones(name: str) -> None:
    verify(DATA / name)
    pinned = json.loads((DATA / name / "MANIFEST.json").read_text())["files"]
    assert sorted(pinned) == sorted(p.name for p in (DATA / name).iterdir() if p.name != "MANIFEST.json")
    assert any(file.startswith("LICENSE") for file in pinned)
    assert sum(p.stat().st_size for p in DATA.rglob("*")) < 4_000_000


@pytest.mark.exhaustive
def test_language_model_is_as_good_as_recorded() -> None:
    """The record was written by torch in training; every window is measured, here without torch."""
    model = load_network("pydoc-lm")
    want = record("pydoc-lm")["heldout"]
    assert model.evaluate_data.tokens.shape == (158, want["context"])
    result = perplexity(model.network, model.evaluate_data, model.network.reference)
    assert result["nats_per_token"] == pytest.approx(want["nats_per_byte"], abs=5e-6)
    assert result["bits_per_byte"] == pytest.approx(want["bits_per_byte"], abs=5e-6)
    assert result["perplexity"] == pytest.approx(want["perplexity"], rel=5e-6)
    assert result["perplexity"] < 3.2
    assert (result["tokens"], result["non_finite"]) == (158 * 255, 0)


def test_language_model_shape_suits_groups_of_128() -> None:
    network = load_network().network
    assert len(network.layers) == 4 * 7 + 1
    assert all(spec.reduction % 128 == 0 for spec in network.layers.values())


def test_language_model_logits_are_the_same_bits_everywhere() -> None:
    """Recorded on x86-64 (AVX-512, OpenBLAS, one and two threads)."""
    model = load_network("pydoc-lm")
    network, tokens = model.network, model.evaluate_data.tokens[:1]
    logits = network.run(tokens, lambda name, x: matmul_float64(x, network.layers[name].weight.T))
    digest = hashlib.sha256(logits.astype("<f4").tobytes()).hexdigest()
    assert digest == "b4ce2e918cac99e5af52b865662743ec18566864eb060a3c04e00d04e0bab18f"
    tensors = {f"{name}.weight": spec.weight for name, spec in network.layers.items()}
    tensors |= {f"{name}.weight": gain for name, gain in network.gains.items()}
    want = llama_logits(model.config, tensors | {"model.embed_tokens.weight": network.embedding}, tokens).numpy()
    assert np.abs(logits - want).max() < 1e-5 * np.abs(want).max()


def test_digits_classifier_is_as_good_as_recorded() -> None:
    model = load_network("digits")
    want = record("digits")["heldout"]
    result = accuracy(model.network, model.evaluate_data, model.network.reference)
    assert (result["images"], result["correct"], result["non_finite"]) == (want["images"], want["correct"], 0)
    assert result["accuracy"] == want["accuracy"] >= 0.97
    tensors = {f"{name}.weight": spec.weight for name, spec in model.network.layers.items()}
    tensors |= {f"{name}.bias": spec.bias for name, spec in model.network.layers.items()}
    images = model.evaluate_data.images[:50]
    scores = model.network.run(images, model.network.reference)
    assert np.abs(scores - digits_scores(tensors, images).numpy()).max() < 1e-4
    reductions = [spec.reduction for spec in model.network.layers.values()]
    assert reductions == [9, 288, 288, 512, 128]


def test_shipped_images_are_the_recorded_rows_of_scikit_learn() -> None:
    data = load_digits()
    with np.load(DATA / "digits" / "test_images.npz", allow_pickle=False) as arrays:
        rows = arrays["rows"]
        assert np.array_equal(arrays["images"], data.images[rows])
        assert np.array_equal(arrays["labels"], data.target[rows])
    listed = (TOOLS / "digits_test_rows.txt").read_text().splitlines()
    assert [int(word) for line in listed if not line.startswith("#") for word in line.split()] == rows.tolist()
    assert len(set(rows.tolist())) == 400
    assert len(rows) + record("digits")["training_images"] == len(data.images)


def test_record_and_pins_of_the_text_agree(training_text) -> None:
    want = record("pydoc-lm")
    assert want["training_text_sha256"] == training_text.TRAINING_SHA256
    assert want["heldout_text_sha256"] == training_text.HELDOUT_SHA256
    assert training_text.sha256(heldout_text()) == training_text.HELDOUT_SHA256
    assert want["python"] == training_text.PYTHON_VERSION


@pytest.mark.exhaustive
def test_text_is_the_pinned_one_or_refused(training_text, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the pinned Python the text is rebuilt; on any other the tool must stop and say what it needs."""
    texts = training_text.assemble()
    monkeypatch.setattr(training_text, "assemble", lambda: texts)
    if (texts.training_sha256, texts.heldout_sha256) == (training_text.TRAINING_SHA256, training_text.HELDOUT_SHA256):
        assert training_text.checked() == texts
        assert texts.heldout == heldout_text()
    else:
        with pytest.raises(SystemExit) as stopped:
            training_text.checked()
        message = str(stopped.value)
        assert all(word in message for word in ("differs", training_text.PYTHON_VERSION, "--any-text", "SHA-256 here"))
        assert training_text.checked(any_text=True) == texts
    # Whatever the Python: nothing of the held-out text is in the training text, and topics come first.
    flat = training_text.collapse(texts.heldout)
    windows = {flat[i : i + training_text.OVERLAP] for i in range(len(flat) - training_text.OVERLAP + 1)}
    train = training_text.collapse(texts.training)
    assert not any(train[i : i + training_text.OVERLAP] in windows for i in range(len(train) - training_text.OVERLAP + 1))
    assert texts.training.startswith("The")
    assert 300_000 < texts.topics_end < 500_000
    assert len(texts.training) > 1_000_000


def test_another_text_stops_the_training(training_text, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_text, "TRAINING_SHA256", "0" * 64)
    made = training_text.Texts("text", "held", 2, 0, 0)
    monkeypatch.setattr(training_text, "assemble", lambda: made)
    with pytest.raises(SystemExit) as stopped:
        training_text.checked()
    message = str(stopped.value)
    assert "0" * 64 in message
    assert made.training_sha256 in message
    assert f"CPython {training_text.PYTHON_VERSION}" in message
    assert sys.version.split()[0] in message
    assert training_text.checked(any_text=True) is made


def test_overlapping_paragraphs_are_found_across_seams(training_text) -> None:
    held = "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want."
    windows = {held[i : i + 64] for i in range(len(held) - 63)}
    seam = held.index(" man in")
    parts = ["something else entirely", held[10:seam], held[seam + 1 : 90], "and the end", held[:60]]
    assert training_text.overlapping(parts, windows) == {1, 2}
    assert training_text.paragraphs(["a\n  \nb\n", "\n\n", "c"]) == ["a", "b\n", "c\n"]
