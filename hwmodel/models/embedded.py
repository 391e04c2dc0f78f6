"""The networks that ship in the package, each a folder verified against its MANIFEST.json."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from hwmodel.models.folder import build_network, folder_tensors, read_json
from hwmodel.models.loaded import LoadedModel
from numfmt.layers.evaluate import LabelledImages, TokenWindows

DATA = Path(__file__).parent / "data"
LANGUAGE_MODEL, DIGITS = "pydoc-lm", "digits"


def verify(folder: Path) -> None:
    """Hold every file of the folder's MANIFEST.json against its size and SHA-256.

    Raises FileNotFoundError for an absent file and ValueError for a changed or truncated one.
    """
    remedy = "Reinstall the package"
    manifest = folder / "MANIFEST.json"
    if not manifest.is_file():
        raise FileNotFoundError(f"{manifest} is missing. {remedy}")
    for name, pinned in read_json(manifest)["files"].items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. {remedy}")
        content = path.read_bytes()
        if len(content) != pinned["bytes"]:
            raise ValueError(f"{path} has {len(content)} bytes, the shipped file {pinned['bytes']}: truncated or changed. {remedy}")
        digest = hashlib.sha256(content).hexdigest()
        if digest != pinned["sha256"]:
            raise ValueError(f"{path} was changed: its SHA-256 is {digest}, the shipped file's {pinned['sha256']}. {remedy}")


def heldout_text() -> str:
    """The held-out excerpt of Python's documentation (PSF licence) that ships with the language model."""
    verify(DATA / LANGUAGE_MODEL)
    return (DATA / LANGUAGE_MODEL / "heldout.txt").read_text(encoding="utf-8")


def byte_windows(text: str, context: int) -> TokenWindows:
    """Whole windows of `context` bytes of UTF-8, one token a byte; the rest of the text is left out."""
    tokens = np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int64)
    windows = tokens[: len(tokens) // context * context].reshape(-1, context)
    return TokenWindows(windows, np.full(len(windows), context - 1, dtype=np.int64))


def load_language_model(folder: Path = DATA / LANGUAGE_MODEL) -> LoadedModel:
    """Byte-level Llama trained on Python's documentation, with whole held-out topics in windows of its context."""
    verify(folder)
    config, record = read_json(folder / "config.json"), read_json(folder / "training.json")
    text = (folder / "heldout.txt").read_text(encoding="utf-8")
    return LoadedModel(
        network=build_network(LANGUAGE_MODEL, config, folder_tensors(folder)),
        evaluate_data=byte_windows(text, int(config["max_position_embeddings"])),
        metric="perplexity",
        source=f"trained by tools/train_language_model.py on the documentation of CPython {record['python']}, "
        f"text SHA-256 {record['training_text_sha256'][:16]}; perplexity per byte on topics left out of training",
        licence="weights: Apache-2.0; held-out text: Python Software Foundation License (LICENSE.PSF.txt)",
        config=config,
    )


def load_digits(folder: Path = DATA / DIGITS) -> LoadedModel:
    """Convolutional classifier of handwritten digits (8 x 8), with its test images."""
    verify(folder)
    config = read_json(folder / "config.json")
    with np.load(folder / "test_images.npz", allow_pickle=False) as arrays:
        data = LabelledImages(arrays["images"][:, None], arrays["labels"].astype(np.int64))
    return LoadedModel(
        network=build_network(DIGITS, config, folder_tensors(folder)),
        evaluate_data=data,
        metric="accuracy",
        source="trained by tools/train_digits.py on the Optical Recognition of Handwritten Digits data (UCI, test "
        "part, as in scikit-learn); accuracy on images left out of training",
        licence="weights: Apache-2.0; images: CC BY 4.0 (LICENSE.images.txt)",
        config=config,
    )
