"""Plain models of BitMoD's second-level scales, NumPy float16 scalars and arrays; no code shared with numfmt.

Source: yc2367/BitMoD quant_weight_double.py; the bounds on scales are those of the one-level code.
"""

from __future__ import annotations

import numpy as np

from .schemes import choose, grid_group, plain_error

H = np.float16


def two_levels(scales):
    """(channel scale, multiples) of one channel's float16 group scales."""
    unit = max(scales) / H(255)
    return unit, [int(np.clip(np.rint(s / unit), 0, 255)) for s in scales]


def own(groups, grids, sel):
    """One channel, choice first: (choices, values taken, channel scale, multiples)."""
    found = [choose(w, grids, sel) for w in groups]
    unit, times = two_levels([scale for _, _, scale in found])
    return [index for index, _, _ in found], [values for _, values, _ in found], unit, times


def published(groups, grids, sel):
    """One channel, each candidate with its own channel scale: (choices, values taken, channel scales, multiples, dequantized)."""
    w16 = [w.astype(H) for w in groups]
    least = [1e3 if sel == "fp16" else np.inf] * len(groups)
    choice, kept, out = [0] * len(groups), [0] * len(groups), [np.zeros(w.size, H) for w in groups]
    taken, units = [np.zeros(w.size) for w in groups], []
    for index, grid in enumerate(grids):
        one = [grid_group(w, grid) for w in groups]
        unit, times = two_levels([scale for _, scale in one])
        units.append(unit)
        for g, ((values, _), multiple) in enumerate(zip(one, times, strict=True)):
            with np.errstate(over="ignore"):
                held = values.astype(H) * unit * H(multiple)
                exact = float(unit) * multiple
                error = np.mean(np.square(held - w16[g])) if sel == "fp16" else plain_error(values, exact, w16[g])
            if error < least[g]:
                least[g], choice[g], kept[g], taken[g], out[g] = error, index, multiple, values, held
    return choice, taken, units, kept, out
