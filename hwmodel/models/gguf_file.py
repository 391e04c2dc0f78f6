"""Read a Llama-architecture GGUF file: config, tensors (dequantized to float32) and tokenizer.

The packages gguf and tokenizers are imported when needed; both come with the extra `models`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numfmt.blocks.gguf_layout import KINDS, decode_blocks

_BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_ROWS_AT_ONCE = 4096  # bounds the temporaries of dequantization


def hugging_face_name(name: str) -> str:
    """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`; unknown names come back as they are."""
    stem, _, ending = name.rpartition(".")
    if stem in _TOP_NAMES:
        return f"{_TOP_NAMES[stem]}.{ending}"
    parts = stem.split(".")
    if len(parts) == 3 and parts[0] == "blk" and parts[2] in _BLOCK_NAMES:
        return f"model.layers.{parts[1]}.{_BLOCK_NAMES[parts[2]]}.{ending}"
    return name


def _values(data: NDArray[Any], kind: Any) -> NDArray[np.float32]:
    """float32 values of rows as they lie in the file: by numfmt's decoders, or the gguf package's for types that numfmt lacks."""
    name = kind.name.lower()
    if name in KINDS:
        return decode_blocks(data, name).reshape(len(data), -1)
    from gguf import dequantize

    values: NDArray[np.float32] = dequantize(data, kind)
    return values


class GGUFFile(Mapping[str, NDArray[np.float32]]):
    """The tensors of a GGUF file under Hugging Face names, dequantized when asked for.

    Raises FileNotFoundError, and ValueError for a malformed file, another architecture, or a tensor holding NaN or
    infinity (named).
    """

    def __init__(self, path: Path) -> None:
        from gguf import GGUFReader

        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
        try:
            self._reader = GGUFReader(path)
        except Exception as error:
            # The reader trips over damaged files in many ways (index, reshape, enum, unicode errors).
            raise ValueError(
                f"{path} is not a complete GGUF file, or newer than the installed gguf package: {error}. "
                "Copy or download it again, or update gguf"
            ) from None
        self.path = path
        self._tensors = {hugging_face_name(tensor.name): tensor for tensor in self._reader.tensors}
        architecture = self.text("general.architecture")
        if architecture != "llama":
            raise ValueError(f"{path} holds a model of architecture {architecture!r}; only 'llama' is supported")

    def _field(self, name: str) -> Any:
        field = self._reader.get_field(name)
        if field is None:
            raise ValueError(f"{self.path} lacks the field {name!r}")
        return field

    def has(self, name: str) -> bool:
        """True if the file has the metadata field."""
        return self._reader.get_field(name) is not None

    def number(self, name: str) -> Any:
        """A scalar metadata field."""
        field = self._field(name)
        return field.parts[field.data[0]][0].item()

    def text(self, name: str) -> str:
        """A string metadata field."""
        return self.texts(name)[0]

    def texts(self, name: str) -> list[str]:
        """A metadata field that is a list of strings."""
        field = self._field(name)
        return [bytes(field.parts[i]).decode("utf-8") for i in field.data]

    def config(self) -> dict[str, Any]:
        """The metadata as a Hugging Face style Llama config."""
        heads = int(self.number("llama.attention.head_count"))
        width = int(self.number("llama.embedding_length"))
        head_dim = int(self.number("llama.rope.dimension_count")) if self.has("llama.rope.dimension_count") else width // heads
        kv = "llama.attention.head_count_kv"
        base = "llama.rope.freq_base"
        return {
            "model_type": "llama",
            "vocab_size": int(self._tensors["model.embed_tokens.weight"].shape[1]),
            "hidden_size": width,
            "intermediate_size": int(self.number("llama.feed_forward_length")),
            "num_hidden_layers": int(self.number("llama.block_count")),
            "num_attention_heads": heads,
            "num_key_value_heads": int(self.number(kv)) if self.has(kv) else heads,
            "head_dim": head_dim,
            "max_position_embeddings": int(self.number("llama.context_length")),
            "rms_norm_eps": float(self.number("llama.attention.layer_norm_rms_epsilon")),
            "rope_theta": float(self.number(base)) if self.has(base) else 10000.0,
            "hidden_act": "silu",
            "tie_word_embeddings": "lm_head.weight" not in self._tensors,
        }

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        tensor = self._tensors[name]
        shape = tuple(int(n) for n in reversed(tensor.shape))
        out = np.empty(shape, dtype=np.float32)
        rows = out.reshape(-1, shape[-1]) if len(shape) > 1 else out[None]
        data = tensor.data.reshape(len(rows), -1)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = data[start : start + _ROWS_AT_ONCE]
            rows[start : start + _ROWS_AT_ONCE] = _values(np.ascontiguousarray(part), tensor.tensor_type)
        if not np.isfinite(out).all():
            raise ValueError(f"tensor {name!r} of {self.path} holds NaN or infinite values; weights must be finite")
        return out

    def storage(self) -> dict[str, int]:
        """How many tensors are stored in each GGUF type."""
        counts: dict[str, int] = {}
        for tensor in self._reader.tensors:
            counts[tensor.tensor_type.name] = counts.get(tensor.tensor_type.name, 0) + 1
        return counts

    def __contains__(self, name: object) -> bool:
        return name in self._tensors  # the inherited test would dequantize the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


class ByteLevelTokenizer:
    """Byte-level BPE from a GGUF file's own vocabulary and merges.

    Raises ValueError for a tokenizer of another kind: only "gpt2" with the pre-tokenizer "smollm" (digits split singly,
    then GPT-2's pattern) is read.
    """

    def __init__(self, file: GGUFFile) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        kind = file.text("tokenizer.ggml.model"), file.text("tokenizer.ggml.pre")
        if kind != ("gpt2", "smollm"):
            raise ValueError(f"{file.path} has a tokenizer of kind {kind}; only ('gpt2', 'smollm') is supported")
        words = file.texts("tokenizer.ggml.tokens")
        merges = [(left, right) for left, right in (m.split(" ") for m in file.texts("tokenizer.ggml.merges"))]
        self._tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        # In a byte-level vocabulary each character of a token stands for one byte.
        self.bytes_of = np.array([len(word) for word in words], dtype=np.int64)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Token ids of plain text; no special token is added or recognized."""
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)
