"""On-chip memories: energy of a word read and written, area, leakage, access time.

Models: `fit`, a smooth law over capacity, word width, node and cell type; `cacti`, the exact rows it was fitted to; and the
user's own values (`Memory.from_values`). CACTI searches organisations, so that its results jump (32 KiB costs 1.9 times 16 KiB
at 45 nm): rows for reproducing a paper, the law for exploring.

Cells: `itrs-lop` (low operating power, the default) or `itrs-hp` (high performance), which leaks far more than the memories of
a real low-power chip: 0.3 W for 1 MiB at 22 nm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from hwmodel._checks import finite, positive_int, unknown
from hwmodel.sources import Fact, frame
from hwmodel.technology import sram_law
from hwmodel.technology.sram import sram
from hwmodel.technology.tables import rows

CELLS = ("itrs-lop", "itrs-hp")
MODELS = ("fit", "cacti")


@dataclass(frozen=True)
class Memory:
    """One memory. Energies are of one word of `word_bits`; area and leakage of the whole memory; None where unknown."""

    name: str
    capacity_kib: float
    word_bits: int
    banks: int
    read: Fact
    write: Fact
    area: Fact
    leakage: Fact | None = None
    access: Fact | None = None
    node_nm: float | None = None

    @property
    def read_pj(self) -> float:
        return self.read.value

    @property
    def write_pj(self) -> float:
        return self.write.value

    @property
    def area_mm2(self) -> float:
        return self.area.value

    @property
    def leakage_mw(self) -> float | None:
        return self.leakage.value if self.leakage else None

    @property
    def access_ns(self) -> float | None:
        return self.access.value if self.access else None

    @property
    def bits(self) -> float:
        return self.capacity_kib * 8192

    @property
    def read_pj_per_bit(self) -> float:
        return self.read_pj / self.word_bits

    @property
    def write_pj_per_bit(self) -> float:
        return self.write_pj / self.word_bits

    @property
    def um2_per_bit(self) -> float:
        return self.area_mm2 * 1e6 / self.bits

    def facts(self) -> tuple[Fact, ...]:
        return tuple(f for f in (self.read, self.write, self.area, self.leakage, self.access) if f)

    @property
    def sources(self) -> pd.DataFrame:
        return frame(self.facts())

    @classmethod
    def from_values(
        cls,
        name: str,
        *,
        capacity_kib: float,
        word_bits: int,
        read_pj: float,
        write_pj: float,
        area_mm2: float,
        leakage_mw: float | None = None,
        banks: int = 1,
        source: str = "user",
    ) -> Memory:
        """A memory with figures of one's own (a data sheet, a compiler). ValueError for values that are not finite and positive."""
        kib = finite("capacity_kib", capacity_kib, above=0)
        bits, count = positive_int("word_bits", word_bits), positive_int("banks", banks)

        def fact(what: str, value: float, unit: str) -> Fact:
            return Fact(f"{name} {what}", finite(what, value, minimum=0), unit, source, "user")

        leak = None if leakage_mw is None else fact("leakage_mw", leakage_mw, "mW")
        energies = fact("read_pj", read_pj, "pJ/word"), fact("write_pj", write_pj, "pJ/word")
        return cls(name, kib, bits, count, *energies, fact("area_mm2", area_mm2, "mm2"), leak)


def memory(
    capacity_kib: float,
    word_bits: int = 64,
    *,
    banks: int = 1,
    node_nm: float = 45,
    cell: str = "itrs-lop",
    model: str = "fit",
    scaling: str | None = None,
) -> Memory:
    """A static memory of `capacity_kib` KiB in all, in `banks` equal banks of which one answers, with words of `word_bits`.

    fit: one read-write port. Every bank is a memory of its own; the wires between banks are not in it. 22 to 45 nm; status
    "derived" where the fitted rows surround the point (itrs-hp: banks of 1 to 2048 KiB, words of 32 to 1024 bits; itrs-lop: 8
    to 1024 KiB, 64 bits), else "inferred", down to 32 bytes a bank. An area is never below that of the bit cells. Error beside
    the rows: `sram_law.residuals()`. Leakage of itrs-lop at 22 nm follows the 45 nm rows and the trend of itrs-hp, because the
    22 nm rows leak more than itrs-hp's.
    scaling="jouppi": below 22 nm to 7 nm, 45 nm energies times the SRAM ratios of Jouppi 2021 and 22 nm areas by those of bit cells
    (never the logic factors). Energies do not join at 22 nm: the table falls more slowly than CACTI, which it exceeds 1.4 to 3.2
    times there; a comparison of nodes across 22 nm should take all from one of the two.
    cacti: the exact rows, 22, 32, 45 nm (one bank); at 28 nm those of the BitMoD simulator (itrs-hp, a read and a write port),
    where a word counts all banks.

    Raises ValueError for unknown cells and models, nodes out of range, memories that the tables lack, and numbers that are
    not finite and positive.
    """
    kib = finite("capacity_kib", capacity_kib, above=0)
    bits, count = positive_int("word_bits", word_bits), positive_int("banks", banks)
    node = finite("node_nm", node_nm, above=0)
    if cell not in CELLS:
        raise unknown("memory cell", cell, CELLS)
    if model not in MODELS:
        raise unknown("memory model", model, MODELS, "(or Memory.from_values for figures of your own)")
    if scaling not in (None, "jouppi"):
        raise unknown("scaling of a memory", scaling, ("jouppi",), "(laws of logic do not scale memories)")
    if bits > kib * 8192 / count:
        raise ValueError(
            f"word_bits is {bits}, more than the {kib * 8192 / count:g} bits of a bank; give a larger memory or a narrower word"
        )
    if model == "cacti":
        return _row(kib, bits, count, node, cell)
    return _fitted(kib, bits, count, node, cell, scaling)


