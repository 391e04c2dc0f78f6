"""What a workload costs on an accelerator under a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel.accelerators import Accelerator, AnyAccelerator, Array, Hierarchy
from hwmodel.accelerators.attention import shaped
from hwmodel.accelerators.compute import Ints, tile_cycles
from hwmodel.accelerators.hardware import Bits, Hardware, Word, costs
from hwmodel.accelerators.memory import buffer_word, word_widths
from hwmodel.accelerators.model import PHASES
from hwmodel.dequantize import Dequantizers, dequantizers
from hwmodel.fpga.chips import Device
from hwmodel.mapped_scoring import Imposed, mapped, sum_bits
from hwmodel.planning import Planned, WeightBits, planned
from hwmodel.sources import Fact, frame
from hwmodel.targets import target
from hwmodel.technology.sram import SramPoint
from hwmodel.workloads.frame import COLUMNS, GEOMETRY, HEADS, KINDS, SHAPE, checked_sizes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hwmodel.fpga.layers import FpgaScore

ENERGIES = (
    "energy_core_j",
    "energy_sram_read_j",
    "energy_sram_write_j",
    "energy_dram_j",
    "energy_dequant_j",
    "energy_j",
)
BESIDE = ("energy_noc_j", "energy_leakage_j", "energy_vector_j")  # of memory hierarchies and vector units
SUMMED = ("macs", "weights", "compute_cycles", "dram_cycles", "cycles", "latency_s", *ENERGIES, "dram_bytes")


@dataclass(frozen=True, eq=False)
class Score:
    """Energy, latency, traffic and area of a workload on an accelerator.

    `.layers` one row per layer, totals over `count`; `.total` their sums; `.area` part -> mm2 (active area as
    published, without place and route); `.sources` every constant used.
    """

    accelerator: AnyAccelerator
    plan: str
    phase: str
    columns: Mapping[str, Any]
    area: Mapping[str, float]
    facts: tuple[Fact, ...]

    @cached_property
    def layers(self) -> pd.DataFrame:
        """The workload columns and scheme, activation, datapath, native, weight_bits (charged to memory),
        weight_bits_exact, activation_bits, compute_cycles, dram_cycles, cycles, latency_s, energy_*_j, dram_bytes. A memory
        hierarchy adds energy_noc_j and energy_leakage_j (parts of energy_j), stall_cycles, utilisation, mapping (`Mapping`'s
        text), and for each level energy_at_LEVEL_j and bytes_at_LEVEL."""
        return pd.DataFrame(dict(self.columns))

    @cached_property
    def total(self) -> pd.Series:
        """Sums over the layers."""
        names = (*SUMMED, *(name for name in BESIDE if name in self.columns))
        return pd.Series({name: self.columns[name].sum() for name in names}, dtype=object).infer_objects()

    @cached_property
    def sources(self) -> pd.DataFrame:
        """The constants behind the numbers: name, value, unit, source, status."""
        return frame(self.facts)

    @property
    def array(self) -> Array:
        """The array shape of the phase."""
        return self.accelerator.array(self.phase)

    @property
    def area_mm2(self) -> float:
        return float(sum(self.area.values()))

    @property
    def energy_j(self) -> float:
        return float(self.columns["energy_j"].sum())

    @property
    def latency_s(self) -> float:
        return float(self.columns["latency_s"].sum())

    def plot(self, theme: str = "light", width: str = "wide") -> Figure:
        """Energy of every layer, stacked, with its latency: a matplotlib figure (extra `plot`)."""
        from hwmodel.report.energy_plot import score_breakdown

        return score_breakdown(self, theme, width)

    def to_html(self, path: str | Path | None = None) -> str:
        """One self-contained HTML page of this score; also written to `path`, all of it or nothing. No plot without matplotlib."""
        from hwmodel.report.single import score_html

        return score_html(self, path)

    def roofline(self, theme: str = "light", width: str = "wide") -> Figure:
        """The layers below the compute and memory ceilings of the accelerator: a matplotlib figure (extra `plot`)."""
        from hwmodel.report.roofline_plot import plot_roofline

        return plot_roofline(self, theme=theme, width=width)

    def to_csv(self, path: str | Path) -> None:
        """`.layers` at `path`, `.sources` beside it as NAME.sources.csv; both or neither. Raises OSError."""
        from hwmodel.report.exports import score_csv

        score_csv(self, path)

    def to_json(self, path: str | Path) -> None:
        """Totals, area, layers and sources as one strict JSON document (NaN as null), all of it or nothing. Raises OSError."""
        from hwmodel.report.exports import score_json

        score_json(self, path)

    def to_parquet(self, path: str | Path) -> None:
        """`.layers`; totals, area and sources as JSON under `hwmodel` in the file's metadata. Raises ImportError without
        pyarrow (extra `plot`), OSError."""
        from hwmodel.report.exports import score_parquet

        score_parquet(self, path)

    def __repr__(self) -> str:
        return (
            f"Score({self.accelerator}, {self.plan}, {self.phase}: {self.energy_j:.4g} J, {self.latency_s:.4g} s,"
            f" {self.area_mm2:.4g} mm2)"
        )


@overload
def score(work: pd.DataFrame, acc: Device, plan: Any = ..., **design: Any) -> FpgaScore: ...
@overload
def score(work: pd.DataFrame, acc: AnyAccelerator | Path, plan: Any = ..., **options: Any) -> Score: ...
@overload
def score(work: pd.DataFrame, acc: str, plan: Any = ..., **options: Any) -> Any: ...
def score(
    work: pd.DataFrame,
    acc: AnyAccelerator | Device | str | Path,
    plan: Any = "float16",
    *,
    phase: str | None = None,
    weight_bits: WeightBits | None = None,
    objective: str | None = None,
    mapping: Imposed = None,
    vector_rows: str = "refuse",
    **design: Any,
) -> Score | FpgaScore:
    """Score a workload (hw.workload) on an accelerator under a plan (a Plan, its string, or a bare scheme).

    A layer takes max(compute, DRAM) cycles; layers follow one another (perfect overlap inside a layer, none across).
    Energy is that of the whole array for every compute cycle, of buffer words read and written, of DRAM bits, and of
    dequantizers where the element cannot multiply a weight format as it is (`native` False). `phase` chooses the
    array shape; None takes the workload's own, or "decode" where every weight layer has one row. `weight_bits`
    imposes the charged bits of a weight (one number, or a mapping from layer names or patterns): the published
    mixes of 4- and 8-bit layers are such fractions; bit-serial cycles then count their integer part. Keys and values
    that the plan leaves in float16 have the accelerator's own width. Rows of kind "vector" run on the accelerator's
    vector unit (see `hwmodel.vector_rows`); where it has none they are refused, or left out with vector_rows="skip".

    On an accelerator with a memory hierarchy each layer runs under the mapping that is best for `objective` (energy, latency,
    edp; None: the accelerator's own), or under `mapping`: a `Mapping` or its text for all layers, or by layer name for some.
    Cycles then are computing, stalls at all ports, preload, offload and drain; energy that of operations, of all accesses,
    wires and leakage.

    On an FPGA (`hw.device`, or the name of a part or board) the result is an `FpgaScore` and the options are vector_rows and those
    of `hwmodel.fpga.layers.fpga_score`: folding, architecture, clock_mhz, limit, ... No other option has a meaning there.

    Raises ValueError for a workload without rows, with missing columns or with negative, fractional or NaN sizes, and
    for schemes, activations or datapaths that the accelerator cannot run.
    Source: BitMoD simulator (HPCA 2025 artifact), accelerator.py and pe_array.py; SCALE-Sim 3 for systolic arrays.
    """
    if vector_rows not in ("refuse", "skip"):
        raise unknown("vector_rows", vector_rows, ("refuse", "skip"))
    acc = target(acc)
    if isinstance(acc, Device):
        from hwmodel.fpga.layers import fpga_score

        others = {"phase": phase, "weight_bits": weight_bits, "objective": objective, "mapping": mapping}
        if given := [name for name, value in others.items() if value is not None]:
            raise ValueError(f"{acc} is an FPGA, which takes no {', '.join(given)}; give folding, architecture, clock_mhz, limit")
        return fpga_score(work, acc, plan, vector_rows=vector_rows, **design)
    if design:
        raise ValueError(f"accelerator {acc} takes no {', '.join(design)}; such options are for FPGAs: hw.device names one")
    if _has_vectors(work):
        from hwmodel.vector_rows import score_with_vectors

        options: dict[str, Any] = {"phase": phase, "weight_bits": weight_bits, "objective": objective, "mapping": mapping}
        return score_with_vectors(work, acc, plan, acc.vector_unit, vector_rows=vector_rows, **options)
    table, sizes, kinds, chosen, bits = prepared(work, acc, plan, phase, weight_bits)
    if isinstance(acc, Hierarchy):
        names = [str(name) for name in table["layer"].tolist()]
        known = [c for c in GEOMETRY if c in work.columns]
        added, area, facts = mapped(table | {c: work[c].to_numpy() for c in known}, names, bits, acc, objective, mapping)
        return Score(acc, bits.plan, chosen, table | added, area, facts)
    if objective is not None or mapping is not None:
        raise ValueError(f"accelerator {acc} has two buffers and one way to run a layer; leave objective and mapping out")
    return _cost(table, sizes, kinds, bits, acc, chosen)


def _has_vectors(work: Any) -> bool:
    return isinstance(work, pd.DataFrame) and "kind" in work.columns and "vector" in work["kind"].tolist()


def prepared(
    work: pd.DataFrame, acc: AnyAccelerator, plan: Any, phase: str | None, weight_bits: WeightBits | None = None
) -> tuple[dict[str, Any], dict[str, Ints], tuple[Ints, Ints], str, Planned]:
    """A workload checked: its columns, its sizes, which rows are QK^T and PV, the phase, and what the plan means for its layers."""
    table = _columns(work)
    sizes = checked_sizes(table, (*SHAPE[2:], *HEADS))
    _check_countable(sizes)
    kinds = table["kind"].tolist()
    for kind in set(kinds):
        if kind not in KINDS:
            raise unknown("layer kind", kind, KINDS)
    qk, pv = (np.array([kind == k for kind in kinds], dtype=bool) for k in KINDS[1:3])
    attention = qk | pv
    chosen = _phase(work, sizes, attention, phase)
    names = [str(name) for name in table["layer"].tolist()]
    shapes = tuple(sizes[c] for c in ("n", "k", "kv_heads", "head_dim", "context"))
    bits = planned(names, attention, shapes, acc, plan, weight_bits)
    return table, sizes, (qk, pv), chosen, bits


def _check_countable(sizes: dict[str, Ints]) -> None:
    """ValueError where MACs, bits or cycles would not fit 64 bits."""
    runs = sizes["count"].astype(np.float64) * sizes["batch"]
    m, n, k = (sizes[c].astype(np.float64) for c in ("m", "n", "k"))
    most = runs * m * n * k * 64
    if (most >= 2.0**62).any():
        row = int(np.argmax(most))
        shape = ", ".join(f"{c}={sizes[c][row]}" for c in ("count", "batch", "m", "n", "k"))
        raise ValueError(f"workload row {row} has {shape}: too many operations to count in 64 bits; split the layer")


def widest_weight(bits: Planned, kinds: tuple[Ints, Ints]) -> float:
    """Bits of the widest weight, which sets the width of the weight buffer's word."""
    weighted = ~(kinds[0] | kinds[1])
    return float((bits.word_bits[weighted] if weighted.any() else bits.word_bits).max())


def _cost(
    table: dict[str, Any], sizes: dict[str, Ints], kinds: tuple[Ints, Ints], bits: Planned, acc: Accelerator, phase: str
) -> Score:
    array, count = acc.array(phase), sizes["count"]
    products, k_in = shaped(sizes, kinds, acc.attention)
    hardware = Hardware.of(acc, array, sum_bits(acc.pe.datapath))
    width_w, width_i = word_widths(hardware, widest_weight(bits, kinds), int(bits.activation_bits.max()))
    word_w, word_i = buffer_word(acc.weight_buffer, width_w), buffer_word(acc.activation_buffer, width_i)
    units = dequantizers(bits.dequantized, acc)
    found = costs(
        products,
        k_in,
        Bits(bits.memory_bits, bits.write_bits, bits.activation_bits, tile_cycles(acc, bits.cycle_bits), units.energy_pj),
        hardware,
        Word.of(word_w, acc.weight_buffer.word_bits),
        Word.of(word_i, acc.activation_buffer.word_bits),
    )
    energies = {f"energy_{part}_j": pj * count * 1e-12 for part, pj in found.energy_pj.items()}
    columns: dict[str, Any] = table | {
        "scheme": bits.schemes,
        "activation": bits.activations,
        "datapath": bits.datapaths,
        "native": np.array(bits.native, dtype=bool),
        "weight_bits": bits.memory_bits,
        "weight_bits_exact": bits.exact_bits,
        "activation_bits": bits.activation_bits,
        "compute_cycles": found.compute_cycles * count,
        "dram_cycles": found.dram_cycles * count,
        "cycles": found.cycles * count,
        "latency_s": found.cycles * count / (acc.clock_ghz.value * 1e9),
        **energies,
        "energy_j": sum(energies.values()),
        "dram_bytes": found.dram_bytes * count,
    }
    area = _area(acc, array, word_w, word_i, units)
    facts = acc.facts() + word_w.facts("weight buffer") + word_i.facts("activation buffer") + units.facts
    return Score(acc, bits.plan, phase, columns, area, facts)


def _area(acc: Accelerator, array: Array, word_w: SramPoint, word_i: SramPoint, units: Dequantizers) -> dict[str, float]:
    area = {
        "pe_array": array.size * acc.pe.area_um2.value * 1e-6,
        "weight_buffer": word_w.area_mm2,
        "activation_buffer": word_i.area_mm2,
    }
    if units.area_um2:
        area["dequantizers"] = units.area_um2 * array.height * acc.pe.lanes * 1e-6
    return area


def _columns(work: pd.DataFrame) -> dict[str, Any]:
    """The workload's columns as arrays; ValueError where it is no workload."""
    if not isinstance(work, pd.DataFrame):
        raise ValueError(f"work is {type(work).__name__}; give the DataFrame that hw.workload returns")
    if missing := [c for c in COLUMNS if c not in work.columns]:
        raise ValueError(f"workload lacks the columns {', '.join(missing)}; build it with hw.workload")
    if not len(work):
        raise ValueError("workload has no rows; there is nothing to score")
    bare = work.copy(deep=False)
    bare.attrs = {}  # pandas copies attrs deeply with every column that it hands out
    return {name: bare[name].to_numpy(copy=True) for name in COLUMNS}


def _phase(work: pd.DataFrame, sizes: dict[str, Ints], attention: Ints, phase: str | None) -> str:
    chosen = phase if phase is not None else work.attrs.get("phase")
    if chosen is None:
        weighted = sizes["m"][~attention]
        chosen = "decode" if weighted.size and (weighted == 1).all() else "prefill"
    if chosen not in PHASES:
        raise unknown("phase", chosen, PHASES)
    return str(chosen)
