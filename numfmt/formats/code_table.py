"""Every code of a narrow format with its bits, exact value and class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._checks import check_int_range
from .base import Format, decode_table
from .code_fields import split
from .special_codes import code_classes

if TYPE_CHECKING:
    import pandas as pd

_MOST_BITS = 16


def code_table(fmt: Format, most_bits: int = 8) -> pd.DataFrame:
    """One row a code; see `Card.table`."""
    import pandas as pd

    check_int_range("most_bits", most_bits, 0, _MOST_BITS)
    if fmt.bits > most_bits:
        remedy = f"pass most_bits={fmt.bits}" if fmt.bits <= _MOST_BITS else "decode the codes you need with nf.decode"
        raise ValueError(f"format {fmt} has 2**{fmt.bits} codes, the table lists formats of up to {most_bits} bits; {remedy}")
    codes = np.arange(1 << fmt.bits)
    digits = max(-(-fmt.bits // 4), 1)
    values = decode_table(fmt)
    return pd.DataFrame(
        {
            "code": codes,
            "hex": [f"0x{code:0{digits}x}" for code in codes.tolist()],
            "bits": [" ".join(part for _, part in split(fmt, code)) for code in codes.tolist()],
            "value": values if values.dtype.kind == "O" else values.astype(np.float64),
            "class": code_classes(fmt),
        }
    )
