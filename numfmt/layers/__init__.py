"""Layers as hardware computes them."""

from .conv import Conv2d
from .fixed_config import fixed_network
from .fixed_conv import FixedConv2d
from .fixed_dense import FixedDense
from .fixed_elementwise import FixedAdd, FixedBatchNorm, FixedCast, FixedReLU
from .fixed_infer import infer_accumulator, infer_pool_accumulator
from .fixed_khot import k_hot
from .fixed_pool import FixedAvgPool2d, FixedMaxPool2d
from .linear import Linear
from .sequential import Flatten, Sequential

__all__ = [
    "Conv2d",
    "FixedAdd",
    "FixedAvgPool2d",
    "FixedBatchNorm",
    "FixedCast",
    "FixedConv2d",
    "FixedDense",
    "FixedMaxPool2d",
    "FixedReLU",
    "Flatten",
    "Linear",
    "Sequential",
    "fixed_network",
    "infer_accumulator",
    "infer_pool_accumulator",
    "k_hot",
]
