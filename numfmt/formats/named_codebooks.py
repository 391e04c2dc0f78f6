"""Codebooks by name: element tables of BitMoD, ANT and NF4."""

from __future__ import annotations

from .codebook import Codebook
from .entry import Entry

_BITMOD = "BitMoD, HPCA 2025, arXiv 2411.11745, Table IV; abdelfattah-lab/BitMoD-HPCA-25 quant_weight.py"
_ANT = "ANT, MICRO 2022; clevercool/ANT-Quantization quant_modules.py"
_NF4 = "QLoRA, arXiv 2305.14314; constants as shipped in bitsandbytes"


def _signed(magnitudes: tuple[float, ...], special: float | None = None) -> tuple[float, ...]:
    """Sign-magnitude code order; the code of minus zero holds `special`, or zero again where there is none."""
    negatives = tuple(-m for m in magnitudes[1:])
    return (*magnitudes, 0.0 if special is None else special, *negatives)


# Code units: the smallest step is 1, as in the published code; the scale absorbs the factor.
_FP3 = (0.0, 1.0, 2.0, 4.0)
_FP4 = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
_FLINT4 = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0)

# Wider grids of the same code, made from their fields: (exponent bits, mantissa bits), in units of the smallest step.
_GRIDS = {"fp5_e2m2": (2, 2), "fp5_e3m1": (3, 1), "fp6_e2m3": (2, 3), "fp6_e3m2": (3, 2)}
_FLINT5 = (*map(float, range(9)), 10.0, 12.0, 14.0, 16.0, 24.0, 32.0, 64.0)


def _grid(exp_bits: int, man_bits: int) -> tuple[float, ...]:
    """Magnitudes of a float without specials, in units of its smallest value."""
    tail = [(2**man_bits + f) * 2.0 ** (e - 1) for e in range(1, 2**exp_bits) for f in range(2**man_bits)]
    return (*map(float, range(2**man_bits)), *tail)


_NF4_TABLE = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


def entries() -> list[Entry]:
    """Catalogue rows."""
    rows = [
        Entry("fp3", Codebook(_signed(_FP3), 3), _BITMOD, "read"),
        Entry("flint4", Codebook(_signed(_FLINT4), 4), _ANT, "read"),
        Entry("fp4_code", Codebook(_signed(_FP4), 4), _BITMOD + "; E2M1 in units of its smallest step", "read"),
        Entry("flint5", Codebook(_signed(_FLINT5), 5), _ANT, "read"),
        *(Entry(f"{n}_code", Codebook(_signed(_grid(*em)), int(n[2])), _BITMOD, "read") for n, em in _GRIDS.items()),
        *(
            Entry(
                f"int{b}_code",
                Codebook(_signed(tuple(map(float, range(2 ** (b - 1))))), b),
                _BITMOD + "; nearest, ties lower",
                "read",
            )
            for b in (3, 4)
        ),
        Entry("nf4", Codebook(_NF4_TABLE, 4), _NF4, "verified"),
    ]
    for base, magnitudes, specials, bits in (
        ("fp3", _FP3, {"er": 3.0, "ea": 6.0}, 3),
        ("fp4", _FP4, {"er": 10.0, "ea": 16.0}, 4),
    ):
        for kind, special in specials.items():
            for sign, value in (("pos", special), ("neg", -special)):
                name = f"{base}_{kind}_{sign}"
                rows.append(Entry(name, Codebook(_signed(magnitudes, value), bits), _BITMOD, "read"))
    return rows
