"""The numbers of an accelerator of two buffers as arrays, so that one calculation serves one design or a million."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwmodel.accelerators.compute import MODELS, Activity, Products
from hwmodel.accelerators.memory import traffic, words_read
from hwmodel.accelerators.model import Accelerator, Array
from hwmodel.accelerators.systolic import Floats, Ints
from hwmodel.technology.sram import SramPoint


@dataclass(frozen=True)
class Word:
    """A buffer as its accesses see it: pJ of a word read, of 64 bits written, mm2; `fixed_bits` where the width of a word does
    not follow from the array; `bits` of a word; mW that leak."""

    read_pj: Any
    write64_pj: Any
    area_mm2: Any
    bits: Any
    fixed_bits: int | None = None
    leakage_mw: Any = 0.0

    @classmethod
    def of(cls, point: SramPoint, fixed_bits: int | None) -> Word:
        return cls(point.read_pj, point.write64_pj, point.area_mm2, point.word_bits, fixed_bits, point.leakage_mw)


@dataclass(frozen=True)
class Hardware:
    """Numbers, or columns of them (designs, 1) that broadcast against rows of layers."""

    compute: str
    height: Any
    width: Any
    lanes: Any
    pe_energy_pj: Any
    place_and_route: Any
    pe_area_um2: Any
    weight_bytes: Any
    activation_bytes: Any
    dram_bits_per_cycle: Any
    dram_pj_per_bit: Any
    clock_ghz: Any
    sum_bits: int
    attention: str

    @classmethod
    def of(cls, acc: Accelerator, array: Array, sum_bits: int) -> Hardware:
        pe, dram = acc.pe, acc.dram
        return cls(
            acc.compute,
            array.height,
            array.width,
            pe.lanes,
            pe.energy_pj.value,
            pe.place_and_route.value,
            pe.area_um2.value,
            acc.weight_buffer.capacity_bytes,
            acc.activation_buffer.capacity_bytes,
            dram.bits_per_cycle.value,
            dram.energy_pj_per_bit.value,
            acc.clock_ghz.value,
            sum_bits,
            acc.attention,
        )


@dataclass(frozen=True)
class Bits:
    """Bits of each layer's operands: charged to memory, to buffer writes; of activations; cycles of a tile; pJ of a converter."""

    memory: Floats
    write: Floats
    activation: Floats
    tile_cycles: Ints
    dequant_pj: Floats


@dataclass(frozen=True)
class Costs:
    """Of one run of each layer: cycles of the array and of DRAM, the larger of both, pJ by part, bytes."""

    compute_cycles: Ints
    dram_cycles: Ints
    cycles: Ints
    energy_pj: dict[str, Floats]
    dram_bytes: Ints


def costs(p: Products, k_in: Ints, bits: Bits, hw: Hardware, word_w: Word, word_i: Word) -> Costs:
    """Everything that adds up, for all layers (and all designs) at once."""
    activity: Activity = MODELS[hw.compute](p, hw, bits.tile_cycles)
    moved = traffic(p, k_in, bits.memory, bits.activation, hw)
    dram_cycles = (8 * moved.bytes / hw.dram_bits_per_cycle).astype(np.int64)
    core = hw.place_and_route * hw.pe_energy_pj * (hw.height * hw.width) * activity.cycles
    read = words_read(word_w.fixed_bits, activity.weight_words, bits.memory) * word_w.read_pj
    read = read + words_read(word_i.fixed_bits, activity.activation_words, bits.activation) * word_i.read_pj
    beats_w = np.ceil(p.k * bits.write / 64) * p.n * p.batch
    beats_i = np.ceil(k_in * bits.activation / 64) * p.m * p.batch
    beats_o = np.ceil(p.n * bits.activation / 64) * p.m * p.batch
    write = beats_w * word_w.write64_pj * moved.weight_fetches
    write = write + (beats_i * moved.input_fetches + beats_o) * word_i.write64_pj
    if activity.partial_sums is not None and activity.partial_sums.any():
        sums = activity.partial_sums * hw.sum_bits / 64
        read, write = read + sums * word_i.read_pj * 64 / word_i.bits, write + sums * word_i.write64_pj
    energy = {
        "core": core,
        "sram_read": read,
        "sram_write": write,
        "dram": 8.0 * moved.bytes * hw.dram_pj_per_bit,
        "dequant": activity.fetched_weights * bits.dequant_pj,
    }
    cycles = np.maximum(activity.cycles, dram_cycles)
    leaking = word_w.leakage_mw + word_i.leakage_mw
    if np.any(leaking):
        energy["leakage"] = leaking * cycles / hw.clock_ghz  # mW x ns
    return Costs(activity.cycles, dram_cycles, cycles, energy, moved.bytes)
