"""What will the number be? Bit-accurate emulation of number formats and of the arithmetic that hardware does with them."""

from .arith import Datapath, datapath, datapaths
from .blocks import Scheme, scheme
from .formats import Codebook, Fixed, Float, Format, Overflow, Rounding, cast, catalogue, decode, encode, parse
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
    "Rounding",
    "Scheme",
    "cast",
    "catalogue",
    "datapath",
    "datapaths",
    "decode",
    "encode",
    "parse",
    "scheme",
]
