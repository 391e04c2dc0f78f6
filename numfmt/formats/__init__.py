"""Which values exist, and scalar arithmetic on them."""

from .base import Format, Overflow, Rounding
from .cast import cast, decode, encode
from .catalogue import catalogue
from .codebook import Codebook
from .fixed import Fixed
from .floats import Float
from .packing import decode_packed, pack, unpack
from .parse import parse

__all__ = [
    "Codebook",
    "Fixed",
    "Float",
    "Format",
    "Overflow",
    "Rounding",
    "cast",
    "catalogue",
    "decode",
    "decode_packed",
    "encode",
    "pack",
    "parse",
    "unpack",
]
