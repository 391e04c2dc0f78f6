"""What moving bits costs: DRAM by kind, wires by node, routers and links."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from hwmodel._checks import finite, unknown
from hwmodel.sources import Fact, frame
from hwmodel.technology.tables import rows


@dataclass(frozen=True)
class Dram:
    """A kind of DRAM: energy of a bit moved, with the published range, and bandwidth where the kind fixes it."""

    name: str
    energy: Fact
    low: Fact
    high: Fact
    rate: Fact | None
    pins: int | None

    @property
    def energy_pj_per_bit(self) -> float:
        return self.energy.value

    @property
    def range_pj_per_bit(self) -> tuple[float, float]:
        return self.low.value, self.high.value

    @property
    def bandwidth_gb_s(self) -> float | None:
        """10^9 bytes a second of one channel (DDR, LPDDR), device (GDDR) or stack (HBM); None where the kind has none."""
        return self.rate.value * self.pins / 8 if self.rate and self.pins else None

    def facts(self) -> tuple[Fact, ...]:
        ends = (self.low, self.high) if self.low.value < self.high.value else ()
        return (self.energy, *ends, *((self.rate,) if self.rate else ()))

    @property
    def sources(self) -> pd.DataFrame:
        return frame(self.facts())


def drams() -> tuple[str, ...]:
    """Kinds of DRAM, and the constants of simulators and tables under their names."""
    return tuple(r["kind"] for r in rows("dram"))


def dram(kind: str) -> Dram:
    """A kind (`ddr4`, `lpddr4`, `lpddr5`, `gddr5`, `gddr6`, `hbm2`, `hbm3`, `hbm3e`) or a simulator's constant (`bitmod`, ...).

    The energy of a decoding language model is proportional to this one number, and most kinds are known as a range only: the
    value is its middle. Raises ValueError for an unknown kind, with the nearest.
    """
    name = str(kind).strip().lower()
    r = next((r for r in rows("dram") if r["kind"] == name), None)
    if r is None:
        raise unknown("kind of DRAM", kind, drams())

    def fact(what: str, column: str, unit: str, status: str) -> Fact:
        return Fact(f"{name} {what}", float(r[column]), unit, r["source"], status)

    rate = fact("data rate a pin", "gbit_s_per_pin", "Gb/s", "recalled") if r["gbit_s_per_pin"] else None
    low, high = (fact(f"energy, {end} published", f"{end}_pj_per_bit", "pJ/bit", r["status"]) for end in ("low", "high"))
    return Dram(name, fact("energy", "pj_per_bit", "pJ/bit", r["status"]), low, high, rate, int(r["pins"]) if r["pins"] else None)


def wire(node_nm: float) -> Fact:
    """Energy in pJ of a bit moved one millimetre on chip, at a node of 5 to 40 nm.

    5, 28 and 40 nm are published (recalled); nodes between are interpolated log-log (inferred), others refused.
    """
    node = finite("node_nm", node_nm, above=0)
    known = sorted((float(r["node_nm"]), float(r["value"]), r) for r in rows("interconnect") if r["name"] == "wire")
    for n, value, r in known:
        if n == node:
            return Fact(f"wire at {n:g} nm", value, r["unit"], r["source"], r["status"])
    if not known[0][0] < node < known[-1][0]:
        raise ValueError(
            f"node {node:g} nm is outside the table of wires, {known[0][0]:g} to {known[-1][0]:g} nm; give a node within it,"
            " or an energy of your own"
        )
    upper = next(i for i, (n, _, _) in enumerate(known) if n > node)
    (n0, e0, r0), (n1, e1, r1) = known[upper - 1], known[upper]
    w = math.log(node / n0) / math.log(n1 / n0)
    note = f"interpolated log-log between {n0:g} nm ({r0['source']}) and {n1:g} nm ({r1['source']})"
    return Fact(f"wire at {node:g} nm", e0 ** (1 - w) * e1**w, "pJ/bit/mm", note, "inferred")


def interconnect(name: str, quantity: str = "energy") -> Fact:
    """A published router (32 nm, a flit of 256 bits), crossbar (40 nm, 1 to 4, 32 bits) or off-chip link (28 nm).

    Each has one node and size and is not scaled. ValueError for unknown names and quantities.
    """
    found = [r for r in rows("interconnect") if r["name"] != "wire"]
    names = sorted({r["name"] for r in found})
    if name not in names:
        raise unknown("interconnect", name, names, "(wires: wire(node_nm))")
    mine = {r["quantity"]: r for r in found if r["name"] == name}
    if quantity not in mine:
        raise unknown(f"quantity of {name}", quantity, mine)
    r = mine[quantity]
    return Fact(f"{name} {quantity} at {r['node_nm']} nm", float(r["value"]), r["unit"], r["source"], r["status"])
