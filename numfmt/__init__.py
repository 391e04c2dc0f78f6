"""What will the number be? Bit-accurate emulation of number formats and of the arithmetic that hardware does with them."""

from . import layers
from .arith import Datapath, datapath, datapaths, explain, matmul
from .blocks import QuantizedTensor, Scheme, from_codes, load, quantize, scheme
from .formats import Codebook, Fixed, Float, Format, Overflow, Rounding, cast, catalogue, decode, encode, learn_codebook, parse
from .plan import LayerPlan, Plan

__all__ = [
    "Codebook",
    "Datapath",
    "Fixed",
    "Float",
    "Format",
    "LayerPlan",
    "Overflow",
    "Plan",
    "QuantizedTensor",
    "Rounding",
    "Scheme",
    "cast",
    "catalogue",
    "datapath",
    "datapaths",
    "decode",
    "encode",
    "explain",
    "from_codes",
    "layers",
    "learn_codebook",
    "load",
    "matmul",
    "parse",
    "quantize",
    "scheme",
]
