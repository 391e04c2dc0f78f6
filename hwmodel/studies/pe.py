"""Processing elements at 28 nm, predicted by the gate model beside the published synthesis of BitMoD (HPCA 2025).

Nothing is fitted to the published rows. Gate equivalents come from nangate45, the area of one from ZigZag's 28 nm set (0.614 um2).
Gates are counted in three styles:

- "delay flow": everything as Yosys and ABC map it for speed;
- "clocked": each stage in the area flow where that meets 1 ns at 28 nm, else on the straight line between the two flows, where it
  just does (the delay flow where even that is late);
- "drawn, clocked" (the one that the summary takes): cells with full adders, as commercial tools map arithmetic, times the ratio of
  the "clocked" area to the area flow's.

The line lies above what synthesis reaches, as area over delay is convex. The blocks of the bit-serial element are one stage each,
as in the published Verilog: registers at their ports, and the loop of the accumulator closed in one cycle.

Registers are those of the published Verilog. Energy is C V**2: nangate45's by the capacitances of a nand2 and the voltages. The
published power was reported without activities, so that inputs toggle 0.1 times a cycle and each register and gate what follows
from it. Our bracket: energy linear in that activity below (settled transitions scaled by 0.1 / 0.5), random operands above
(settled transitions, which toggle 0.5 times); the estimate is the geometric mean. Clocks of registers run in full in both. Glitches
are left out as zero-delay propagation leaves them out; `e_unit` of the synthesis model would bound them from above, 3 to 10 times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from hwmodel._data import csv_rows
from hwmodel.sources import Fact
from hwmodel.units.pricing import flip_flop, place, price
from hwmodel.units.serial import Element, blocks, pipeline, registers
from hwmodel.units.structure import floats, parts, shifts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.registers import chain

STYLES = ("drawn, clocked", "clocked", "delay flow")
COLUMNS = ("element", "quantity", "variant", "published", "ours", "low", "high", "error", "how", "source", "status")
_LIBRARY = "nangate45"


@lru_cache(maxsize=1)
def constants() -> dict[str, Fact]:
    """What the study takes as given."""
    return {
        r["name"]: Fact(r["name"], float(r["value"]), r["unit"], r["source"], r["status"])
        for r in csv_rows("hwmodel.studies", "pe_constants")
    }


def _value(name: str) -> float:
    return constants()[name].value


@dataclass(frozen=True)
class _Priced:
    """um2 at 28 nm and settled fJ at 28 nm of random operands, and of the clock and random data of registers."""

    logic_um2: float
    logic_fj: float
    registers_um2: float
    clock_fj: float
    data_fj: float

    @property
    def area_um2(self) -> float:
        return self.logic_um2 + self.registers_um2

    def energy_pj(self, activity: float) -> float:
        return (self.logic_fj * activity + self.clock_fj + self.data_fj * activity) * 1e-3


def stages() -> dict[str, dict[str, Assembly]]:
    """Element -> stage -> logic: a multiplier and an adder of float16, subnormals kept; the second element as its Verilog has it;
    the blocks of the third."""
    magnitude = chain(parts.invert(8, "magnitude"), parts.increment(8, "magnitude increment"), parts.product(11, 8))
    first = floats.hidden(5) | magnitude | parts.adder(5, "exponent")
    w, x = 19, 5
    distance = parts.adder(x, "distance") * 2 | parts.compare(x, "exponents")
    align = parts.barrel(w, x, "align") | shifts.widening(11, w, x, "accumulator align")
    summed = chain(align, parts.compare(w), parts.invert(w + 1) * 2, parts.adder(w + 1, "sum"))  # the smaller is complemented
    normal = shifts.narrowing(w + 1, 10 + 3, x, "normalise", arithmetic=False)  # of which three bits decide the rounding
    shifted = chain(parts.leading_zeros(w + 1), normal, parts.increment(10, "round"))
    second = chain(distance, summed, shifted | parts.adder(x + 1, "exponent update") * 2, parts.mask(15, "limits"))
    return {
        "FP16 FMA": {"FP16 multiplier": floats.fp_mul(5, 10), "FP16 adder": floats.fp_add(5, 10)},
        "FP16 x INT8 + FP16": {"multiply": first, "add": second},
        "BitMoD": blocks(_element()),
    }


def _element() -> Element:
    return Element(align_sum=False)  # as the Verilog that was synthesised


def _bits(element: str) -> int:
    if element == "BitMoD":
        return sum(pipeline(_element()).values())
    name = {"FP16 FMA": "port registers of the FP16 FMA"}.get(element, "registers of the FP16 x INT8 + FP16")
    return round(_value(name))


def _stage(logic: Assembly, style: str) -> tuple[float, float]:
    """(gate equivalents, settled fJ in nangate45 on random operands)."""
    drawn, small, fast = (price(logic, _LIBRARY, flow) for flow in (None, "area", "delay"))
    if style == "delay flow":
        return fast.area_ge, fast.energy_pj * 1e3
    slow, quick = (one.delay_ps * _value("delay factor 45 to 28 nm") for one in (small, fast))
    # between the two flows an area for each delay, at most the straight line; synthesis stops where the clock is met
    share = min(max((slow - _value("clock period")) / (slow - quick), 0.0), 1.0) if slow > quick else 0.0
    if style == "clocked":
        between = [a + share * (b - a) for a, b in ((small.area_ge, fast.area_ge), (small.energy_pj, fast.energy_pj))]
        return between[0], between[1] * 1e3
    ratio = 1 + share * (fast.area_ge / small.area_ge - 1)
    return drawn.area_ge * ratio, small.energy_pj * 1e3 * drawn.area_ge / small.area_ge * ratio


def _priced(logic: list[Assembly], bits: int, style: str) -> _Priced:
    found = [_stage(one, style) for one in logic]
    one, library = flip_flop(place(_LIBRARY)), price(parts.gates(1, 1, "gate"), _LIBRARY)
    nand2 = _value("nand2 area at 28 nm")
    volts = (_value("supply at 28 nm") / _value("supply of nangate45")) ** 2
    energy = volts * _value("nand2 capacitance at 28 nm") / _value("nand2 capacitance of nangate45")
    return _Priced(
        sum(ge for ge, _ in found) * nand2,
        sum(fj for _, fj in found) * energy,
        bits * one.area_um2 / library.area_um2 * nand2,
        bits * one.clock_fj * energy,
        bits * one.data_fj * energy,
    )


def pe(styles: tuple[str, ...] = STYLES) -> pd.DataFrame:
    """Areas (um2) and energies of a cycle (pJ) of the three elements and their blocks beside the published ones.

    Columns: element, quantity, variant (what the figure contains), published, ours, low, high (the bracket, of energies), error
    (ours / published - 1), how (style of counting gates), source and status of the published figure. The ratios and the words of
    the module say how 28 nm was reached; `pe_sources` lists the constants.
    """
    from hwmodel._checks import unknown

    for style in styles:
        if style not in STYLES:
            raise unknown("style", style, STYLES)
    quiet = _value("toggles of an input in a cycle") / _value("toggles of a random input in a cycle")
    rows = []
    for style in styles:
        made = _everything(style)
        for r in csv_rows("hwmodel.studies", "pe_published"):
            published = float(r["value"])
            one = made[r["element"], r["variant"]]
            low = high = float("nan")
            if r["quantity"] == "area":
                ours = one.area_um2
            else:
                low, high = one.energy_pj(quiet), one.energy_pj(1.0)
                ours = (low * high) ** 0.5
            rows.append(
                (
                    r["element"],
                    r["quantity"],
                    r["variant"],
                    published,
                    ours,
                    low,
                    high,
                    ours / published - 1,
                    style,
                    r["source"],
                    r["status"],
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _everything(style: str) -> dict[tuple[str, str], _Priced]:
    made: dict[tuple[str, str], _Priced] = {}
    for element, parts_of in stages().items():
        made[element, "element"] = _priced(list(parts_of.values()), _bits(element), style)
        for name, logic in parts_of.items():
            made[name, "logic"] = _priced([logic], 0, style)
    own = blocks(_element())
    for name, (inner, ports) in registers(_element()).items():
        made[name, "logic and its own registers"] = _priced([own[name]], inner, style)
        made[name, "with port registers"] = _priced([own[name]], inner + ports, style)
    every = sum(inner + ports for inner, ports in registers(_element()).values())
    made["BitMoD", "blocks with port registers each"] = _priced(list(own.values()), every, style)
    return made


def pe_sources() -> pd.DataFrame:
    """The constants of `pe`: name, value, unit, source, status."""
    from hwmodel.sources import frame

    return frame((*constants().values(), *flip_flop(place(_LIBRARY)).facts))
