"""Which values exist, and scalar arithmetic on them."""

from . import ieee
from .arithmetic import add, divide, flags, fma, multiply, remainder, sqrt, subtract
from .base import Format, Overflow, Rounding
from .cast import cast, decode, encode
from .catalogue import catalogue
from .codebook import Codebook
from .compare import Comparison, compare
from .convert import convert
from .describe import Card, describe
from .elementary import elementary
from .fixed import Fixed
from .floats import Float
from .function_error import FunctionError, function_error
from .learn import learn_codebook
from .lmul import lmul, lmul_error
from .p3109 import P3109
from .packing import decode_packed, pack, unpack
from .parse import parse
from .program import Program

__all__ = [
    "P3109",
    "Card",
    "Codebook",
    "Comparison",
    "Fixed",
    "Float",
    "Format",
    "FunctionError",
    "Overflow",
    "Program",
    "Rounding",
    "add",
    "cast",
    "catalogue",
    "compare",
    "convert",
    "decode",
    "decode_packed",
    "describe",
    "divide",
    "elementary",
    "encode",
    "flags",
    "fma",
    "function_error",
    "ieee",
    "learn_codebook",
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
