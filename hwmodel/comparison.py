"""Several accelerators and FPGAs under several plans on one workload, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hwmodel.fpga.chips import Device
from hwmodel.report.parts import energy_parts
from hwmodel.report.view import plan_label
from hwmodel.scoring import Score, score
from hwmodel.targets import Target, target
from numfmt import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hwmodel.fpga.layers import FpgaScore

RELATIVE = ("area_mm2", "energy_j", "latency_s", "edp_js")
_SUMS = ("macs", "cycles", "compute_cycles", "dram_cycles", "dram_bytes")
RESOURCES = ("lut", "ff", "dsp", "bram18", "uram")


@dataclass(frozen=True)
class Refused:
    """A pair that could not be scored, and why."""

    accelerator: str
    plan: str
    reason: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of one workload, one for each accelerator and plan; ratios refer to the first.

    `.scores` in the order asked for; `.refused` the pairs left out with skip=True.
    """

    title: str
    scores: tuple[Score | FpgaScore, ...]
    refused: tuple[Refused, ...] = ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a score: accelerator, plan, phase, area_mm2, energy_j and its parts energy_<part>_j, latency_s, edp_js (energy
        times latency), sums of cycles, macs and dram_bytes, and area_relative, energy_relative, latency_relative, edp_relative:
        how many times those of the first row.

        With FPGAs among them also lut, ff, dsp, bram18, uram, fits and throughput_per_s (inferences a second). What one of the two
        kinds has no figure for is NaN: energy, area and traffic of FPGAs, resources of accelerators. latency_s of an FPGA is
        that of the whole workload: the first inference with its layers one after another, then one every initiation interval."""
        rows = [_row(one) for one in self.scores]
        made = pd.DataFrame(rows)
        parts = [c for c in made.columns if c.startswith("energy_") and c.endswith("_j") and c != "energy_j"]
        made[parts] = made[parts].fillna(0.0).where(made["energy_j"].notna(), axis=0)
        for name in RELATIVE:
            made[f"{name.partition('_')[0]}_relative"] = made[name] / made[name].iloc[0]
        return made

    @cached_property
    def layers(self) -> pd.DataFrame:
        """Every layer of every score; accelerator and plan first."""
        frames = []
        for one in self.scores:
            layers = one.layers
            layers.insert(0, "accelerator", str(one.accelerator))
            layers.insert(1, "plan", one.plan)
            frames.append(layers)
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def sources(self) -> pd.DataFrame:
        """Every constant behind the numbers with the accelerator that uses it: accelerator, name, value, unit, source, status."""
        frames = [one.sources.assign(accelerator=str(one.accelerator)) for one in self.scores]
        made = pd.concat(frames, ignore_index=True).drop_duplicates(ignore_index=True)
        return made[["accelerator", *(c for c in made.columns if c != "accelerator")]]

    def plot(self, theme: str = "light", width: str = "wide", path: str | Path | None = None) -> Figure:
        """Energy in its parts and latency, each relative to the first score: a matplotlib figure (extra `plot`).

        path: .svg, .png or .pdf.
        """
        from hwmodel.report.compare_plot import plot_comparison

        return plot_comparison(self, theme, width, path)

    def roofline(self, theme: str = "light", width: str = "wide", path: str | Path | None = None) -> Figure:
        """The layers of every score below its ceilings; FPGAs, whose layers have ceilings of their own, are left out.

        Raises ValueError where nothing else is compared."""
        from hwmodel.report.roofline_plot import plot_roofline

        scores = [one for one in self.scores if isinstance(one, Score)]
        if not scores:
            raise ValueError("the comparison has FPGAs only, which have no roofline here; compare accelerators too, or use .plot")
        return plot_roofline(scores, None, path, theme, width)

    def to_html(self, path: str | Path | None = None) -> str:
        """One self-contained HTML page; also written to `path`, all of it or nothing. No plots without matplotlib."""
        from hwmodel.report.compare_page import comparison_html

        return comparison_html(self, path)

    def to_csv(self, path: str | Path) -> None:
        """`.frame` at `path`; `.layers`, `.sources` beside it as NAME.layers.csv, NAME.sources.csv; all or none. Raises OSError."""
        from hwmodel.report.exports import write_csv

        write_csv({"frame": self.frame, "layers": self.layers, "sources": self.sources}, path)

    def to_json(self, path: str | Path) -> None:
        """Frame, layers, sources and refused pairs as one strict JSON document, all of it or nothing. Raises OSError."""
        from hwmodel.report.exports import write_json

        frames = {"frame": self.frame, "layers": self.layers, "sources": self.sources}
        write_json("comparison", self.facts(), frames, path)

    def to_parquet(self, path: str | Path) -> None:
        """`.frame` at `path`, `.layers` beside it as NAME.layers.parquet; sources and refused pairs as JSON under `hwmodel` in
        the metadata of both. Raises ImportError without pyarrow (extra `plot`), OSError."""
        from hwmodel.report.exports import write_parquet

        write_parquet("comparison", self.facts(), {"frame": self.frame, "layers": self.layers}, {"sources": self.sources}, path)

    def facts(self) -> dict[str, Any]:
        """What the files say beside the tables."""
        return {"title": self.title, "refused": [vars(pair) for pair in self.refused]}

    def __repr__(self) -> str:
        frame = self.frame.assign(plan=[plan_label(one.plan) for one in self.scores])
        used = [name for name in RESOURCES if name in frame]
        shown = frame[["accelerator", "plan", *RELATIVE, *(f"{n.partition('_')[0]}_relative" for n in RELATIVE), *used]]
        left = f"\n{len(self.refused)} pairs refused: see .refused" if self.refused else ""
        return f"Comparison({self.title})\n{shown.to_string(index=False, float_format=lambda v: f'{v:.4g}')}{left}"


def compare(
    work: pd.DataFrame,
    accelerators: Any,
    plans: Any = "float16",
    *,
    phase: str | None = None,
    skip: bool = False,
    **design: Any,
) -> Comparison:
    """Score a workload (hw.workload) on every accelerator or FPGA under every plan.

    accelerators: a name, file or Accelerator, part or Device, a sequence of them, or a mapping from them to the plan (or plans) of
    each, which then stands for `plans`: {"fp16@h25": "float16", "bitmod@h25": ["bitmod4", "bitmod3"], "xczu3eg": "w=int4/channel;
    a=int4/token"}. plans: a plan or scheme, or a sequence. `phase` as for `hw.score`, of accelerators. design: folding,
    architecture, memories, ... of `hw.score` on FPGAs, for all of them. Ratios refer to the first pair that was scored.

    Raises ValueError naming the pair for a plan that an accelerator cannot run (with skip=True such pairs are listed in
    `.refused`), where no pair can be scored, for pairs given twice, and as `hw.score` for the workload and unknown names.
    """
    pairs = _pairs(accelerators, plans)
    if design and not any(isinstance(acc, Device) for acc, _ in pairs):
        raise ValueError(f"{', '.join(design)} given, which only FPGAs take, but no part is compared; leave it out, or name a part")
    scores: list[Score | FpgaScore] = []
    refused = []
    for acc, plan in pairs:
        try:
            scores.append(score(work, acc, plan, **design) if isinstance(acc, Device) else score(work, acc, plan, phase=phase))
        except ValueError as error:
            if not skip:
                remedy = "leave this pair out, or skip such pairs (skip=True, --skip)"
                raise ValueError(f"{plan_text(plan)} on {acc}: {error}; {remedy}") from error
            refused.append(Refused(str(acc), plan_text(plan), str(error)))
    if not scores:
        raise ValueError(f"no accelerator can run its plan; the first: {refused[0].reason}")
    seen: set[tuple[str, str]] = set()
    for one in scores:
        if (key := (str(one.accelerator), one.plan)) in seen:
            raise ValueError(f"{one.plan} on {one.accelerator} is asked for twice; name every pair once")
        seen.add(key)
    chosen = next((one.phase for one in scores if isinstance(one, Score)), "")
    return Comparison(_title(work, chosen), tuple(scores), tuple(refused))


def _pairs(accelerators: Any, plans: Any) -> list[tuple[Target, Plan]]:
    given = accelerators if isinstance(accelerators, Mapping) else dict.fromkeys(_listed(accelerators), plans)
    pairs = [(target(acc), Plan.parse(plan)) for acc, own in given.items() for plan in _listed(own)]
    if not pairs:
        raise ValueError("nothing to compare: accelerators or plans are empty; give at least one of each")
    return pairs


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]


def plan_text(plan: Plan) -> str:
    """A plan in short, for messages and tables."""
    return plan_label(str(plan))


def _row(one: Score | FpgaScore) -> dict[str, Any]:
    if not isinstance(one, Score):
        return _fpga_row(one)
    parts = {f"energy_{part}_j": float(values.sum()) for part, values in energy_parts(one.columns).items()}
    energy, latency = one.energy_j, one.latency_s
    row = {"accelerator": str(one.accelerator), "plan": one.plan, "phase": one.phase, "array": str(one.array)}
    costs = {"area_mm2": one.area_mm2, "energy_j": energy, **parts, "latency_s": latency, "edp_js": energy * latency}
    return {**row, **costs, **{name: one.columns[name].sum().item() for name in _SUMS}}


def _fpga_row(one: FpgaScore) -> dict[str, Any]:
    row = {"accelerator": str(one.device), "plan": one.plan, "phase": "", "array": one.architecture}
    nothing = dict.fromkeys(("area_mm2", "energy_j", "edp_js"), float("nan"))
    cycles = one.latency_cycles + (one.images - 1) * one.ii_cycles
    used = {name: int(one.total[name]) for name in RESOURCES}
    times = {"latency_s": one.work_s, "macs": int(one.total["macs"]), "cycles": cycles, "throughput_per_s": one.throughput_per_s}
    return row | nothing | times | used | {"fits": one.fits}


def _title(work: pd.DataFrame, phase: str) -> str:
    about = work.attrs
    name = str(about.get("model", "workload"))
    facts = [*([phase] if phase else []), *(f"{key} {about[key]}" for key in ("context", "batch") if about.get(key) is not None)]
    return ", ".join([name, *facts])
