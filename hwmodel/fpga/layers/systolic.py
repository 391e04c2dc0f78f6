"""One systolic array for all layers in turn: elements in DSP blocks or LUTs, buffers in block RAM or UltraRAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from hwmodel._checks import finite, positive_int, unknown
from hwmodel.accelerators.systolic import DATAFLOWS, counts
from hwmodel.fpga import packings
from hwmodel.fpga.chips import Device
from hwmodel.fpga.layers import facts as constants
from hwmodel.fpga.layers import units_of
from hwmodel.fpga.layers.facts import whole
from hwmodel.fpga.layers.folded import accumulator_bits
from hwmodel.fpga.layers.memory import bram18_best, uram
from hwmodel.fpga.layers.network import Layer
from hwmodel.fpga.layers.operands import Operand
from hwmodel.fpga.layers.units_of import RESOURCES
from hwmodel.sources import Fact

ELEMENTS = ("dsp", "lut")
FIELDS = ("rows", "cols", "dataflow", "pe", "weight_kib", "activation_kib", "memory", "dram_gb_s")
_BYTES = 1024 * 8


@dataclass(frozen=True)
class Array:
    """`rows` x `cols` elements; buffers in KiB, two halves each. `dram_gb_s`: None where memory is never waited for."""

    rows: int
    cols: int
    dataflow: str = "ws"
    pe: str = "dsp"
    weight_kib: int = 64
    activation_kib: int = 128
    memory: str = "block"
    dram_gb_s: float | None = None


def array(fold: Any, device: Device) -> Array:
    """The array of a mapping or (rows, cols); ValueError for unknown fields and values."""
    given = {"rows": fold[0], "cols": fold[1]} if isinstance(fold, tuple | list) and len(fold) == 2 else fold
    if not isinstance(given, Mapping):
        raise ValueError(f"folding is {fold!r}; give (rows, cols) or a mapping with rows and cols, or None for the best that fits")
    for key in given:
        if key not in FIELDS:
            raise unknown("folding field", str(key), FIELDS)
    for key, allowed in (("dataflow", DATAFLOWS), ("pe", ELEMENTS), ("memory", ("block", "ultra"))):
        if given.get(key, allowed[0]) not in allowed:
            raise unknown(key, given[key], allowed)
    if given.get("memory") == "ultra" and not device.uram:
        raise ValueError(f"memory is 'ultra', but {device.part} has no URAM; use block")
    rate = given.get("dram_gb_s")
    return Array(
        positive_int("rows", given.get("rows", 16)),
        positive_int("cols", given.get("cols", 16)),
        given.get("dataflow", "ws"),
        given.get("pe", "dsp"),
        positive_int("weight_kib", given.get("weight_kib", Array.weight_kib)),
        positive_int("activation_kib", given.get("activation_kib", Array.activation_kib)),
        given.get("memory", "block"),
        None if rate is None else finite("dram_gb_s", rate, above=0),
    )


def widest(layers: Sequence[Layer]) -> tuple[Operand, Operand, int]:
    """The operands that the elements must take, and the longest reduction. ValueError where integers and floats are mixed."""
    pairs = {(one.weight.kind, one.activation.kind) for one in layers}
    if len(pairs) > 1 or pairs & {("power", "float"), ("float", "integer"), ("integer", "float")}:
        names = ", ".join(sorted({f"{one.weight.text} x {one.activation.text}" for one in layers}))
        raise ValueError(
            f"one array multiplies integers or floats, not both; the plan asks for {names}: use one kind in all layers"
        )

    def top(name: str) -> Operand:
        return max((getattr(one, name) for one in layers), key=lambda o: (o.bits, o.exponent))

    return top("weight"), top("activation"), max(one.cols for one in layers)


@dataclass(frozen=True)
class Built:
    """Resources by part in the order of `RESOURCES`, accumulator bits of an element, and the facts used."""

    parts: dict[str, np.ndarray]
    accumulator: int
    facts: tuple[Fact, ...]


def build(shape: Array, layers: Sequence[Layer], device: Device) -> Built:
    """The array and its buffers.

    DSP blocks pack products of neighbouring columns that share an activation (or, DSP58, sum those of neighbouring rows);
    lanes are added up outside the block. An element keeps a weight, an activation and a sum. Raises ValueError for
    formats that the elements cannot take.
    """
    weight, activation, deepest = widest(layers)
    size = shape.rows * shape.cols
    facts: tuple[Fact, ...] = constants.under("systolic.", "uram.", "bram18.")
    if weight.kind == "integer" and activation.kind == "integer":
        declared = min(one.declared for one in layers)
        acc = min(declared, int(accumulator_bits(deepest, weight.bits, activation.bits, activation.signed)))
        held = weight.bits + (not weight.signed)  # multipliers take signed weights
        if shape.pe == "dsp":
            if device.block is None or not device.dsp:
                raise ValueError(f"pe is 'dsp', but {device.part} has no DSP blocks; use pe='lut'")
            # a lane has to hold the weights of every layer that is as wide as the widest
            narrow = all(one.weight.narrow for one in layers if one.weight.bits == weight.bits)
            dsp = int(packings.blocks_of_array(shape.cols, shape.rows, held, activation.bits, device.block, narrow))
            lanes = packings.products_per_block(held, activation.bits, device.block, narrow)
            if packings.sums_products(device.block) and lanes > 1:
                dsp, lanes = shape.cols * ceil(shape.rows / lanes), 1
            lut, facts = (size * acc if lanes > 1 else 0), facts + packings.block_facts(device.block)
        else:
            each, more = units_of.mac_luts(held, activation.bits, acc, device.fabric.name)
            dsp, lut, facts = 0, ceil(size * each), facts + more
    elif weight.kind == "float" and activation.kind == "float" and shape.pe == "lut":
        params = {
            "E1": weight.exponent,
            "M1": weight.mantissa,
            "E2": activation.exponent,
            "M2": activation.mantissa,
            "G": max(1, (deepest - 1).bit_length()),
        }
        acc = 2**weight.exponent + weight.mantissa + 2**activation.exponent + activation.mantissa + params["G"] - 1
        each, more = units_of.unit_luts("fp_mac_kulisch", tuple(params.items()), device.fabric.name)
        dsp, lut, facts = 0, ceil(size * each), facts + more
    else:
        raise ValueError(
            f"elements in {shape.pe.upper()} do not take weights {weight.text} by activations {activation.text};"
            " use integers, or floats with pe='lut'"
        )
    ff = size * (weight.bits + activation.bits + acc)
    parts = {"array": np.array([lut + whole("systolic.control_lut"), ff, dsp, 0, 0], dtype=np.int64)}
    words = (
        ("weight buffer", shape.cols * weight.bits, shape.weight_kib),
        ("activation buffer", shape.rows * activation.bits, shape.activation_kib),
        ("output buffer", shape.cols * acc, shape.activation_kib),
    )
    for name, width, kib in words:
        deep = max(1, ceil(kib * _BYTES / width))
        row = np.zeros(len(RESOURCES), dtype=np.int64)
        row[4 if shape.memory == "ultra" else 3] = uram(width, deep) if shape.memory == "ultra" else bram18_best(width, deep)
        parts[name] = row
    return Built(parts, acc, facts)


def cycles(shape: Array, layers: Sequence[Layer], clock_mhz: float) -> tuple[np.ndarray, np.ndarray]:
    """Cycles of each layer (one of its `count`) for one inference: of the array, and of memory (0 without a rate).

    Memory carries weights, inputs and outputs once each.
    """
    m, k, n = (np.array([getattr(one, f) for one in layers], dtype=np.int64) for f in ("vectors", "cols", "rows"))
    times = np.array([one.groups for one in layers], dtype=np.int64)
    k, n, times = (np.where([one.depthwise for one in layers], a, b) for a, b in ((k, k), (1, n), (n, times)))
    done = (counts(shape.dataflow, shape.rows, shape.cols, m, k, n).cycles + 1) * times
    if shape.dram_gb_s is None:
        return done, np.zeros_like(done)
    w, a = (np.array([getattr(one, f).bits for one in layers]) for f in ("weight", "activation"))
    bits = times * (k * n * w + m * k * a + m * n * a)
    return done, np.ceil(bits / 8 / (shape.dram_gb_s * 1e9) * clock_mhz * 1e6).astype(np.int64)


def best(layers: Sequence[Layer], device: Device, room: np.ndarray, clock_mhz: float, given: Mapping[str, Any]) -> Array | None:
    """The array that fits and needs fewest cycles, sides in steps of 4 up to 128 (or of 2, 1 below 8); None where none fits.

    Exact over those sides: arrays are tried in the order of their cycles.
    """
    base = array(dict(given), device)
    sides = [1, 2, *range(4, 132, 4)]
    tried: list[tuple[int, int, Array]] = []
    for rows in sides:
        for cols in sides:
            shape = Array(rows, cols, *(getattr(base, f) for f in FIELDS[2:]))
            done, memory = cycles(shape, layers, clock_mhz)
            tried.append((int((np.maximum(done, memory) * [one.count for one in layers]).sum()), rows * cols, shape))
    for _, _, shape in sorted(tried, key=lambda t: t[:2]):
        if (sum(build(shape, layers, device).parts.values()) <= room).all():
            return shape
    return None
