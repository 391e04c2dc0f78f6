"""Flush-to-zero MACs whose lanes share one DSP48E2: mantissas packed on its wide port, exponents, alignment and rounding in LUTs.

XtraMAC is the published design that is modelled (Vivado 2022.2, xcu55c, 450 MHz target). Each lane has its own accumulator, which
decides the LUTs: two shifters of its significand (alignment and normalisation), and logic over all its bits. A fixed-point
accumulator takes an adder and what separates the packed products.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, log2
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import positive_int, unknown
from hwmodel._data import csv_rows
from hwmodel.fpga import parts
from hwmodel.fpga.blocks import Block, part
from hwmodel.fpga.floats import chain
from hwmodel.fpga.parts import barrel, cells, leading_zeros
from hwmodel.fpga.pipeline import Line, timing
from hwmodel.sources import Fact

COLUMNS = ("a", "b", "accumulator", "lanes", "cycles")
PREDICTED = ("lut", "ff", "dsp", "fmax_mhz")
LANES = (1, 2, 4)
CYCLES = (4, 5, 6)
PRODUCT_BITS = 45  # of a DSP48E2: 27 x 18
_NAMED = {"fp32": (8, 23), "fp16": (5, 10), "bf16": (8, 7)}
_EXAMPLES = (*_NAMED, "fp8e4m3", "fp8e5m2", "fp4e2m1", "fp4e1m2", "fp4e3m0", "int8", "int4", "int")
LUT_NAMES = ("accumulator", "shift", "product tail", "stage 5")
REBIAS_LUT = 6.0  # for each exponent bit that the accumulator has more than its operands; chosen on the published rows
FF_NAMES = ("accumulator", "operand", "stage 5", "stage 6")
FABRIC = "xcup"


@dataclass(frozen=True)
class Element:
    """Exponent and mantissa bits; an integer has no exponent and `mantissa` + 1 bits."""

    exponent: int
    mantissa: int

    @property
    def bits(self) -> int:
        return self.exponent + self.mantissa + 1


@lru_cache(maxsize=256)
def element(name: str, what: str) -> Element:
    """A format by its published name; `int` is an integer of 8 bits (inferred)."""
    if name in _NAMED:
        return Element(*_NAMED[name])
    found = re.fullmatch(r"fp(\d+)e(\d+)m(\d+)", name)
    if found and int(found[1]) == int(found[2]) + int(found[3]) + 1 and int(found[2]):
        return Element(int(found[2]), int(found[3]))
    whole = re.fullmatch(r"int(\d*)", name)
    if whole and 2 <= int(whole[1] or 8) <= 64:
        return Element(0, int(whole[1] or 8) - 1)
    raise unknown(f"format of {what}", name, _EXAMPLES)


@dataclass(frozen=True)
class Mac:
    """One configuration."""

    a: Element
    b: Element
    accumulator: Element
    lanes: int
    cycles: int


def mac(a: str, b: str, accumulator: str, lanes: int, cycles: int) -> Mac:
    """A checked configuration. The accumulator `fp8` has the FP8 format of operand b.

    Raises ValueError for unknown formats, lanes other than 1, 2, 4, cycles other than 4, 5, 6, products that do not fit one
    DSP48E2, and integer accumulators of float operands.
    """
    x, y = element(a, "a"), element(b, "b")
    total = y if accumulator == "fp8" and y.bits == 8 and y.exponent else element(accumulator, "accumulator")
    lanes, cycles = positive_int("lanes", lanes), positive_int("cycles", cycles)
    if lanes not in LANES:
        raise ValueError(f"lanes is {lanes}; give {', '.join(map(str, LANES))}")
    if cycles not in CYCLES:
        raise ValueError(f"cycles is {cycles}; give {', '.join(map(str, CYCLES))}")
    width = lanes * (x.mantissa + y.mantissa + 2)
    if width > PRODUCT_BITS:
        most = max((n for n in LANES if n * (x.mantissa + y.mantissa + 2) <= PRODUCT_BITS), default=0)
        raise ValueError(
            f"{lanes} products {a} x {b} take {width} bits; one DSP48E2 makes {PRODUCT_BITS}: give at most {most} lanes"
        )
    if not total.exponent and (x.exponent or y.exponent):
        raise ValueError(f"accumulator is {accumulator} with operands {a} x {b}; give a float accumulator, as bf16 or fp32")
    return Mac(x, y, total, lanes, cycles)


def lut_features(m: Mac) -> list[float]:
    """LUT-like pieces of a lane, one for each of LUT_NAMES: bits of the accumulator times the levels of logic that they select;
    its two shifters; bits of the widest product (as wide as b allows) below its significand; and its bits from five stages on."""
    n, w = m.accumulator.bits, m.accumulator.mantissa + 4
    tail = max(2 * (m.b.mantissa + 1) - m.accumulator.mantissa - 1, 0)
    return [n * log2(n), 2 * w * ceil(ceil(log2(w)) / 2), tail, n if m.cycles > 4 else 0]


def rebias(m: Mac) -> float:
    """LUTs of a lane whose accumulator has a wider exponent than its operands."""
    return REBIAS_LUT * max(m.accumulator.exponent - max(m.a.exponent, m.b.exponent), 0)


def ff_features(m: Mac) -> list[float]:
    """Registers of a lane: the sixth stage of an 8-bit accumulator is a shift register in LUTs (inferred)."""
    n = m.accumulator.bits
    return [n, m.b.bits, n if m.cycles > 4 else 0, n if m.cycles > 5 and n > 8 else 0]


def block(m: Mac) -> Block:
    """A lane as the pipeline sees it: its product in the DSP block, then the addition of two floats that flushes to zero, or two
    chains of fixed point."""
    products, exponent, mantissa = part("products", dsp=1), m.accumulator.exponent, m.accumulator.mantissa
    if not exponent:
        return products >> parts.chain(m.a.bits + m.b.bits, name="separate") >> parts.chain(m.accumulator.bits)
    w = mantissa + 4
    exponents = chain(max(m.a.exponent, m.b.exponent) + 1, name="exponent sum")
    first = (products | exponents) >> cells("product normalise", {"normalise": m.a.mantissa + m.b.mantissa + 2}, 0.5)
    order = chain(exponent + 1, name="exponent difference") >> cells("operand swap", {"swap": 2 * w}, 0.5)
    align = barrel(w, name="align") >> cells("shifted out", {"sticky": w}, 1)
    normal = leading_zeros(w) >> (barrel(w, name="normalise") | chain(exponent + 1, name="exponent update"))
    end = chain(exponent + mantissa, "increment", "round") >> cells("limits", {"limit": exponent + mantissa}, 0.5)
    return first >> order >> align >> chain(w, "add sub", "significand sum") >> normal >> end


@lru_cache(maxsize=1 << 14)
def fmax_mhz(m: Mac, speed: float | None = None, wire_ps: float | None = None) -> float:
    """Clock of a lane cut into its cycles, by the delays of `pipeline`; speed, wire_ps: instead of those of the fabric."""
    given = {name: v for name, v in (("speed", speed), ("wire", wire_ps)) if v is not None}
    known = {name: replace(f, value=given.get(name, f.value)) for name, f in timing(FABRIC).items()}
    return Line(block(m), FABRIC, known).clock_mhz(m.cycles)


@lru_cache(maxsize=1)
def facts() -> tuple[Fact, ...]:
    """The coefficients with their sources."""
    rows = csv_rows("hwmodel.fpga", "xtramac_fit")
    fitted = (Fact(r["name"], float(r["value"]), r["unit"], r["source"], r["status"]) for r in rows)
    chosen = Fact("lut wider exponent", REBIAS_LUT, "LUT/bit", "chosen on the published rows of XtraMAC", "derived")
    return (*fitted, chosen, *timing(FABRIC).values())


@lru_cache(maxsize=1)
def _values() -> dict[str, float]:
    return {f.name: f.value for f in facts()}


def _matrix(made: Callable[[Mac], list[float]], macs: Sequence[Mac], names: Sequence[str]) -> np.ndarray:
    return np.array([made(m) for m in macs], dtype=float).reshape(len(macs), len(names))


def predict(macs: Sequence[Mac], values: dict[str, float] | None = None) -> pd.DataFrame:
    """lut, ff, dsp, fmax_mhz of configurations. `values`: the coefficients, None for those of the package."""
    c = _values() if values is None else values
    lut_c = np.array([c[f"lut {n}"] for n in LUT_NAMES])
    ff_c = np.array([c[f"ff {n}"] for n in FF_NAMES])
    lanes = np.array([m.lanes for m in macs], dtype=float)
    floats = np.array([m.accumulator.exponent > 0 for m in macs], dtype=bool)
    built = _matrix(lut_features, macs, LUT_NAMES) @ lut_c + np.array([rebias(m) for m in macs])
    fixed = np.array([m.accumulator.bits + m.a.bits + m.b.bits for m in macs], dtype=float)
    ff = _matrix(ff_features, macs, FF_NAMES) @ ff_c
    clock = [fmax_mhz(m, c.get(f"{FABRIC} speed"), c.get(f"{FABRIC} wire")) for m in macs]
    return pd.DataFrame(
        {"lut": lanes * np.where(floats, built, fixed), "ff": lanes * ff, "dsp": np.ones(len(macs), int), "fmax_mhz": clock}
    )


def published() -> pd.DataFrame:
    """The published rows: a, b, accumulator, lanes, cycles, lut, ff, dsp, fmax_mhz, source, status."""
    table = pd.DataFrame(csv_rows("hwmodel.fpga", "xtramac"))
    whole = ["lanes", "cycles", "lut", "ff", "dsp"]
    table[whole] = table[whole].astype(int)
    return table.assign(fmax_mhz=table["fmax_mhz"].astype(float))


def macs_of(frame: pd.DataFrame) -> list[Mac]:
    """The configurations of the rows of a frame, each checked once; ValueError names the row, counted from 0."""
    rows = list(zip(*(frame[name] for name in COLUMNS), strict=True))
    made: dict[tuple[Any, ...], Mac] = {}
    for i, row in enumerate(rows):
        if row not in made:
            try:
                made[row] = mac(str(row[0]), str(row[1]), str(row[2]), _whole(row[3]), _whole(row[4]))
            except ValueError as error:
                raise ValueError(f"row {i}: {error}") from error
    return [made[row] for row in rows]


def _whole(value: Any) -> Any:
    """Columns of whole numbers are floats where a table lacks some."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
