"""Every named format, with its source and how well that source was checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pandas as pd

from .base import Format
from .codebook import Codebook
from .fixed import Fixed
from .floats import Float

_IEEE = "IEEE 754-2019 section 3.6"
_MLD = "ml_dtypes 0.6 (jax-ml/ml_dtypes README)"
_OFP8 = "OCP 8-bit Floating Point v1.0 section 5"
_MX = "OCP Microscaling Formats v1.0 section 5.3"
_BITMOD = "BitMoD, HPCA 2025, arXiv 2411.11745, Table IV; abdelfattah-lab/BitMoD-HPCA-25 quant_weight.py"
_ANT = "ANT, MICRO 2022; clevercool/ANT-Quantization quant_modules.py"
_NF4 = "QLoRA, arXiv 2305.14314; constants as shipped in bitsandbytes"


@dataclass(frozen=True)
class Entry:
    """A row of the catalogue."""

    name: str
    format: Format
    source: str
    status: str
    aliases: tuple[str, ...] = ()


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


def _entries() -> list[Entry]:
    rows = [
        Entry("float64", Float(11, 52, 1023), _IEEE, "verified", ("fp64", "double", "f64", "binary64")),
        Entry("float32", Float(8, 23, 127), _IEEE, "verified", ("fp32", "single", "f32", "binary32")),
        Entry("float16", Float(5, 10, 15), _IEEE, "verified", ("fp16", "half", "f16", "binary16")),
        Entry("bfloat16", Float(8, 7, 127), _MLD, "verified", ("bf16",)),
        Entry("tf32", Float(8, 10, 127), "NVIDIA A100 whitepaper; 19 bits kept of a float32", "read"),
        Entry("e5m2", Float(5, 2, 15), _OFP8, "verified", ("float8_e5m2", "fp8_e5m2")),
        Entry("e4m3fn", Float(4, 3, 7, "fn"), _OFP8, "verified", ("float8_e4m3fn", "fp8_e4m3", "e4m3_fn")),
        Entry("float8_e4m3", Float(4, 3, 7), _MLD, "verified", ("e4m3_ieee",)),
        Entry("float8_e3m4", Float(3, 4, 3), _MLD, "verified", ("e3m4_ieee",)),
        Entry("float8_e4m3fnuz", Float(4, 3, 8, "fnuz"), _MLD, "verified", ("e4m3fnuz",)),
        Entry("float8_e5m2fnuz", Float(5, 2, 16, "fnuz"), _MLD, "verified", ("e5m2fnuz",)),
        Entry("float8_e4m3b11fnuz", Float(4, 3, 11, "fnuz"), _MLD, "verified", ("e4m3b11fnuz",)),
        Entry("e2m1", Float(2, 1, 1, "none"), _MX, "verified", ("float4_e2m1fn", "e2m1fn", "fp4")),
        Entry("e2m3", Float(2, 3, 1, "none"), _MX, "verified", ("float6_e2m3fn", "e2m3fn", "fp6_e2m3")),
        Entry("e3m2", Float(3, 2, 3, "none"), _MX, "verified", ("float6_e3m2fn", "e3m2fn", "fp6_e3m2")),
        Entry("e8m0", Float(8, 0, 127, "fn", signed=False, zero=False), _MX, "verified", ("float8_e8m0fnu", "e8m0fnu")),
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


# Names that stand for several formats in the field: refused, with the candidates.
AMBIGUOUS = {
    "e4m3": ("e4m3fn", "float8_e4m3", "float8_e4m3fnuz", "float8_e4m3b11fnuz"),
    "fp8": ("e4m3fn", "e5m2"),
    "float8": ("e4m3fn", "e5m2"),
    "e3m4": ("float8_e3m4", "float<3,4,bias=3,fn>"),
    "fp6": ("e2m3", "e3m2"),
}


@cache
def entries() -> tuple[Entry, ...]:
    """All named formats."""
    return tuple(_entries())


@cache
def by_name() -> dict[str, Format]:
    """Every name and alias, lower case."""
    names: dict[str, Format] = {}
    for entry in entries():
        for name in (entry.name, *entry.aliases):
            if name in names:
                raise AssertionError(f"the format name {name} stands for two formats")
            names[name] = entry.format
    return names


@cache
def _names_by_format() -> dict[Format, str]:
    return {entry.format: entry.name for entry in reversed(entries())}


def canonical_name(fmt: Format) -> str | None:
    """The catalogue's name of a format, None where it has none."""
    return _names_by_format().get(fmt)


def catalogue() -> pd.DataFrame:
    """Every named format: bits, largest, smallest positive, specials, source, status.

    `status` is "verified" where the values were compared with an independent implementation in the tests, "read" where the
    definition was read in the named source. Integers of any width ("int4", "uint8") and parametric formats
    ("float<4,3,bias=7,fn>", "fixed<16,6>") are accepted by `parse` beside these.
    """
    integers = [Entry(str(f), f, "two's complement", "verified") for b in (2, 3, 4, 5, 6, 8, 16) for f in (Fixed(b, b),)]
    integers += [Entry(str(f), f, "binary", "verified") for b in (2, 4, 8, 16) for f in (Fixed(b, b, signed=False),)]
    rows = []
    for entry in (*entries(), *integers):
        f = entry.format
        specials = [name for name, has in (("inf", f.has_inf), ("nan", f.has_nan)) if has]
        if isinstance(f, Float) and f.has_minus_zero:
            specials.append("-0")
        rows.append(
            {
                "name": entry.name,
                "kind": type(f).__name__,
                "bits": f.bits,
                "max": f.max,
                "min": f.min,
                "min_positive": f.min_positive,
                "specials": " ".join(specials),
                "aliases": " ".join(entry.aliases),
                "source": entry.source,
                "status": entry.status,
            }
        )
    return pd.DataFrame(rows)
