"""A Llama decoder and a convolutional net in torch, float64, written from the papers; shares no code with numfmt."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def _rates(config: dict) -> torch.Tensor:
    d = config["head_dim"]
    rates = 1.0 / config.get("rope_theta", 10000.0) ** (torch.arange(0, d, 2, dtype=torch.float64) / d)
    scaling = config.get("rope_scaling")
    if scaling and scaling["rope_type"] == "linear":
        return rates / scaling["factor"]
    if scaling and scaling["rope_type"] == "llama3":
        out = []
        for rate in rates.tolist():
            wavelength = 2 * torch.pi / rate
            old, low, high = (scaling[k] for k in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor"))
            if wavelength < old / high:
                out.append(rate)
            elif wavelength > old / low:
                out.append(rate / scaling["factor"])
            else:
                smooth = (old / wavelength - low) / (high - low)
                out.append((1 - smooth) * rate / scaling["factor"] + smooth * rate)
        return torch.tensor(out, dtype=torch.float64)
    return rates


def _rope(x: torch.Tensor, rates: torch.Tensor, adjacent: bool) -> torch.Tensor:
    """Rotation as multiplication of complex numbers; x (B, H, T, D)."""
    t = torch.arange(x.shape[2], dtype=torch.float64)
    turn = torch.polar(torch.ones(len(t), len(rates), dtype=torch.float64), t[:, None] * rates)
    half = x.shape[-1] // 2
    pairs = x.reshape(*x.shape[:-1], half, 2) if adjacent else torch.stack((x[..., :half], x[..., half:]), -1)
    turned = torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * turn)
    return turned.reshape(x.shape) if adjacent else torch.cat((turned[..., 0], turned[..., 1]), -1)


def llama_logits(config: dict, tensors: dict, tokens, adjacent: bool = False) -> torch.Tensor:
    """Logits (B, T, V) in float64."""
    w = {k: torch.as_tensor(v).double() for k, v in tensors.items()}
    heads, kv_heads, d = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    eps, rates = config["rms_norm_eps"], _rates(config)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * w[f"{name}.weight"]

    def dense(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    tokens = torch.as_tensor(tokens)
    n, t = tokens.shape
    x = w["model.embed_tokens.weight"][tokens]
    for i in range(config["num_hidden_layers"]):
        p = f"model.layers.{i}"
        h = norm(x, f"{p}.input_layernorm")
        q = dense(h, f"{p}.self_attn.q_proj").view(n, t, heads, d).transpose(1, 2)
        k = dense(h, f"{p}.self_attn.k_proj").view(n, t, kv_heads, d).transpose(1, 2)
        v = dense(h, f"{p}.self_attn.v_proj").view(n, t, kv_heads, d).transpose(1, 2)
        q, k = _rope(q, rates, adjacent), _rope(k, rates, adjacent)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + dense(y.transpose(1, 2).reshape(n, t, heads * d), f"{p}.self_attn.o_proj")
        h = norm(x, f"{p}.post_attention_layernorm")
        x = x + dense(F.silu(dense(h, f"{p}.mlp.gate_proj")) * dense(h, f"{p}.mlp.up_proj"), f"{p}.mlp.down_proj")
    head = w["model.embed_tokens.weight"] if config.get("tie_word_embeddings") else w["lm_head.weight"]
    return norm(x, "model.norm") @ head.T


def digits_scores(tensors: dict, images) -> torch.Tensor:
    """Scores of the shipped classifier's shape: three convolutions (the second of stride 2), two dense layers."""
    w = {k: torch.as_tensor(v).double() for k, v in tensors.items()}
    x = torch.as_tensor(images).double() / 16
    for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 1)):
        x = F.relu(F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=stride, padding=1))
    x = F.relu(F.linear(x.flatten(1), w["fc1.weight"], w["fc1.bias"]))
    return F.linear(x, w["fc2.weight"], w["fc2.bias"])
