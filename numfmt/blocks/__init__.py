"""How a tensor maps to codes: scales, groups, shared exponents, mixtures of datatypes."""

from .checkpoint import Checkpoint, open_checkpoint, quantize_checkpoint
from .dual import narrow
from .family import Family, Part, SchemeEntry
from .files import load
from .grid import Granularity, Grid
from .ksort import ksort, ksort_inverse, ksort_order
from .quantize import quantize
from .registry import schemes
from .scheme import Scheme, scheme
from .sparse import outliers
from .tensor import QuantizedTensor, from_codes

__all__ = [
    "Checkpoint",
    "Family",
    "Granularity",
    "Grid",
    "Part",
    "QuantizedTensor",
    "Scheme",
    "SchemeEntry",
    "from_codes",
    "ksort",
    "ksort_inverse",
    "ksort_order",
    "load",
    "narrow",
    "open_checkpoint",
    "outliers",
    "quantize",
    "quantize_checkpoint",
    "scheme",
    "schemes",
]
