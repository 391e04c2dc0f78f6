"""What will the number be? Bit-accurate emulation of number formats and of the arithmetic that hardware does with them."""

from .arith import Datapath, datapath, datapaths
from .blocks import Scheme, scheme
from .formats import Codebook, Fixed, Float, Format, Overflow, Rounding, catalogue, parse
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
    "catalogue",
    "datapath",
    "datapaths",
    "parse",
    "scheme",
]
