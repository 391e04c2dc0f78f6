"""Layers as hardware computes them."""

from .activations import GELU, Activation, Exp, ReLU, SiLU, Sqrt
from .attention_layer import Attention
from .conv import Conv2d
from .embedding import Embedding
from .kv_cache import CacheSide, KVCache
from .linear import Linear
from .norm import LayerNorm, RMSNorm
from .rotary import Rotary
from .softmax import Softmax

__all__ = [
    "GELU",
    "Activation",
    "Attention",
    "CacheSide",
    "Conv2d",
    "Embedding",
    "Exp",
    "KVCache",
    "LayerNorm",
    "Linear",
    "RMSNorm",
    "ReLU",
    "Rotary",
    "SiLU",
    "Softmax",
    "Sqrt",
]
