"""Block floating point, Microsoft's MSFP, dynamic fixed point, AMD's bfp16ebs8, and shared microexponents (MX9, MX6, MX4)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .._threads import in_groups
from ..formats import Fixed, Float, decode
from ..formats.base import decode_table
from ..kernels import block_micro as k
from .family import Family, Given, Part, SchemeEntry, Stored, code_part, scale_part, scale_values
from .grid import Granularity, Grid
from .mx import arguments, power_words, shared, single
from .scheme import Scheme

_MICRO = {"mx9": 7, "mx6": 4, "mx4": 2}
_ROUHANI = "Rouhani et al., With Shared Microexponents, a Little Shifting Goes a Long Way, ISCA 2023, arXiv 2302.08007"
_MSFP = "Darvish Rouhani et al., Pushing the Limits of Narrow Precision Inferencing at Cloud Scale, NeurIPS 2020"


class Micro(Family):
    """Shared microexponents: groups share a power of two, each pair in a group one more bit that halves its unit.

    E: exponent of the group's largest magnitude (code 0 for zeros). A pair whose two magnitudes lie below 2**E has the bit 1.
    With m magnitude bits an element is sign and q, value q * 2**(E - bit - (m - 1)); q is rounded to nearest even and clipped to
    2**m - 1.
    """

    name = "micro"

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, shared exponents as E8M0 codes, and one bit a pair, in the order of the groups."""
        micro = Part((grid.shape[0], grid.shape[1] * grid.size // 2), np.dtype(np.uint8), 1, 1, grid.height)
        return {"codes": code_part(made, grid), "scales": scale_part(made, grid), "micro": micro}

    def by_rows(self, made: Scheme) -> bool:
        """2-D blocks are gathered some rows at a time; all others are quantized where they lie."""
        return made.granularity.kind == "block"

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Codes, exponents and pair bits."""
        groups = grid.gather(single(rows))
        codes = np.empty(groups.shape, made.candidates[0].code_dtype)
        scales, rule = power_words(made, grid, given)
        micro = np.empty((groups.shape[0], groups.shape[1] // 2), np.uint8)
        imposed = "micro" in given.stored
        if imposed:
            micro[...] = given.stored["micro"].reshape(micro.shape)
        facts, reals = arguments(made, rule)

        def work(start: int, stop: int) -> int:
            some = slice(start, stop)
            k.quantize_micro(groups[some], codes[some], scales[some], micro[some], facts, reals[0], imposed)
            return 0

        in_groups(groups.shape, work)
        return {
            "codes": grid.scatter(codes),
            "scales": scales.reshape(grid.shape),
            "micro": micro.reshape(grid.shape[0], -1),
        }

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values of the elements under the group's power of two, the pair's bit included."""
        values = grid.gather(decode(stored["codes"], made.candidates[0]))
        halves = np.repeat(stored["micro"].reshape(grid.count, -1), 2, axis=1)
        return grid.scatter(np.where(halves == 1, values * np.float32(0.5), values))

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Powers of two."""
        assert made.scale is not None
        return scale_values(stored["scales"], made.scale)

    def dequantize(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The exact value, rounded once to float32."""
        codes = grid.gather(stored["codes"])
        out = np.empty(codes.shape, np.float32)
        table = np.asarray(decode_table(made.candidates[0])).astype(np.float32)
        micro, scales = stored["micro"].reshape(grid.count, -1), stored["scales"].reshape(-1)

        def work(start: int, stop: int) -> int:
            some = slice(start, stop)
            k.dequantize_micro(codes[some], scales[some], micro[some], table, out[some])
            return 0

        in_groups(codes.shape, work)
        return grid.scatter(out)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """No NaN exponent."""
        if (stored["scales"] == 255).any():
            raise ValueError(f"scales must be finite and above zero for {made}")

    def default(self, key: str) -> str:
        """NaN and infinities are always refused."""
        return "refuse" if key == "nan" else super().default(key)

    def finish(self, text: str, made: Scheme) -> Scheme:
        """Groups of whole pairs."""
        grain = made.granularity
        if grain.kind not in ("group", "block") or grain.size % 2:
            raise ValueError(f"scheme {text!r}: {made.name} pairs its elements; use groups of an even length such as g16")
        return made

    def entries(self) -> list[SchemeEntry]:
        """Microexponents, and what `mx.py` carries out under the names of block floating point."""
        das = "Das et al., Mixed Precision Training of CNNs Using Integer Operations, ICLR 2018"
        return [
            *(
                SchemeEntry(f"{n}/g16", f"shared exponent, one bit a pair, sign and {m} magnitude bits", _ROUHANI, "recalled")
                for n, m in _MICRO.items()
            ),
            SchemeEntry(
                "bfp3/g16", "block floating point: sign and 3 magnitude bits, shared exponent of the maximum", _MSFP, "recalled"
            ),
            *(
                SchemeEntry(f"msfp{n}/g16", f"sign and {n - 9} magnitude bits, shared exponent", _MSFP, "recalled")
                for n in range(12, 17)
            ),
            SchemeEntry("dfp8/tensor", "dynamic fixed point: 8-bit integers, one exponent a tensor", das, "recalled"),
            SchemeEntry("dfp16/tensor", "dynamic fixed point: 16-bit integers, one exponent a tensor", das, "recalled"),
            SchemeEntry(
                "bfp16ebs8/g8", "8-bit integers, 8-bit shared exponent a block of 8", "AMD bfp16ebs8 (vendor name)", "inferred"
            ),
        ]


def _micro(match: re.Match[str], text: str) -> Scheme:
    made = shared(match[0], magnitudes(_MICRO[match[0]]), Granularity("group", 16))
    return Scheme(made.name, made.candidates, made.granularity, made.scale, made.rule, family="micro")


def magnitudes(bits: int) -> Float:
    """Sign and magnitude in units of 2**-(bits - 1): a float whose one exponent bit is the top bit of the magnitude."""
    return Float(1, bits - 1, 1, "none")


def _bfp(match: re.Match[str], text: str) -> Scheme:
    bits = int(match[1])
    if not 1 <= bits <= 15:
        raise ValueError(f"scheme {text!r}: bfp{bits} has {bits} magnitude bits; use 1 to 15")
    return shared(match[0], magnitudes(bits), Granularity("group", 16))


def _msfp(match: re.Match[str], text: str) -> Scheme:
    bits = int(match[1])
    if not 10 <= bits <= 24:
        raise ValueError(
            f"scheme {text!r}: msfp{bits} counts 8 bits of exponent and a sign in its {bits} bits; use msfp10 to msfp24"
        )
    return shared(match[0], magnitudes(bits - 9), Granularity("group", 16))


def _dfp(match: re.Match[str], text: str) -> Scheme:
    bits = int(match[1])
    if not 2 <= bits <= 16:
        raise ValueError(f"scheme {text!r}: dfp{bits} has integers of {bits} bits; use 2 to 16")
    return shared(match[0], Fixed(bits, 2), Granularity("tensor"))


def _ebs8(match: re.Match[str], text: str) -> Scheme:
    return shared(match[0], Fixed(8, 2), Granularity("group", 8))


FAMILIES = (Micro(),)
RULES: list[tuple[str, Any]] = [
    ("|".join(_MICRO), _micro),
    ("bfp16ebs8", _ebs8),
    (r"bfp(\d+)", _bfp),
    (r"msfp(\d+)", _msfp),
    (r"dfp(\d+)", _dfp),
]
