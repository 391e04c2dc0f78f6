"""What an accelerator's layers come from: energy and bandwidth of its last memory, however it is described."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwmodel.accelerators.systolic import Floats, Ints


@dataclass(frozen=True)
class Outside:
    """The memory outside: pJ a bit read and written, bits a cycle in each direction (inf: no limit), and whether both directions
    share them."""

    read_pj_per_bit: float
    write_pj_per_bit: float
    read_bits: float
    write_bits: float
    shared: bool

    @property
    def bits_per_cycle(self) -> float:
        """The most that can move in a cycle."""
        return max(self.read_bits, self.write_bits) if self.shared else self.read_bits + self.write_bits

    def cycles(self, read_bytes: Floats, write_bytes: Floats) -> Ints:
        """Whole cycles that the transfers take."""
        reads, writes = 8 * read_bytes / self.read_bits, 8 * write_bytes / self.write_bits
        return np.floor(reads + writes if self.shared else np.maximum(reads, writes)).astype(np.int64)


def memory_of(acc: Any) -> Outside:
    """The outermost level of a hierarchy, or the DRAM of an accelerator with two buffers."""
    levels = getattr(acc, "levels", None)
    if levels:
        last = levels[-1]
        energies = (last.read_pj.value / last.word_bits, last.write_pj.value / last.word_bits)
        return Outside(*energies, float(last.read_bits), float(last.write_bits), last.ports == 1)
    energy, bits = acc.dram.energy_pj_per_bit.value, float(acc.dram.bits_per_cycle.value)
    return Outside(energy, energy, bits, bits, True)


def unlimited(memory: Outside) -> bool:
    """Whether the memory never makes a layer wait."""
    return math.isinf(memory.bits_per_cycle)
