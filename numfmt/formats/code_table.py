"""Every code of a narrow format with its bits, exact value and class."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from .._checks import check_int_range
from .base import Format, decode_table
from .code_fields import split
from .exact_text import dyadic
from .special_codes import code_classes

if TYPE_CHECKING:
    import pandas as pd

_MOST_BITS = 16
_PRINTED_BITS = 14000


def check_listed(fmt: Format, most_bits: int) -> None:
    """Refuse a format of more than `most_bits` bits (16 at most)."""
    check_int_range("most_bits", most_bits, 0, _MOST_BITS)
    if fmt.bits > most_bits:
        remedy = f"pass most_bits={fmt.bits}" if fmt.bits <= _MOST_BITS else "decode the codes you need with nf.decode"
        raise ValueError(f"format {fmt} has 2**{fmt.bits} codes, the table lists formats of up to {most_bits} bits; {remedy}")


def code_table(fmt: Format, most_bits: int = 8) -> pd.DataFrame:
    """One row a code; see `Card.table`."""
    import pandas as pd

    check_listed(fmt, most_bits)
    codes = np.arange(1 << fmt.bits)
    digits = max(-(-fmt.bits // 4), 1)
    values = decode_table(fmt)
    return pd.DataFrame(
        {
            "code": codes,
            "hex": [f"0x{code:0{digits}x}" for code in codes.tolist()],
            "bits": [" ".join(part for _, part in split(fmt, code)) for code in codes.tolist()],
            "value": [_printable(v) for v in values] if values.dtype.kind == "O" else values.astype(np.float64),
            "class": code_classes(fmt),
        }
    )


def _printable(value: Fraction | float) -> Fraction | float | str:
    """A fraction of thousands of digits as text such as "2**-16383": Python prints no integer that long."""
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > _PRINTED_BITS:
        return dyadic(value)
    return value
