"""Several plans compared on one network: what `hwmodel score` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from hwmodel.accelerators import AnyAccelerator, accelerator
from hwmodel.accelerators.native import check_activation, weight_mode
from hwmodel.evaluation import Evaluation, baseline_quality, evaluate, samples_in, workload_of
from hwmodel.models import LoadedModel
from hwmodel.scoring import score
from hwmodel.search.fronts import pareto
from numfmt import LayerPlan, Plan, scheme
from numfmt.layers.convnet import ConvNet
from numfmt.layers.llama import Llama
from numfmt.layers.network import Network

# Plan and the accelerator whose element it fits; group sizes shrink where they do not divide a layer's rows.
DEFAULT_PLANS: tuple[tuple[str, str], ...] = (
    ("float16", "fp16@j25"),
    ("w=int8/channel; a=int8/token", "systolic"),
    ("w=int4/g128; a=int8/token", "systolic"),
    ("nf4/g64", "fp16@j25"),
    ("mixed<int4,flint4>/g128", "ant@j25"),
    ("mxfp4/g32", "bitmod@j25"),
    ("int6/g128+scale=float16", "bitmod@j25"),
    ("bitmod4/g128", "bitmod@j25"),
    ("bitmod3/g128", "bitmod@j25"),
)
_PREFERRED = ("fp16@j25", "bitmod@j25", "ant@j25", "systolic")
NOTES = (
    "Every weight layer is computed bit for bit by the datapath named in its row; sqnr_db and max_abs_error compare it with "
    "the float64 result of the unquantized weights for the inputs that the layer saw in that run.",
    "Attention products run on float16 operands in float32, k upward, on keys and values as the cache holds them; norms, softmax, "
    "rotary embedding and activation functions run in float64, rounded once to float32.",
    "Cost: latency is the larger of compute and DRAM time, layer by layer; norms, softmax, embeddings and control are not priced, "
    "on-chip wires and leakage only on accelerators that describe them. Area is that of the element array, buffers and "
    "dequantizers, before place and route.",
)


@dataclass(frozen=True)
class Entry:
    """One plan to evaluate, and where."""

    plan: Plan
    accelerator: AnyAccelerator


@dataclass(frozen=True, eq=False)
class Study:
    """The evaluations of a run, with what the report prints beside them."""

    model: str
    title: str
    metric: str | None
    baseline: dict[str, float]
    evaluations: list[Evaluation]
    settings: dict[str, object]
    notes: list[str] = field(default_factory=list)

    def summary(self) -> pd.DataFrame:
        """One row an evaluation; `pareto` marks those that no other beats in quality and energy."""
        frame = pd.DataFrame([e.summary for e in self.evaluations])
        frame = frame.fillna({c: 0.0 for c in frame.columns if c.startswith("energy_")})  # parts that some accelerators lack
        quality = self.metric if self.metric is not None and self.metric in frame.columns else "sqnr_db"
        low, high = (["energy_uj", quality], []) if quality == "perplexity" else (["energy_uj"], [quality])
        front = pareto(frame, low, high)
        return frame.assign(pareto=frame.index.isin(front.index))

    def rows(self) -> pd.DataFrame:
        """Every layer of every evaluation."""
        frames = [e.layers.assign(model=self.model, label=e.label) for e in self.evaluations]
        rows = pd.concat(frames, ignore_index=True)
        return rows[["model", "label", *(c for c in rows.columns if c not in ("model", "label"))]]

    def sources(self) -> pd.DataFrame:
        """Every constant behind the costs, once."""
        return pd.concat([e.score.sources for e in self.evaluations], ignore_index=True).drop_duplicates(ignore_index=True)


def matching_accelerator(plan: Plan) -> AnyAccelerator:
    """The first of fp16, BitMoD, ANT (July 2025 rules) and the INT8 systolic array whose element takes the plan's formats natively.

    Where none does, fp16@j25 with the weights dequantized in front of it.
    """
    layer = plan.default
    for name in _PREFERRED:
        made = accelerator(name)
        if _runs(made, layer) and weight_mode(made, layer.weight).native:
            return made
    fallback = accelerator("fp16@j25")
    check_activation(fallback, layer.activation)
    weight_mode(fallback, layer.weight)
    return fallback


def _runs(acc: AnyAccelerator, layer: LayerPlan) -> bool:
    try:
        check_activation(acc, layer.activation)
        weight_mode(acc, layer.weight)
    except ValueError:
        return False
    return True


def default_entries(network: Network, acc: AnyAccelerator | None) -> tuple[list[Entry], list[str]]:
    """The default plans, fitted to the network's shapes, on `acc` or each on its own; and notes on what was changed or left out."""
    entries, notes = [], []
    for text, own in DEFAULT_PLANS:
        made = acc or accelerator(own)
        plan = Plan.parse(text)
        if not _runs(made, plan.default):
            notes.append(f"{text} was left out: {made} cannot run it.")
            continue
        fitted, changed = fit(plan, network)
        if changed:
            notes.append(f"{text}: {changed}.")
        entries.append(Entry(fitted, made))
    return entries, notes


