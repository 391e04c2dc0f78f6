"""A datapath says what a processing element does with products: accumulator, rounding, and the outer sum of groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from .._checks import check_in, check_int_range, unknown
from ..formats import Float, Rounding, parse
from . import registry
from .aligned import Unit

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FloatAccumulator:
    """Each product is rounded to `format`, then each sum; with `fused` only the sum is rounded (a fused multiply-add)."""

    format: Float
    fused: bool = False
    rounding: Rounding = Rounding.TIES_EVEN

    def __post_init__(self) -> None:
        _check_format(self.format, 23)
        if self.format.emin < -500 or self.format.max > 2.0**500:  # exponents that the float64 of the kernels has room for
            raise ValueError(
                f"accumulator format {self.format} is not allowed: its exponents must lie within -500 and 500; choose another bias"
            )
        if self.rounding not in _STEP_ROUNDINGS.values():
            raise ValueError(f"rounding {self.rounding} is not allowed in an accumulator; use one of {', '.join(_STEP_ROUNDINGS)}")

    def __str__(self) -> str:
        name = _SHORT.get(str(self.format), str(self.format))
        mode = next(k for k, v in _STEP_ROUNDINGS.items() if v is self.rounding)
        return name + ("+fma" if self.fused else "") + ("" if mode == "rne" else f"+{mode}")


@dataclass(frozen=True)
class IntAccumulator:
    """Exact integer products; the sum wraps in two's complement, or saturates at each step."""

    width: int
    saturate: bool = False

    def __post_init__(self) -> None:
        check_int_range("width", self.width, 2, 64)
        if self.saturate:
            check_int_range("width", self.width, 2, 62)

    def __str__(self) -> str:
        return f"int{self.width}" + ("+saturate" if self.saturate else "")


@dataclass(frozen=True)
class ExactAccumulator:
    """The exact sum of exact products, rounded once (ties to even) to `format`."""

    format: Float

    def __post_init__(self) -> None:
        _check_format(self.format, 52)

    def __str__(self) -> str:
        name = str(self.format)
        return "exact" if name == "float64" else f"exact:{_SHORT.get(name, name)}"


@dataclass(frozen=True)
class BitSerialAccumulator:
    """BitMoD's processing element: float16 activations times weight terms, four lanes aligned to their largest exponent.

    mode "paper": alignment of the product to the accumulator as the paper intends; "rtl": the published Verilog, which leaves
    it out; "ideal": the exact sum. Source: BitMoD, HPCA 2025, section IV; its repository, hardware/pe.
    """

    mode: Literal["rtl", "paper", "ideal"]

    def __post_init__(self) -> None:
        check_in("mode", self.mode, ("rtl", "paper", "ideal"))

    def __str__(self) -> str:
        return f"bitmod.{self.mode}"


Accumulator = FloatAccumulator | IntAccumulator | ExactAccumulator | BitSerialAccumulator | Unit

_SHORT = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_STEP_ROUNDINGS = {
    "rne": Rounding.TIES_EVEN,
    "rna": Rounding.TIES_AWAY,
    "rz": Rounding.TOWARD_ZERO,
    "ru": Rounding.UP,
    "rd": Rounding.DOWN,
}


@dataclass(frozen=True)
class Datapath:
    """`inner` sums products within a run of k that shares all scales; `outer` sums the scaled results of the runs.

    k runs upward from the initial accumulator or +0. `inner` alone means unscaled operands, or `inner>fp32` where they are
    scaled.
    """

    inner: Accumulator
    outer: FloatAccumulator | None = None

    def __post_init__(self) -> None:
        if self.outer is not None and not isinstance(self.outer, FloatAccumulator):
            raise ValueError(f"outer accumulator {self.outer} is not allowed; it must be a float format such as fp32")
        if self.outer is not None and self.outer.fused:
            raise ValueError("the outer accumulator adds results that are already scaled and rounded; leave +fma out of it")

    @property
    def outer_or_default(self) -> FloatAccumulator:
        """The accumulator of scaled results."""
        return self.outer or FloatAccumulator(_float("float32"))

    def __str__(self) -> str:
        return str(self.inner) + (f">{self.outer}" if self.outer else "")


def _check_format(fmt: Float, most: int) -> None:
    """Refuse formats without sign or zero, and those of one significant bit, whose ties go by the parity of the exponent."""
    if not fmt.signed or not fmt.zero or not 1 <= fmt.man_bits <= most:
        raise ValueError(f"accumulator format {fmt} is not allowed: it needs a sign, a zero and 1 to {most} mantissa bits")


def _float(name: str) -> Float:
    fmt = parse(name)
    if not isinstance(fmt, Float):
        raise ValueError(f"accumulator format {name!r} is not a float format; use fp32, fp16, bf16, float<e,m>, intN or exact")
    return fmt


