"""Second-level scales: group scales as 8-bit multiples of one scale a channel, in float16 arithmetic.

Source: yc2367/BitMoD, quant_weight_double.py.
"""

from __future__ import annotations

import numpy as np

from .group_scale import half_lane
from .jit import kernel

_TOP = np.float32(255.0)
_NONE = np.float32(0.0)


@kernel
def second_level(scales, channel, multiples):
    """channel = largest scale of a row / 255; multiples = scale / channel to nearest even, at most 255.

    scales: float32 (rows, groups) holding float16 values above zero; channel: float32 (rows,); multiples: uint8 (rows, groups).
    """
    for r in range(scales.shape[0]):
        largest = _NONE
        for g in range(scales.shape[1]):
            largest = scales[r, g] if scales[r, g] > largest else largest
        unit = half_lane(largest / _TOP)
        channel[r] = unit
        for g in range(scales.shape[1]):
            multiple = np.rint(half_lane(scales[r, g] / unit))
            multiples[r, g] = np.uint8(multiple if multiple < _TOP else _TOP)
