"""One number type a tensor and a searched clipping factor a group: ANT (integer, flint, powers of two, float) and LLM-FP4."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np

from ..formats import Codebook, Format, decode, encode, parse
from ..formats.base import decode_table
from ..kernels.encode import encode_table
from .clips import search_clips
from .family import Family, Given, Part, SchemeEntry, Stored, check_float32_scales, code_part, scale_part, scale_values, single
from .grid import Granularity, Grid
from .scheme import Scheme

_MAGNITUDES: dict[
    int, dict[str, tuple[float, ...]]
] = {  # non-negative values of the signed types; "int" also has one more negative value
    3: {"int": (0, 1, 2, 3), "flint": (0, 1, 2, 4), "pot": (0, 1, 2, 4)},
    4: {"int": tuple(range(8)), "flint": (0, 1, 2, 3, 4, 6, 8, 16), "pot": (0, 1, 2, 4, 8, 16, 32, 64)},
    5: {
        "int": tuple(range(16)),
        "flint": (*range(9), 10, 12, 14, 16, 24, 32, 64),
        "pot": (0, *(2**i for i in range(15))),
        "float": (0, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96),
    },
    6: {"int": tuple(range(32)), "flint": (*range(17), *range(18, 33, 2), 40, 48, 56, 64, 96, 128, 256)},
}


class Ant(Family):
    """Types are tried in the order int, flint, pot, float; each group takes the clipping factor k / 100 of least squared error.

    In float32: scale = (k / 100 * max |x|) / largest positive value of the grid, k = 75 ... 149 (`search=`); codes are the
    nearest grid values of x / scale, a tie going to the larger; the error is summed in float64 and a later factor must be
    strictly better. The tensor takes the type whose groups' errors sum to least (float64, in order), ties keep the earlier.
    A 4-bit signed float equals pot, so it is not tried. Source: ANT, MICRO 2022; clevercool/ANT-Quantization, quant_modules.py
    (rules read; the repository's own error is a float32 mean, which may choose otherwise between nearly equal errors).
    """

    name = "ant"
    plain = True
    keyed = {"search": ("75-150", "95-150", "75-250", "100-101")}

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, scales, and the type of the tensor."""
        bits = made.choice_bits
        return {
            "codes": code_part(made, grid),
            "scales": scale_part(made, grid),
            "choice": Part((1, 1), np.dtype(np.uint8), bits, len(made.candidates) - 1, 0),
        }

    def by_rows(self, made: Scheme) -> bool:
        """The type is chosen for the whole tensor."""
        return False

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Search, choose, encode."""
        groups = grid.gather(single(rows, made))
        if given.scales is not None:
            chosen = 0 if given.choice is None else int(given.choice.reshape(-1)[0])
            scales = given.scales.reshape(-1).astype(np.float32)
        else:
            chosen, scales = searched(groups, made, np.abs(groups).max(axis=1))
        fmt = made.candidates[chosen]
        quotients = (groups / scales[:, None]).reshape(-1)
        if isinstance(fmt, Codebook):
            codes = np.empty(groups.size, fmt.code_dtype)
            encode_table(quotients, codes, fmt.midpoints.astype(np.float32), fmt.grid_codes, True)
        else:
            codes = encode(quotients, fmt, overflow="saturate")
        return {
            "codes": grid.scatter(codes.reshape(groups.shape)),
            "scales": scales.reshape(grid.shape),
            "choice": np.full((1, 1), chosen, np.uint8),
        }

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values on the chosen type's grid."""
        values: np.ndarray = decode(stored["codes"], made.candidates[int(stored["choice"][0, 0])])
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The scales of the groups."""
        assert made.scale is not None
        return scale_values(stored["scales"], made.scale)

    def check_scales(self, scales: np.ndarray, made: Scheme) -> None:
        """Float32 numbers above zero."""
        check_float32_scales(scales, made)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Scales as above, codes on the grid."""
        self.check_scales(stored["scales"], made)
        if np.isnan(self.code_values(made, grid, stored)).any():
            raise ValueError(f"codes hold a code beyond the entries of {made}")

    def factors(self, made: Scheme) -> np.ndarray:
        """The clipping factors tried, float32."""
        low, up = (int(n) for n in made.param("search").split("-"))
        return (np.arange(low, up) / 100).astype(np.float32)

    def entries(self) -> list[SchemeEntry]:
        """The presets."""
        source = "ANT, MICRO 2022; ANT-Quantization, quant_modules.py"
        return [
            SchemeEntry(f"ant{b}/channel", "int, flint, pot or float a tensor, clip search", source, "read") for b in (3, 4, 5, 6)
        ]


class LlmFp(Ant):
    """Every split of the bits into exponent and fraction, with a real-valued exponent bias: a float times a scale of any size.

    A format of E exponent and M fraction bits without specials, scaled so that its largest value is factor * max |x|, factor = 0.01
    ... 1.2 in 100 even steps (float64, rounded to float32); x / scale is rounded to nearest even in the format. The factor of least
    squared error a group and the split of least summed error a tensor, the first of equal ones; E runs from 1 up. Activations'
    pre-shifted bias is not part of it. Source: LLM-FP4, EMNLP 2023, arXiv 2310.16836: the paper searches on output errors.
    """

    name = "llmfp"
    keyed = {}

    def factors(self, made: Scheme) -> np.ndarray:
        """The clipping factors tried, float32."""
        return np.linspace(0.01, 1.2, 100).astype(np.float32)

    def entries(self) -> list[SchemeEntry]:
        """The presets."""
        source = "LLM-FP4, arXiv 2310.16836"
        what = "every split into exponent and fraction, real-valued bias"
        return [SchemeEntry(f"llmfp{b}/channel", what, source, "inferred") for b in (4, 6, 8)]


def searched(groups: np.ndarray, made: Scheme, base: np.ndarray) -> tuple[int, np.ndarray]:
    """Index of the type of least error, and the scale of each group."""
    way = made.way
    assert isinstance(way, Ant)
    factors = way.factors(made)
    best, chosen, kept = np.inf, 0, np.empty(0, np.float32)
    for index, fmt in enumerate(made.candidates):
        table = np.unique(decode_table(fmt)[~np.isnan(decode_table(fmt))]).astype(np.float64)
        scales, errors = np.empty(len(groups), np.float32), np.empty(len(groups))
        search_clips(groups, base.astype(np.float32), factors, table, np.float32(table[-1]), scales, errors)
        total = float(np.cumsum(errors)[-1])
        if not np.isfinite(total):
            raise ValueError(f"x reaches {float(np.abs(groups).max()):g}; the scales of {made} leave float32: scale it down")
        if total < best:
            best, chosen, kept = total, index, scales
    return chosen, kept


@lru_cache(maxsize=16)
def types(bits: int) -> tuple[Codebook, ...]:
    """The grids of a width as codebooks, codes in ascending order of value."""
    made = []
    for kind, magnitudes in _MAGNITUDES[bits].items():
        values = sorted(
            {float(s * m) for m in magnitudes for s in (1, -1)} | ({-float(1 << (bits - 1))} if kind == "int" else set())
        )
        text = ",".join(f"{v:g}" for v in values)
        fmt = parse(f"codebook<{bits},upper,{text}>")
        assert isinstance(fmt, Codebook)
        made.append(fmt)
    return tuple(made)


def _ant(match: re.Match[str], text: str) -> Scheme:
    bits = int(match[1])
    if bits not in _MAGNITUDES:
        raise ValueError(f"scheme {text!r}: ANT's signed types have 3 to 6 bits here; write ant4/channel")
    return Scheme(f"ant{bits}", types(bits), Granularity("channel"), parse("float32"), "search", family="ant")


def _llmfp(match: re.Match[str], text: str) -> Scheme:
    bits = int(match[1])
    if not 3 <= bits <= 8:
        raise ValueError(f"scheme {text!r}: llmfpN needs 3 to 8 bits, as in llmfp4/channel")
    splits: tuple[Format, ...] = tuple(parse(f"float<{e},{bits - 1 - e},none>") for e in range(1, bits - 1))
    return Scheme(f"llmfp{bits}", splits, Granularity("channel"), parse("float32"), "search", family="llmfp")


FAMILIES = (Ant(), LlmFp())
RULES: list[tuple[str, Any]] = [(r"ant(\d+)", _ant), (r"llmfp(\d+)", _llmfp)]
