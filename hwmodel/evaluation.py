"""A real network under a plan on an accelerator: exact numerical error and quality joined with the cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hwmodel.accelerators import AnyAccelerator
from hwmodel.emulation import Emulator, LayerError, decibel
from hwmodel.models import LoadedModel, load_network
from hwmodel.scoring import BESIDE, Score, score
from hwmodel.targets import runner
from hwmodel.workloads import workload_from_network
from numfmt import Plan
from numfmt.layers.evaluate import LabelledImages, TokenWindows, accuracy, perplexity
from numfmt.layers.llama import Llama
from numfmt.layers.network import LayerBag, Network

Progress = Callable[[int], None]
DEFAULT_CONTEXT = 256
SYNTHETIC_ROWS = 64
SYNTHETIC_SIZE = 16  # height and width of synthetic images for convolutions of unknown input size
_SEED = 20240607


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One plan on one accelerator.

    layers: the columns of `Score.layers` and, for weight layers, sqnr_db and max_abs_error (of the layer's result for the inputs
    it saw, against the float64 result of its unquantized weights) and weight_sqnr_db; datapath is what was emulated.
    quality: perplexity, nats_per_token, bits_per_byte, tokens, or accuracy, correct, images; empty without data.
    """

    label: str
    plan: str
    scheme: str
    accelerator: str
    datapath: str
    score: Score
    layers: pd.DataFrame
    quality: dict[str, float]
    summary: dict[str, object]

    @property
    def total(self) -> pd.Series:
        """Sums of the cost over the layers."""
        return self.score.total

    @property
    def energy_j(self) -> float:
        return self.score.energy_j

    @property
    def latency_s(self) -> float:
        return self.score.latency_s

    @property
    def area_mm2(self) -> float:
        return self.score.area_mm2

    def __repr__(self) -> str:
        return f"Evaluation({self.label}: {self.quality}, {self.energy_j:.4g} J, {self.latency_s:.4g} s)"


