"""Static memories: energy of a word read or written, area, from CACTI tables.

Two tables: `cacti28` (28 nm, the buffers of the BitMoD simulator, 8 banks, by word width) and `cacti45`, `cacti32`,
`cacti22` (one bank, 64-bit words unless a row says otherwise).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from hwmodel._checks import positive_int, unknown
from hwmodel.sources import Fact
from hwmodel.technology.tables import rows

TABLES = ("cacti22", "cacti28", "cacti32", "cacti45")


@dataclass(frozen=True)
class SramPoint:
    """One memory at one word width."""

    word_bits: int
    read_pj: float
    write_pj: float
    area_mm2: float
    source: str
    status: str

    @property
    def write64_pj(self) -> float:
        """Energy of writing 64 of the word's bits (the simulator prorates writes to 64-bit beats)."""
        return self.write_pj * 64 / self.word_bits

    @property
    def leakage_mw(self) -> float:
        """0: the tables' rows are used without their leakage, as the published simulators do."""
        return 0.0

    def facts(self, name: str) -> tuple[Fact, ...]:
        return tuple(
            Fact(f"{name} ({self.word_bits}-bit word) {what}", value, unit, self.source, self.status)
            for what, value, unit in (
                ("read", self.read_pj, "pJ/word"),
                ("write", self.write_pj, "pJ/word"),
                ("area", self.area_mm2, "mm2"),
            )
        )


@lru_cache(maxsize=256)
def sram(table: str, capacity_kib: int, banks: int, word_bits: int) -> SramPoint:
    """The memory of `capacity_kib` KiB in `banks` banks with `word_bits`-bit words.

    A width that the table lacks is interpolated (beyond the ends: extrapolated) log-log between neighbouring widths
    of the same capacity and banks; the point then has status "inferred". Raises ValueError for an unknown table, or a
    capacity and bank count that the table does not hold.
    """
    word_bits = positive_int("word_bits", word_bits)
    points = sram_points(table, capacity_kib, banks)
    for point in points:
        if point.word_bits == word_bits:
            return point
    if len(points) < 2:
        only = points[0]
        raise ValueError(
            f"word_bits is {word_bits}, but {table} holds {capacity_kib} KiB only with {only.word_bits}-bit words;"
            " use that width or another table"
        )
    above = min(max(sum(p.word_bits < word_bits for p in points), 1), len(points) - 1)
    low, high = points[above - 1], points[above]

    def at(a: float, b: float) -> float:
        slope = math.log(b / a) / math.log(high.word_bits / low.word_bits)
        return a * (word_bits / low.word_bits) ** slope

    how = "interpolated" if low.word_bits < word_bits < high.word_bits else "extrapolated"
    source = f"{how} log-log between {low.word_bits}- and {high.word_bits}-bit words of: {low.source}"
    pairs = ((low.read_pj, high.read_pj), (low.write_pj, high.write_pj), (low.area_mm2, high.area_mm2))
    read, write, area = (at(a, b) for a, b in pairs)
    return SramPoint(word_bits, read, write, area, source, "inferred")


@lru_cache(maxsize=64)
def sram_points(table: str, capacity_kib: int, banks: int) -> tuple[SramPoint, ...]:
    """The table's rows of one capacity and bank count, by width; ValueError lists what the table holds instead."""
    if table not in TABLES:
        raise unknown("SRAM table", table, TABLES)
    found: list[SramPoint] = []
    held: set[str] = set()
    if table == "cacti28":
        for r in rows("sram_28nm"):
            held.add(f"{r['capacity_kib']} KiB in {r['banks']} banks")
            if int(r["capacity_kib"]) == capacity_kib and int(r["banks"]) == banks:
                energies = float(r["read_pj"]), float(r["write_pj"]), float(r["area_mm2"])
                found.append(SramPoint(int(r["word_bits"]), *energies, r["source"], r["status"]))
    else:
        for r in rows("sram_cacti"):
            if r["tech_nm"] == table.removeprefix("cacti") and r["cell"] == "itrs-hp":
                held.add(f"{int(r['size_bytes']) // 1024} KiB in 1 bank")
                if int(r["size_bytes"]) == capacity_kib * 1024 and banks == 1:
                    energies = float(r["read_pj"]), float(r["write_pj"]), float(r["area_mm2"])
                    found.append(SramPoint(int(r["width_bits"]), *energies, r["source"], r["status"]))
    if not found:
        raise ValueError(f"{table} holds no {capacity_kib} KiB in {banks} banks; it holds {', '.join(sorted(held))}")
    return tuple(sorted(found, key=lambda p: p.word_bits))
