"""Which values exist, and scalar arithmetic on them."""

from . import ieee
from .arithmetic import add, divide, flags, fma, multiply, remainder, sqrt, subtract
from .base import Format, Overflow, Rounding
from .cast import cast, decode, encode
from .catalogue import catalogue
from .codebook import Codebook
from .compare import Comparison, compare
from .convert import convert
from .fixed import Fixed
from .floats import Float
from .lmul import lmul, lmul_error
from .packing import decode_packed, pack, unpack
from .parse import parse

__all__ = [
    "Codebook",
    "Comparison",
    "Fixed",
    "Float",
    "Format",
    "Overflow",
    "Rounding",
    "add",
    "cast",
    "catalogue",
    "compare",
    "convert",
    "decode",
    "decode_packed",
    "divide",
    "encode",
    "flags",
    "fma",
    "ieee",
    "lmul",
    "lmul_error",
    "multiply",
    "pack",
    "parse",
    "remainder",
    "sqrt",
    "subtract",
    "unpack",
]
