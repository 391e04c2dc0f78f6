"""How a tensor maps to codes: scales, groups, shared exponents, mixtures of datatypes."""

from .quantize import quantize
from .scheme import Granularity, Scheme, scheme
from .tensor import QuantizedTensor, from_codes, load

__all__ = ["Granularity", "QuantizedTensor", "Scheme", "from_codes", "load", "quantize", "scheme"]