def datapath(spec: str | Datapath) -> Datapath:
    """The datapath that a string names.

    `fp32`, `fp16`, `bf16` or any float format (`+fma`: only the sum rounded; `+rz`, `+ru`, `+rd`, `+rna`: other roundings),
    `intN` (wraps) and `intN+saturate`, `exact`, `exact:fp32`, `bitmod.rtl|paper|ideal`, matrix units
    (`aligned<terms,frac_bits,e0=N,rz|short|f16_rne>`,
    `h100.<instruction>` and the other GPUs of `nf.datapaths()`, `cublas.h100.fp8_fast|fp8_slow|16bit`), and `inner>outer`.

    Raises ValueError for anything else, naming the nearest known words.
    """
    if isinstance(spec, Datapath):
        return spec
    if not isinstance(spec, str):
        raise ValueError(f"datapath {spec!r} is not a string or a Datapath; write for example 'int32>fp32'")
    return _parse_datapath(spec.strip())


@lru_cache(maxsize=1024)
def _parse_datapath(text: str) -> Datapath:
    # a '>' inside float<...> closes the format; the one between accumulators stands after a word or a closing bracket
    parts = re.findall(r"(?:[^<>]|<[^<>]*>)+", text)
    if not 1 <= len(parts) <= 2 or ">".join(parts) != text:
        raise ValueError(f"datapath {text!r} is not INNER or INNER>OUTER; write for example 'int32>fp32'")
    inner = _accumulator(text, parts[0].strip())
    if len(parts) == 1:
        return Datapath(inner)
    outer = _accumulator(text, parts[1].strip())
    if not isinstance(outer, FloatAccumulator):
        raise ValueError(
            f"datapath {text!r}: outer accumulator {parts[1]!r} is not a float format; use fp32, bf16, fp16 or float<e,m>"
        )
    return Datapath(inner, outer)


def _accumulator(text: str, part: str) -> Accumulator:
    unit = registry.lookup(part)
    if unit is not None:
        if not isinstance(unit, Unit):
            raise TypeError(f"{part} makes {unit!r}")
        return unit
    name, *options = [p.strip().lower() for p in part.split("+")]
    if match := re.fullmatch(r"bitmod\.(\w+)", name):
        if options or match[1] not in ("rtl", "paper", "ideal"):
            raise unknown("datapath", part, ["bitmod.rtl", "bitmod.paper", "bitmod.ideal"])
        return BitSerialAccumulator(match[1])  # type: ignore[arg-type]
    if match := re.fullmatch(r"int(\d+)", name):
        if options not in ([], ["saturate"], ["wrap"]):
            raise ValueError(f"datapath {text!r}: option {'+'.join(options)!r} of an integer accumulator; use saturate or wrap")
        return IntAccumulator(int(match[1]), "saturate" in options)
    if match := re.fullmatch(r"exact(?::(.+))?", name):
        if options:
            raise ValueError(f"datapath {text!r}: an exact accumulator takes no options; write exact or exact:fp32")
        return ExactAccumulator(_float(match[1] or "float64"))
    try:
        fmt = _float(name)
    except ValueError as error:
        if "<" in name or "ambiguous" in str(error):
            raise
        raise unknown("datapath", part, [*NAMED, *registry.named(), "int16", "int24+saturate", "float<5,10>"]) from None
    fused, rounding = False, Rounding.TIES_EVEN
    for option in options:
        if option == "fma":
            fused = True
        elif option in _STEP_ROUNDINGS:
            rounding = _STEP_ROUNDINGS[option]
        else:
            raise ValueError(f"datapath {text!r}: option {option!r} is unknown; use fma, {', '.join(_STEP_ROUNDINGS)}")
    return FloatAccumulator(fmt, fused, rounding)


_BITMOD = "BitMoD, HPCA 2025, arXiv 2411.11745, section IV"
NAMED = {
    "fp32": (
        "float32 product, then float32 sum, each rounded to nearest even",
        "IEEE 754-2019 section 5.4.1",
        "verified",
    ),
    "fp32+fma": ("exact product, float32 sum rounded once", "IEEE 754-2019 section 5.4.1", "verified"),
    "fp16": ("float16 product, then float16 sum", "IEEE 754-2019 section 5.4.1", "verified"),
    "fp16+fma": ("exact product, float16 sum rounded once", "IEEE 754-2019 section 5.4.1", "verified"),
    "bf16": ("bfloat16 product, then bfloat16 sum", "IEEE 754-2019 section 5.4.1 applied to bfloat16", "verified"),
    "int32": ("exact integer products, 32-bit sum that wraps", "two's complement", "verified"),
    "exact": ("exact sum rounded once to float64", "Kulisch accumulator", "verified"),
    "exact:fp32": ("exact sum rounded once to float32", "Kulisch accumulator", "verified"),
    "bitmod.paper": ("bit-serial terms, aligned and truncated, as the paper intends", _BITMOD, "read"),
    "bitmod.rtl": ("bit-serial terms as the published Verilog adds them", _BITMOD + "; repository hardware/pe", "read"),
    "bitmod.ideal": ("the exact group sum", _BITMOD, "read"),
}


def datapaths() -> pd.DataFrame:
    """Every named datapath: what it models, its source, its status. Any other string of `datapath`'s grammar works too.

    For matrix units the status is the evidence: "measured" (compared with recorded words of that GPU), "fits public data",
    "inferred" (the rule of recorded neighbours), or "literature" (published models, not compared).
    """
    import pandas as pd  # takes longer to load than all of this package

    return pd.DataFrame([{"name": n, "models": m, "source": s, "status": t} for n, (m, s, t) in (NAMED | registry.named()).items()])
