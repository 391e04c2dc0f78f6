"""How a tensor maps to codes: scales, groups, shared exponents, mixtures of datatypes."""

from .family import Family, Part, SchemeEntry
from .files import load
from .gguf_tensors import from_gguf
from .grid import Granularity, Grid
from .quantize import quantize
from .registry import schemes
from .scheme import Scheme, scheme
from .tensor import QuantizedTensor, from_codes

__all__ = [
    "Family",
    "Granularity",
    "Grid",
    "Part",
    "QuantizedTensor",
    "Scheme",
    "SchemeEntry",
    "from_codes",
    "from_gguf",
    "load",
    "quantize",
    "scheme",
    "schemes",
]
