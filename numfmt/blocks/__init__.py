"""How a tensor maps to codes: scales, groups, shared exponents, mixtures of datatypes."""

from .scheme import Granularity, Scheme, scheme

__all__ = ["Granularity", "Scheme", "scheme"]