@lru_cache(maxsize=1024)
def _fitted(kib: float, bits: int, banks: int, node: float, cell: str, scaling: str | None) -> Memory:
    low, high = sram_law.NODES
    if node > high or node < (7 if scaling else low):
        remedy = "" if scaling or node > high else "; scaling='jouppi' reaches 7 nm"
        raise ValueError(
            f"node {node:g} nm is outside the memory model fit, {low:g} to {high:g} nm{remedy};"
            " give figures of your own with Memory.from_values"
        )
    each = kib / banks
    if not sram_law.REACH[0] <= each <= sram_law.REACH[1]:
        raise ValueError(
            f"a bank of {each * 1024:g} bytes is outside the memory model fit, 32 bytes to 64 MiB;"
            " a few registers are hw.unit('register', N=bits), other memories Memory.from_values"
        )
    lop, beyond = cell == "itrs-lop", node < low
    at = low if beyond else node
    name = f"{kib:g} KiB {cell} at {node:g} nm"
    first = rows("sram_fit")[0]
    status = "derived" if sram_law.fitted(each, bits, node, lop) else "inferred"
    source = first["source"] if status == "derived" else f"beyond the rows of the fit: {first['source']}"

    def fact(what: str, quantity: str, unit: str, times: float = 1.0) -> Fact:
        value = sram_law.law(quantity, each, bits, at, lop) * times
        label = f"{name} ({bits}-bit word) {what}" if unit == "pJ/word" else f"{name} {what}"
        lop22 = quantity == "leak_mw" and lop and at < high
        note = f"{source}; the suspect rows of itrs-lop at 22 nm left out" if lop22 else source
        return Fact(label, value, unit, note, "inferred" if lop22 else status)

    read, write = fact("read", "read_pj", "pJ/word"), fact("write", "write_pj", "pJ/word")
    area = _floored(fact("area", "area_mm2", "mm2", banks), kib, at)
    if not beyond:
        leak, access = fact("leakage", "leak_mw", "mW", banks), fact("access", "access_ns", "ns")
        return Memory(name, kib, bits, banks, read, write, area, leak, access, node)
    factor = sram_law.jouppi_energy(each, node)
    at_45 = (sram_law.law(q, each, bits, high, lop) for q in ("read_pj", "write_pj"))
    read, write = (
        Fact(f.name, v * factor.value, f.unit, f"45 nm by {source}; times {factor.name} ({factor.source})", "inferred")
        for f, v in zip((read, write), at_45, strict=True)
    )
    cells = sram_law.bitcell(node), sram_law.bitcell(low)
    note = f"22 nm by {source}; times the ratio of bit cells {cells[0].value:.4g} / {cells[1].value:.4g} um2 ({cells[0].source})"
    area = Fact(area.name, area.value * cells[0].value / cells[1].value, area.unit, note, "inferred")
    return Memory(name, kib, bits, banks, read, write, area, None, None, node)


def _floored(area: Fact, kib: float, node: float) -> Fact:
    """The area, or that of the bit cells alone where the law falls below it."""
    cell = sram_law.bitcell(node)
    least = cell.value * kib * 8192 * 1e-6
    if area.value >= least:
        return area
    return Fact(area.name, least, area.unit, f"bit cells of {cell.value:.4g} um2 alone ({cell.source})", "inferred")


@lru_cache(maxsize=256)
def _row(kib: float, bits: int, banks: int, node: float, cell: str) -> Memory:
    name = f"{kib:g} KiB {cell} at {node:g} nm"
    if node == 28 and cell == "itrs-hp" and kib == int(kib):
        p = sram("cacti28", int(kib), banks, bits)
        read, write, area = p.facts(name)
        return Memory(name, kib, bits, banks, read, write, area, None, None, node)
    for r in rows("sram_cacti"):
        held = float(r["tech_nm"]), r["cell"], int(r["size_bytes"]) / 1024, int(r["width_bits"]), 1
        if held == (node, cell, kib, bits, banks):
            facts = [
                Fact(f"{name} ({bits}-bit word) {what}", float(r[column]), unit, r["source"], r["status"])
                for what, column, unit in (
                    ("read", "read_pj", "pJ/word"),
                    ("write", "write_pj", "pJ/word"),
                    ("area", "area_mm2", "mm2"),
                    ("leakage", "leak_mw", "mW"),
                    ("access", "access_ns", "ns"),
                )
            ]
            read, write, area, leak, access = facts
            return Memory(name, kib, bits, banks, read, write, area, leak, access, node)
    near = sorted({int(r["size_bytes"]) // 1024 for r in rows("sram_cacti") if (float(r["tech_nm"]), r["cell"]) == (node, cell)})
    held_text = (
        f"{cell} at {node:g} nm: {', '.join(map(str, near))} KiB, mostly with 64-bit words, one bank"
        if near
        else ("22, 32 and 45 nm (itrs-hp), 22 and 45 nm (itrs-lop), 28 nm (itrs-hp)")
    )
    raise ValueError(
        f"the CACTI rows hold no {kib:g} KiB with {bits}-bit words in {banks} banks, {cell}, {node:g} nm;"
        f" they hold {held_text}; model='fit' takes any"
    )
