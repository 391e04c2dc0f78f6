"""Write a model-shaped checkpoint of random bfloat16 weights in safetensors shards, to try `hwmodel quantize` at full size.

    python tools/make_checkpoint.py OUT [--layers 32] [--hidden 4096] [--ffn 11008] [--vocab 32000] [--shards 8]

The defaults are the shapes of Llama-2-7B: 6.7 billion weights, 13.5 GB. Weights follow a Student distribution of scale 0.02,
drawn from one seeded block of 64 MB at changing places; nothing is learned from them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ml_dtypes
import numpy as np

from numfmt.blocks.files import ShardWriter


def shapes(layers: int, hidden: int, ffn: int, vocab: int) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a Llama's tensors."""
    found: list[tuple[str, tuple[int, ...]]] = [("model.embed_tokens.weight", (vocab, hidden))]
    for n in range(layers):
        name = f"model.layers.{n}"
        found += [(f"{name}.self_attn.{p}_proj.weight", (hidden, hidden)) for p in "qkvo"]
        found += [(f"{name}.mlp.{p}_proj.weight", (ffn, hidden)) for p in ("gate", "up")]
        found += [(f"{name}.mlp.down_proj.weight", (hidden, ffn)), (f"{name}.input_layernorm.weight", (hidden,))]
        found += [(f"{name}.post_attention_layernorm.weight", (hidden,))]
    return [*found, ("model.norm.weight", (hidden,)), ("lm_head.weight", (vocab, hidden))]


def main() -> None:
    """Write the shards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name, value in (("layers", 32), ("hidden", 4096), ("ffn", 11008), ("vocab", 32000), ("shards", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    block = (rng.standard_t(6, 1 << 25) * 0.02).astype(ml_dtypes.bfloat16)
    tensors = shapes(given.layers, given.hidden, given.ffn, given.vocab)
    total = sum(int(np.prod(s)) for _, s in tensors)
    shards: list[list[tuple[str, tuple[int, ...]]]] = [[]]
    size = 0
    for name, shape in tensors:
        if size >= total / given.shards:
            shards.append([])
            size = 0
        shards[-1].append((name, shape))
        size += int(np.prod(shape))
    for index, shard in enumerate(shards):
        layout = {name: (np.dtype(ml_dtypes.bfloat16), shape) for name, shape in shard}
        file = given.out / f"model-{index + 1:05d}-of-{len(shards):05d}.safetensors"
        with ShardWriter(file, layout, {"format": "pt"}) as writer:
            for name, shape in shard:
                rows = max(1, (1 << 24) // shape[-1])
                for first in range(0, shape[0], rows):
                    last = min(first + rows, shape[0])
                    count = (last - first) * int(np.prod(shape[1:]))
                    start = int(rng.integers(0, block.size - count))
                    writer.put_at(name, first, block[start : start + count])
        print(f"{file.name}: {sum(int(np.prod(s)) for _, s in shard):,} weights")
    print(f"{total:,} weights in {len(shards)} shards")


if __name__ == "__main__":
    main()
