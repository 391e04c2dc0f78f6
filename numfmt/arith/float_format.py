"""Which float formats an accumulator can have, and their short names."""

from __future__ import annotations

import numpy as np

from ..formats import Float, parse

_SHORT = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


def short(fmt: Float) -> str:
    """The format's name in a datapath's string."""
    return _SHORT.get(str(fmt), str(fmt))


def check_accumulator_format(fmt: Float, most: int) -> None:
    """Refuse formats without sign or zero, and those of one significant bit, whose ties go by the parity of the exponent."""
    if not fmt.signed or not fmt.zero or not 1 <= fmt.man_bits <= most:
        raise ValueError(f"accumulator format {fmt} is not allowed: it needs a sign, a zero and 1 to {most} mantissa bits")


def accumulator_format(name: str) -> Float:
    """The float format of that name. Raises ValueError for other formats."""
    fmt = parse(name)
    if not isinstance(fmt, Float):
        raise ValueError(f"accumulator format {name!r} is not a float format; use fp32, fp16, bf16, float<e,m>, intN or exact")
    return fmt


def float_result(total: np.ndarray, fmt: Float) -> np.ndarray:
    """float64 values of the format in the dtype that users see."""
    result = total.astype(fmt.value_dtype, copy=False)
    return result if fmt.has_minus_zero else result + 0.0
