"""A datapath says what a processing element does with products: accumulator, rounding, order, and the outer sum of groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..formats import Float, parse
from . import registry
from .accumulator import Accumulator
from .bit_serial import BitSerialAccumulator
from .exact_sum import ExactAccumulator
from .float_steps import FloatAccumulator
from .integer_steps import IntAccumulator
from .order import SEQUENTIAL, Order, split_order
from .output import PRESETS, Stage, parse_stages, presets

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Accumulator",
    "BitSerialAccumulator",
    "Datapath",
    "ExactAccumulator",
    "FloatAccumulator",
    "IntAccumulator",
    "datapath",
    "datapaths",
]


@dataclass(frozen=True)
class Datapath:
    """`inner` sums products within a run of k that shares all scales; `outer` sums the scaled results of the runs.

    k runs upward from the initial accumulator or +0, unless `order` says otherwise. `inner` alone means unscaled operands, or
    `inner>fp32` where they are scaled. Where `order` cuts k into pieces, `outer` adds their results; named by nothing, it is the
    inner format (or integer) for unscaled operands, fp32 after accumulators without a format of their own. `output`: what happens
    to the finished sum.
    """

    inner: Accumulator
    outer: Accumulator | None = None
    order: Order = SEQUENTIAL
    output: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.outer, FloatAccumulator) and not self.outer.plain:
            raise ValueError(
                f"outer accumulator {self.outer} is not allowed: it adds results that are already scaled and rounded; name a "
                "format and a rounding, such as fp32 or fp32+rz"
            )
        if self.outer is not None and not isinstance(self.outer, FloatAccumulator | IntAccumulator):
            raise ValueError(f"outer accumulator {self.outer} is not allowed; it must be a float format such as fp32")
        if isinstance(self.outer, IntAccumulator) and not self.inner.integers:
            raise ValueError(
                f"outer accumulator {self.outer} is not a float format, which {self.inner} needs there; use fp32, bf16, ..."
            )

    @property
    def outer_or_default(self) -> FloatAccumulator:
        """The accumulator of scaled results."""
        if self.outer is None:
            return _fp32()
        if not isinstance(self.outer, FloatAccumulator):
            raise ValueError(f"outer accumulator {self.outer} takes no scaled results; use a float format such as fp32")
        return self.outer

    @property
    def joining(self) -> Accumulator:
        """The accumulator that adds pieces of k of unscaled operands."""
        return self.outer or self.inner.default_outer or _fp32()

    def __str__(self) -> str:
        sums = str(self.inner) + str(self.order) + (f">{self.outer}" if self.outer else "")
        return "|".join([sums, *map(str, self.output)])


def _fp32() -> FloatAccumulator:
    fmt = parse("float32")
    assert isinstance(fmt, Float)
    return FloatAccumulator(fmt)


def datapath(spec: str | Datapath) -> Datapath:
    """The datapath that a string names.

    `fp32`, `fp16`, `bf16` or any float format (`+fma`: only the sum rounded; `+rz`, `+ru`, `+rd`, `+rna`: other roundings),
    `intN` (wraps) and `intN+saturate`, `exact`, `exact:fp32`, `bitmod.rtl|paper|ideal`, matrix units
    (`aligned<terms,frac_bits,e0=N,rz|short|f16_rne>`,
    `h100.<instruction>` and the other GPUs of `nf.datapaths()`, `cublas.h100.fp8_fast|fp8_slow|16bit`), and `inner>outer`.
    Orders: `+chunk64` (pieces of 64 k go to the outer accumulator), `+splitk4` (four parts of k, added at the end),
    `+order<2,0,3,1>` (k permuted within blocks). Products: `lmul`, `fp32+lmul<bf16>`, `int32+table<NAME>`, `int32+shift`.
    Output stages behind `|`: `bias`, `rescale=CONVENTION`, `offset`, `relu`, `clip=LOW:HIGH`, `cast=FORMAT`; their data are
    arguments of `nf.matmul`. Whole ones by name: `tflite`, `hawqv3`, `fbgemm`, `dsp48e2`, ...

    Raises ValueError for anything else, naming the nearest known words.
    """
    if isinstance(spec, Datapath):
        return spec
    if not isinstance(spec, str):
        raise ValueError(f"datapath {spec!r} is not a string or a Datapath; write for example 'int32>fp32'")
    name = spec.strip()
    return _parse_datapath(PRESETS[name.lower()][0] if name.lower() in PRESETS else name)


@lru_cache(maxsize=1024)
def _parse_datapath(text: str) -> Datapath:
    sums, *stages = text.split("|")
    sums = re.sub(r"\s*\+\s*", "+", sums)
    for word in re.split(r"[+>]", sums):
        if word.strip().lower() in PRESETS:
            whole = PRESETS[word.strip().lower()][0]
            raise ValueError(f"datapath {text!r}: {word.strip()} is a whole path; to change it write it out, as {whole!r}")
    parts = _accumulators(sums)
    if not 1 <= len(parts) <= 2 or not all(parts):
        raise ValueError(f"datapath {text!r} is not INNER or INNER>OUTER; write for example 'int32>fp32'")
    name, order = split_order(parts[0].strip())
    inner = registry.lookup(name)
    if len(parts) == 1:
        return Datapath(inner, None, order, parse_stages(stages))
    outer = registry.lookup(parts[1].strip())
    if not isinstance(outer, FloatAccumulator | IntAccumulator):
        raise ValueError(
            f"datapath {text!r}: outer accumulator {parts[1]!r} is not a float format; use fp32, bf16, fp16 or float<e,m>"
        )
    return Datapath(inner, outer, order, parse_stages(stages))


def _accumulators(text: str) -> list[str]:
    """The text cut at each '>' that closes no '<'."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "<") - (letter == ">" and depth > 0)
        if letter == ">" and not depth and parts[-1].count("<") == parts[-1].count(">"):
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def datapaths() -> pd.DataFrame:
    """Every named datapath: what it models, its source, its status. Any other string of `datapath`'s grammar works too.

    For matrix units the status is the evidence: "measured" (compared with recorded words of that GPU), "fits public data",
    "inferred" (the rule of recorded neighbours), or "literature" (published models, not compared).
    """
    import pandas as pd  # takes longer to load than all of this package

    rows = registry.named() | presets()
    return pd.DataFrame([{"name": n, "models": m, "source": s, "status": t} for n, (m, s, t) in rows.items()])