def evaluate(
    net: LoadedModel | Network | str,
    plan: Any = "float16",
    acc: AnyAccelerator | str = "fp16@j25",
    data: TokenWindows | LabelledImages | None = None,
    *,
    phase: str | None = None,
    context: int | None = None,
    samples: int | None = None,
    baseline: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Run `net` with every weight layer emulated as the accelerator computes it, and price the same layers.

    net: a LoadedModel, a Network, or a name or path for `load_network`. data: held-out windows or images; None takes the model's
    own, and where there is none the layers are run on seeded random tokens or on standard normal activations, without
    quality. samples: how many windows or images, evenly spread; None takes all. phase, context: of the priced workload; None
    is one decoded token at context 256 for a language model, one image for a classifier. baseline: quality that `delta` is
    measured from. progress(n) is called as windows, images or layers are done.

    Attention products run on float16 operands in float32, k upward; norms, softmax and activation functions in float64,
    rounded once. Raises ValueError where the accelerator cannot run the plan, naming the layer.
    """
    model = load_network(net) if isinstance(net, str) else net
    network = model.network if isinstance(model, LoadedModel) else model
    if data is None and isinstance(model, LoadedModel):
        data = model.evaluate_data
    made, parsed = runner(acc, "hw.evaluate"), Plan.parse(plan)
    work = workload_of(network, phase, context)
    priced = score(work, made, parsed)  # before the long part: refuses what the accelerator cannot run
    emulator = Emulator(network, parsed, made)
    quality = _run(network, data, emulator, samples, progress)
    layers = _layers(priced.layers, emulator.errors)
    default = parsed.default
    paths = list(dict.fromkeys(e.path for e in emulator.errors.values()))
    label = f"{default.weight} on {made}" + ("" if str(default.activation) == "float16" else f", a={default.activation}")
    summary = _summary(label, parsed, made, priced, layers, emulator.errors, quality, baseline or {})
    return Evaluation(label, str(parsed), str(default.weight), str(made), ", ".join(paths), priced, layers, quality, summary)


def baseline_quality(
    network: Network,
    data: TokenWindows | LabelledImages | None,
    samples: int | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Quality of the unquantized network in float32; empty without data."""
    if data is None:
        return {}
    return _measure(network, _taken(data, samples), network.reference, progress)


def samples_in(data: TokenWindows | LabelledImages | None, network: Network, samples: int | None) -> int:
    """How many progress steps an evaluation takes."""
    if data is None:
        return len(network.layers) if isinstance(network, LayerBag) or not isinstance(network, Llama) else 1
    return len(_taken(data, samples))


def workload_of(network: Network, phase: str | None, context: int | None) -> pd.DataFrame:
    """The workload that `evaluate` prices."""
    if isinstance(network, Llama):
        chosen = phase or "decode"
        length = context or min(DEFAULT_CONTEXT, network.shape.max_position_embeddings)
        tokens = 1 if chosen == "decode" else length
        return workload_from_network(network, tokens, chosen, context=length)
    size = None if hasattr(network, "image_shape") else (SYNTHETIC_SIZE, SYNTHETIC_SIZE)
    sizes = {name: size for name, spec in network.layers.items() if spec.kind == "conv2d" and size}
    tokens = 1 if (phase or "decode") == "decode" or context is None else context
    return workload_from_network(network, tokens, phase or "decode", context=context, input_hw=sizes or None)


def _taken(data: Any, samples: int | None) -> Any:
    return data if samples is None or samples >= len(data) else data.spread(samples)


def _measure(network: Network, data: Any, apply: Any, progress: Progress | None, **options: Any) -> dict[str, float]:
    if isinstance(data, LabelledImages):
        options.pop("attend", None)
        return accuracy(network, data, apply, options.pop("kv", None), progress=progress)
    return perplexity(network, data, apply, options.pop("kv", None), progress=progress, **options)


def _run(network: Network, data: Any, emulator: Emulator, samples: int | None, progress: Progress | None) -> dict[str, float]:
    if data is not None:
        taken = _taken(data, samples)
        return _measure(network, taken, emulator.apply, progress, kv=emulator.kv, attend=emulator.attend)
    rng = np.random.Generator(np.random.Philox(_SEED))
    if isinstance(network, Llama):
        length = min(SYNTHETIC_ROWS, network.shape.max_position_embeddings)
        tokens = rng.integers(0, network.shape.vocab_size, (1, length))
        network.run(tokens, emulator.apply, emulator.kv, attend=emulator.attend)
        if progress is not None:
            progress(1)
        return {}
    for done, (name, spec) in enumerate(network.layers.items()):
        if spec.kind == "conv2d":
            size = max(SYNTHETIC_SIZE, *spec.weight.shape[2:])
            x = rng.standard_normal((1, spec.weight.shape[1], size, size), dtype=np.float32)
        else:
            x = rng.standard_normal((SYNTHETIC_ROWS, spec.weight.shape[1]), dtype=np.float32)
        emulator.apply(name, x)
        if progress is not None:
            progress(done + 1)
    return {}


def _layers(priced: pd.DataFrame, errors: Mapping[str, LayerError]) -> pd.DataFrame:
    """The score's rows with the measured errors; `datapath` becomes what was emulated."""
    layers = priced.copy()
    none = LayerError()
    found = [errors.get(name, none) for name in layers["layer"]]
    layers["datapath"] = [e.path or path for e, path in zip(found, layers["datapath"], strict=True)]
    layers["sqnr_db"] = [e.sqnr_db for e in found]
    layers["max_abs_error"] = [e.largest if e.signal else math.nan for e in found]
    layers["weight_sqnr_db"] = [e.weight_sqnr_db for e in found]
    return layers


def _summary(
    label: str,
    plan: Plan,
    acc: AnyAccelerator,
    priced: Score,
    layers: pd.DataFrame,
    errors: Mapping[str, LayerError],
    quality: Mapping[str, float],
    baseline: Mapping[str, float],
) -> dict[str, object]:
    weighted = layers[layers["sqnr_db"].notna() | layers["weight_sqnr_db"].notna()]
    bits = float((weighted["weight_bits_exact"] * weighted["weights"]).sum() / weighted["weights"].sum())
    worst = min(errors, key=lambda name: errors[name].sqnr_db if errors[name].signal else math.inf)
    total = priced.total * 1e6
    row: dict[str, object] = {
        "label": label,
        "scheme": str(plan.default.weight),
        "activation": str(plan.default.activation),
        "accelerator": str(acc),
        "datapath": ", ".join(dict.fromkeys(e.path for e in errors.values())),
        "native": bool(layers["native"].all()),
        "bits_per_weight": bits,
        "sqnr_db": decibel(math.fsum(e.signal for e in errors.values()), math.fsum(e.noise for e in errors.values())),
        "worst_layer": worst,
        "worst_sqnr_db": errors[worst].sqnr_db,
        "max_abs_error": max(e.largest for e in errors.values()),
    }
    metric = next((m for m in ("perplexity", "accuracy") if m in quality), None)
    if metric:
        row[metric] = quality[metric]
        if "bits_per_byte" in quality:
            row["bits_per_byte"] = quality["bits_per_byte"]
        row["delta"] = quality[metric] - baseline[metric] if metric in baseline else math.nan
    row |= {
        "area_mm2": priced.area_mm2,
        "energy_uj": total["energy_j"],
        "energy_core_uj": total["energy_core_j"],
        "energy_sram_uj": total["energy_sram_read_j"] + total["energy_sram_write_j"],
        **{name.removesuffix("_j") + "_uj": total[name] for name in BESIDE if name in total.index},
        "energy_dram_uj": total["energy_dram_j"],
        "energy_dequant_uj": total["energy_dequant_j"],
        "latency_us": total["latency_s"],
    }
    return row
