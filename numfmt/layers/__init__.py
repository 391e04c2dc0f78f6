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
from .fold import Folded, fold_batch_norm
from .hawq_resnet import IntegerNetwork, hawq_resnet
from .ibert_layer import IBertEncoderLayer
from .integer_add import ResidualAdd
from .integer_concat import Concatenate
from .integer_conv import IntegerConv2d
from .integer_linear import IntegerLinear
from .integer_pool import IntegerAvgPool2d, IntegerMaxPool2d
from .integer_quantizers import (
    ActivationRange,
    activation_scale,
    quantize_activation,
    quantize_bias,
    quantize_weight,
    weight_scale,
)
from .integer_requantize import IntegerReLU, Requantize
from .kv_cache import CacheSide, KVCache
from .linear import Linear
from .norm import LayerNorm, RMSNorm
from .residual import ResidualBlock
from .rotary import Rotary
from .sequential import Flatten, Sequential
from .softmax import Softmax

__all__ = [
    "GELU",
    "Activation",
    "ActivationRange",
    "Attention",
    "CacheSide",
    "Concatenate",
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
    "Folded",
    "IBertEncoderLayer",
    "IntegerAvgPool2d",
    "IntegerConv2d",
    "IntegerLinear",
    "IntegerMaxPool2d",
    "IntegerNetwork",
    "IntegerReLU",
    "KVCache",
    "LayerNorm",
    "Linear",
    "RMSNorm",
    "ReLU",
    "Requantize",
    "ResidualAdd",
    "ResidualBlock",
    "Rotary",
    "Sequential",
    "SiLU",
    "Softmax",
    "Sqrt",
    "activation_scale",
    "fixed_network",
    "fold_batch_norm",
    "hawq_resnet",
    "infer_accumulator",
    "infer_pool_accumulator",
    "k_hot",
    "quantize_activation",
    "quantize_bias",
    "quantize_weight",
    "weight_scale",
]
