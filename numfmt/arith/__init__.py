"""What hardware does with codes: products, accumulators, processing elements."""

from .datapath import Datapath, datapath, datapaths
from .matmul import explain, matmul
from .requantize import requantizations, requantize
from .scaled_mm import scaled_mm

__all__ = ["Datapath", "datapath", "datapaths", "explain", "matmul", "requantizations", "requantize", "scaled_mm"]
