"""Train the small language model that ships with hwmodel (`pydoc-lm`): bytes in, bytes out, Llama architecture.

    python tools/train_language_model.py [--out FOLDER]

Needs torch and safetensors. Writes a Hugging Face style folder (float16 tensors), the held-out excerpt, the training
record and MANIFEST.json (SHA-256 of each file, which `hwmodel.models.load_network` verifies).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from manifest import carry_licences, write_manifest
from training_text import PYTHON_VERSION, checked

DEFAULT_OUT = Path(__file__).parent.parent / "hwmodel" / "models" / "data" / "pydoc-lm"

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 256,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "torch_dtype": "float16",
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result beside the text and the shape."""

    seed: int = 0
    threads: int = 1
    steps: int = 1800
    batch: int = 16
    context: int = 256
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    weight_decay: float = 0.1
    beta2: float = 0.98
    clip_norm: float = 1.0
    topics_share: float = 0.4  # of the windows; the held-out text is of this kind


class Norm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding, half-split layout: channel i is paired with i + head_dim/2."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, c: dict) -> None:
        super().__init__()
        d, self.heads, self.head_dim = c["hidden_size"], c["num_attention_heads"], c["head_dim"]
        self.q_proj = nn.Linear(d, d, bias=False)
        self.k_proj = nn.Linear(d, d, bias=False)
        self.v_proj = nn.Linear(d, d, bias=False)
        self.o_proj = nn.Linear(d, d, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        n, t, d = x.shape
        q, k, v = (p(x).view(n, t, self.heads, self.head_dim).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(n, t, d))


class FeedForward(nn.Module):
    def __init__(self, c: dict) -> None:
        super().__init__()
        d, width = c["hidden_size"], c["intermediate_size"]
        self.gate_proj = nn.Linear(d, width, bias=False)
        self.up_proj = nn.Linear(d, width, bias=False)
        self.down_proj = nn.Linear(width, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, c: dict) -> None:
        super().__init__()
        self.input_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = FeedForward(c)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """`model.*` of the Hugging Face names; the head is the embedding."""

    def __init__(self, c: dict) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])
        half = c["head_dim"] // 2
        rate = c["rope_theta"] ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = torch.arange(c["max_position_embeddings"], dtype=torch.float64)[:, None] * rate
        self.register_buffer("cos", angle.cos().float(), persistent=False)
        self.register_buffer("sin", angle.sin().float(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                deep = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(p, std=0.04 / math.sqrt(2 * c["num_hidden_layers"]) if deep else 0.04)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed_tokens(tokens)
        t = tokens.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t])
        return F.linear(self.norm(x), self.embed_tokens.weight)


def as_tokens(text: str) -> Tensor:
    return torch.frombuffer(bytearray(text.encode("utf-8")), dtype=torch.uint8).long()


@torch.no_grad()
def heldout_nats(model: Decoder, tokens: Tensor, context: int) -> float:
    """Mean loss over whole windows of `context` bytes, first byte of each window not predicted."""
    windows = tokens[: len(tokens) // context * context].view(-1, context)
    total = 0.0
    for part in windows.split(32):
        logits = model(part[:, :-1])
        total += F.cross_entropy(logits.reshape(-1, logits.shape[-1]).double(), part[:, 1:].reshape(-1), reduction="sum").item()
    return total / (windows.shape[0] * (context - 1))


def train(recipe: Recipe, training: Tensor, topics_end: int, heldout: Tensor) -> Decoder:
    """AdamW, linear warm-up then cosine to zero, random windows."""
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    model = Decoder(CONFIG)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() != 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": gains, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, recipe.beta2), fused=True)
    draw = torch.Generator().manual_seed(recipe.seed)
    offsets = torch.arange(recipe.context + 1)
    started = time.monotonic()
    for step in range(recipe.steps):
        progress = step / recipe.steps
        scale = min(1.0, (step + 1) / recipe.warmup_steps) * 0.5 * (1.0 + math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * scale
        in_topics = torch.rand(recipe.batch, generator=draw) < recipe.topics_share
        low = torch.where(in_topics, 0, topics_end)
        high = torch.where(in_topics, topics_end, len(training)) - recipe.context - 1
        starts = low + (torch.rand(recipe.batch, generator=draw, dtype=torch.float64) * (high - low)).long()
        window = training[starts[:, None] + offsets]
        logits = model(window[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), window[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        if (step + 1) % 100 == 0 or step == 0:
            seconds = time.monotonic() - started
            nats = heldout_nats(model, heldout, recipe.context) if (step + 1) % 500 == 0 else float("nan")
            print(f"step {step + 1}/{recipe.steps} loss {loss.item():.4f} held-out {nats:.4f} {seconds:.0f} s", flush=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--any-text", action="store_true", help=f"train on this Python's text even if not {PYTHON_VERSION}'s")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    args = parser.parse_args()
    recipe = Recipe(steps=args.steps, seed=args.seed)
    texts = checked(args.any_text)
    started = time.monotonic()
    heldout = as_tokens(texts.heldout)
    topics_end = len(texts.training[: texts.topics_end].encode("utf-8"))
    model = train(recipe, as_tokens(texts.training), topics_end, heldout)

    tensors = {name: p.detach().to(torch.float16).contiguous() for name, p in model.named_parameters()}
    tensors = {f"model.{name}": t for name, t in tensors.items()}
    model.load_state_dict({name.removeprefix("model."): t.float() for name, t in tensors.items()})
    nats = heldout_nats(model, heldout, recipe.context)
    record = {
        "command": "python tools/train_language_model.py",
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "training_text_sha256": texts.training_sha256,
        "training_text_bytes": len(texts.training.encode("utf-8")),
        "heldout_text_sha256": texts.heldout_sha256,
        "heldout": {
            "context": recipe.context,
            "nats_per_byte": round(nats, 6),
            "bits_per_byte": round(nats / math.log(2), 6),
            "perplexity": round(math.exp(nats), 6),
        },
    }
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(args.out / "model.safetensors"), metadata={"format": "pt"})
    (args.out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (args.out / "heldout.txt").write_text(texts.heldout, encoding="utf-8")
    (args.out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    carry_licences(DEFAULT_OUT, args.out)
    write_manifest(args.out)
    print(json.dumps(record["heldout"]), f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
