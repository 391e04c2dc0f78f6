"""Random small Llama checkpoints for tests, in Hugging Face names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 61,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}


def random_tensors(config: dict, seed: int = 0) -> dict[str, np.ndarray]:
    """float32 tensors of the right shapes, biases where the config asks for them."""
    rng = np.random.default_rng(seed)
    d, f, v = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    q, kv = (config[key] * config["head_dim"] for key in ("num_attention_heads", "num_key_value_heads"))

    def draw(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    tensors = {"model.embed_tokens.weight": draw(v, d) * 4, "model.norm.weight": 1 + draw(d)}
    if not config.get("tie_word_embeddings"):
        tensors["lm_head.weight"] = draw(v, d)
    for i in range(config["num_hidden_layers"]):
        p = f"model.layers.{i}"
        tensors[f"{p}.input_layernorm.weight"] = 1 + draw(d)
        tensors[f"{p}.post_attention_layernorm.weight"] = 1 + draw(d)
        attention = {"q_proj": (q, d), "k_proj": (kv, d), "v_proj": (kv, d), "o_proj": (d, q)}
        mlp = {"gate_proj": (f, d), "up_proj": (f, d), "down_proj": (d, f)}
        for part, shapes, biased in (
            ("self_attn", attention, config.get("attention_bias")),
            ("mlp", mlp, config.get("mlp_bias")),
        ):
            for name, shape in shapes.items():
                tensors[f"{p}.{part}.{name}.weight"] = draw(*shape)
                if biased:
                    tensors[f"{p}.{part}.{name}.bias"] = draw(shape[0])
    return tensors


def write_folder(folder: Path, config: dict | None = None, tensors: dict[str, np.ndarray] | None = None) -> Path:
    """A model folder with config.json and model.safetensors."""
    config = CONFIG if config is None else config
    tensors = random_tensors(config) if tensors is None else tensors
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")
    return folder
