"""Which values exist, and scalar arithmetic on them."""

from .base import Format, Overflow, Rounding
from .cast import cast, decode, encode
from .catalogue import catalogue
from .codebook import Codebook
from .fixed import Fixed
from .floats import Float
from .learn import learn_codebook
from .p3109 import P3109
from .parse import parse

__all__ = [
    "P3109",
    "Codebook",
    "Fixed",
    "Float",
    "Format",
    "Overflow",
    "Rounding",
    "cast",
    "catalogue",
    "decode",
    "encode",
    "learn_codebook",
    "parse",
]
