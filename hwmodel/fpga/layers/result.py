"""What a design on an FPGA takes and how fast it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hwmodel.fpga.chips import Device
from hwmodel.fpga.layers.facts import facts as constants
from hwmodel.fpga.layers.units_of import RESOURCES
from hwmodel.sources import Fact, frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Why two figures of other scores are NaN here.
NOT_MODELLED = (
    "energy_j is NaN: no energy of LUTs, wires or blocks of FPGAs was found that would make it more than a guess",
    "area_mm2 is NaN: a part has the silicon that it has; .utilisation says what a design takes of it",
)
# What of an architecture is known least.
RESTS_ON = {
    "hls4ml": (
        "LUTs, flip-flops and latency rest on inferred constants (hls4ml.* in .sources); DSP blocks and reuse factors do not",
    ),
    "unrolled": (
        "registers and levels rest on an inferred constant (a register a level); layers without weights are priced by EBOPs",
    ),
    "systolic": ("LUTs of control are taken over from FINN's constant, inferred (systolic.control_lut in .sources)",),
}
NAMES = {"lut": "LUTs", "ff": "flip-flops", "dsp": "DSP blocks", "bram18": "BRAM18 blocks", "uram": "URAM blocks"}


@dataclass(frozen=True, eq=False)
class FpgaScore:
    """Resources, cycles, latency and throughput of a workload on an FPGA.

    `.layers` one row a layer (resources over its `count`; those of a shared array are only in `.parts`), `.total` sums,
    `.parts` resources by part, `.utilisation` used against available, `.fits`, `.misfit`, `.folding` to build the same again,
    `.sources` every constant, `.notes` what is left out. Energy is not modelled and the silicon is the vendor's: `energy_j` and
    `area_mm2` are NaN.
    """

    device: Device
    plan: str
    architecture: str
    clock_mhz: float
    images: int
    ii_cycles: int
    latency_cycles: int
    columns: Mapping[str, Any]
    resources: Mapping[str, np.ndarray]
    folding: Any
    facts: tuple[Fact, ...]
    left_out: tuple[str, ...] = ()

    @property
    def accelerator(self) -> Device:
        """What it runs on, by the name that other scores give it."""
        return self.device

    @property
    def notes(self) -> tuple[str, ...]:
        """What the numbers do not hold or rest on: rows left out, constants that are inferred, energy, area."""
        return (*self.left_out, *RESTS_ON.get(self.architecture, ()), *NOT_MODELLED)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """The workload columns, the folding's, weight_bits, activation_bits, resources, ii_cycles, latency_cycles, latency_s."""
        return pd.DataFrame(dict(self.columns))

    @cached_property
    def parts(self) -> pd.DataFrame:
        """One row a part: part, lut, ff, dsp, bram18, uram."""
        return pd.DataFrame([{"part": p, **dict(zip(RESOURCES, r.tolist(), strict=True))} for p, r in self.resources.items()])

    @cached_property
    def total(self) -> pd.Series:
        """Resources of the design, macs, weights, cycles, seconds, inferences a second, energy_j (NaN: not modelled)."""
        used: dict[str, Any] = dict(zip(RESOURCES, sum(self.resources.values()).tolist(), strict=True))  # type: ignore[union-attr]
        used |= {name: self.columns[name].sum() for name in ("macs", "weights")}
        used |= {"ii_cycles": self.ii_cycles, "latency_cycles": self.latency_cycles, "latency_s": self.latency_s}
        used |= {"throughput_per_s": self.throughput_per_s, "energy_j": self.energy_j}
        return pd.Series(used, dtype=object).infer_objects()

    @cached_property
    def sources(self) -> pd.DataFrame:
        """The constants behind the numbers: name, value, unit, source, status."""
        return frame(self.facts)

    @property
    def latency_s(self) -> float:
        """Of one inference, in seconds: every layer after the one before it (no overlap), as FINN's critical path."""
        return self.latency_cycles / (self.clock_mhz * 1e6)

    @property
    def throughput_per_s(self) -> float:
        """Inferences a second."""
        return self.clock_mhz * 1e6 / self.ii_cycles

    @property
    def energy_j(self) -> float:
        """NaN: not modelled (`.notes`)."""
        return float("nan")

    @property
    def area_mm2(self) -> float:
        """NaN: a part has the area it has; what a design takes of it is `.utilisation`."""
        return float("nan")

    def plot(self, theme: str = "light", width: str = "wide") -> Figure:
        """Shares of the device, and LUTs, DSP blocks and block RAM of every layer: a matplotlib figure (extra `plot`)."""
        from hwmodel.report.fpga_plot import fpga_plot

        return fpga_plot(self, theme, width)

    def to_html(self, path: str | Path | None = None) -> str:
        """One self-contained HTML page of this score; also written to `path`, all of it or nothing. No plot without matplotlib."""
        from hwmodel.report import fpga_page

        return fpga_page.html(self, path)

    def to_csv(self, path: str | Path) -> None:
        """`.layers` at `path`, `.utilisation` and `.sources` beside it (NAME.sources.csv); all or none. Raises OSError."""
        from hwmodel.report import fpga_page

        fpga_page.csv(self, path)

    def to_json(self, path: str | Path) -> None:
        """Totals, folding, layers, parts, utilisation and sources as one strict JSON document, all of it or nothing. OSError."""
        from hwmodel.report import fpga_page

        fpga_page.json(self, path)

    def to_parquet(self, path: str | Path) -> None:
        """`.layers`; the rest as JSON under `hwmodel` in the file's metadata. Raises ImportError without pyarrow (extra `plot`),
        OSError."""
        from hwmodel.report import fpga_page

        fpga_page.parquet(self, path)

    @cached_property
    def utilisation(self) -> pd.DataFrame:
        """resource, used, available, share, missing; `advised`: the share up to which designs place (FINN's guide)."""
        rows = []
        for r in RESOURCES:
            used, there = int(self.total[r]), int(getattr(self.device, r))
            share = used / there if there else (float("inf") if used else 0.0)
            rows.append((r, used, there, share, max(0, used - there), constants()[f"finn.limit_{r}"].value))
        return pd.DataFrame(rows, columns=["resource", "used", "available", "share", "missing", "advised"])

    @property
    def work_s(self) -> float:
        """Seconds of the whole workload: the first inference, then one every initiation interval."""
        return (self.latency_cycles + (self.images - 1) * self.ii_cycles) / (self.clock_mhz * 1e6)

    @property
    def fits(self) -> bool:
        """Whether the device has enough of every resource."""
        return not self.utilisation["missing"].any()

    @property
    def places(self) -> bool:
        """Whether every share stays below the advised one, and the mean of DSP, BRAM and URAM below 70 % (FINN's guide)."""
        table = self.utilisation
        memories = table[table["resource"].isin(("dsp", "bram18", "uram")) & (table["available"] > 0)]
        mean = float(memories["share"].mean()) if len(memories) else 0.0
        return bool((table["share"] <= table["advised"]).all()) and mean <= constants()["finn.limit_memory_mean"].value

    @property
    def misfit(self) -> str:
        """Which resources are missing and how many; empty where the design fits."""
        short = self.utilisation[self.utilisation["missing"] > 0]
        texts = [f"{r['missing']} {NAMES[r['resource']]} ({r['used']} of {r['available']})" for r in short.to_dict("records")]
        return f"{self.device.part} lacks " + ", ".join(texts) if texts else ""

    def __repr__(self) -> str:
        used = ", ".join(f"{int(self.total[r])} {r}" for r in RESOURCES if self.total[r])
        fit = "" if self.fits else f"; {self.misfit}"
        return (
            f"FpgaScore({self.architecture} on {self.device.part}, {self.plan}: {used}, {self.latency_s:.4g} s,"
            f" {self.throughput_per_s:.4g}/s at {self.clock_mhz:g} MHz{fit})"
        )
