"""Layers as hardware computes them."""

from .activations import GELU, Activation, Exp, ReLU, SiLU, Sqrt
from .attention_layer import Attention
from .conv import Conv2d
from .embedding import Embedding
from .fixed_config import fixed_network
from .fixed_conv import FixedConv2d
from .fixed_dense import FixedDense
from .fixed_elementwise import FixedAdd, FixedBatchNorm, FixedCast, FixedReLU
from .fixed_infer import infer_accumulator, infer_pool_accumulator
from .fixed_khot import k_hot
from .fixed_pool import FixedAvgPool2d, FixedMaxPool2d
from .kv_cache import CacheSide, KVCache
from .linear import Linear
from .norm import LayerNorm, RMSNorm
from .rotary import Rotary
from .sequential import Flatten, Sequential
from .softmax import Softmax

__all__ = [
    "GELU",
    "Activation",
    "Attention",
    "CacheSide",
    "Conv2d",
    "Embedding",
    "Exp",
    "FixedAdd",
    "FixedAvgPool2d",
    "FixedBatchNorm",
    "FixedCast",
    "FixedConv2d",
    "FixedDense",
    "FixedMaxPool2d",
    "FixedReLU",
    "Flatten",
    "KVCache",
    "LayerNorm",
    "Linear",
    "RMSNorm",
    "ReLU",
    "Rotary",
    "Sequential",
    "SiLU",
    "Softmax",
    "Sqrt",
    "fixed_network",
    "infer_accumulator",
    "infer_pool_accumulator",
    "k_hot",
]