def fit(plan: Plan, network: Network) -> tuple[Plan, str]:
    """The plan with groups that divide each layer's rows: the next smaller of 64, 32, 16, else one scale a channel."""
    made = plan.default.weight
    if made.granularity.kind != "group":
        return plan, ""
    size = made.granularity.size
    overrides: dict[str, list[str]] = {}
    for name, spec in network.layers.items():
        length = spec.weight[0].size
        if length % size == 0:
            continue
        smaller = next((g for g in (64, 32, 16) if g < size and length % g == 0), None)
        overrides.setdefault(f"g{smaller}" if smaller else "channel", []).append(name)
    if not overrides:
        return plan, ""
    text = str(made)
    layers: dict[str, LayerPlan] = {}
    for grain, names in overrides.items():
        weight = scheme(text.replace(f"/g{size}", f"/{grain}"))
        layers |= {name: LayerPlan(weight, plan.default.activation, plan.default.kv, plan.default.path) for name in names}
    changed = "; ".join(f"{grain} instead of g{size} in {len(names)} layer(s)" for grain, names in overrides.items())
    return Plan(plan.default, (*plan.overrides, *layers.items())), changed + ", whose rows it does not divide"


def run_study(
    model: LoadedModel,
    entries: Sequence[Entry],
    *,
    phase: str | None = None,
    context: int | None = None,
    samples: int | None = None,
    notes: Sequence[str] = (),
    step: Callable[[str, int, int], None] | None = None,
) -> Study:
    """Evaluate every entry. step(what, done, of) reports progress.

    Every entry is priced first, so that one an accelerator cannot run is refused before the long part.
    """
    network, data = model.network, model.evaluate_data
    work = workload_of(network, phase, context)
    for entry in entries:
        score(work, entry.accelerator, entry.plan)
    count = samples_in(data, network, samples)

    def reporter(what: str) -> Callable[[int], None]:
        return lambda done: step(what, done, count) if step is not None else None

    baseline = baseline_quality(network, data, samples, reporter("float32 baseline"))
    evaluations = []
    for entry in entries:
        what = f"{entry.plan.default.weight} on {entry.accelerator}"
        options: dict[str, Any] = {"phase": phase, "context": context, "samples": samples, "baseline": baseline}
        evaluations.append(evaluate(model, entry.plan, entry.accelerator, **options, progress=reporter(what)))
    settings: dict[str, object] = {
        "model": network.name,
        "source": model.source,
        "licence": model.licence,
        "metric": model.metric or "none",
        "samples": count,
        **_priced(network, evaluations[0].score.phase, work),
    }
    if data is None:
        settings["activations"] = "seeded random tokens" if hasattr(network, "shape") else "standard normal, seeded"
    title = f"{network.name}: number formats, exact results and the hardware that computes them"
    return Study(network.name, title, model.metric, baseline, evaluations, settings, [*NOTES, *model.notes, *notes])


def _priced(network: Network, phase: str, work: pd.DataFrame) -> dict[str, object]:
    """What one pass of the priced workload is, for the report's heading."""
    if isinstance(network, Llama):
        return {"phase": phase, "context": work.attrs.get("context")}
    what = "one image" if isinstance(network, ConvNet) else f"one pass of {int(work['m'].max())} row(s) a layer"
    return {"phase": what, "context": None}
