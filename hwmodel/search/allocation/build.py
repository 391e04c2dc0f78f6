"""`hw.allocation_table`: candidates from a network or a workload, schemes and an accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hwmodel.search.allocation.sensitivity import Sensitivity, losses
from hwmodel.search.allocation.sources import Source, source_of
from numfmt import LayerPlan, Plan

_FPGA = ("lut", "ff", "dsp", "bram18", "uram")


def allocation_table(
    work: Any,
    schemes: Sequence[Any] | str,
    acc: Any = None,
    sensitivity: Sensitivity = "sqnr",
    *,
    hessian: Mapping[str, float] | None = None,
    workload: pd.DataFrame | None = None,
    phase: str | None = None,
    context: int | None = None,
    samples: int | None = None,
    measure_on: Any = "fp16@j25",
    skip: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Candidates of `hw.allocate`: every weight layer under every scheme, with its loss and its costs.

    work: a network (`hw.load_network` or its name or path), a torch module (its Linear and Conv2d layers), or a workload
    (`hw.workload` or its name; without weights, so `sensitivity` must hold the losses). schemes: schemes or plans of one layer.
    acc: an accelerator or FPGA (or a name of one) that prices each layer alone by `hw.score` with `phase`, `context` and
    `options`; None: no prices.
    workload: what is priced in place of the network's own shapes (one decoded token, one image); needed for torch modules with
    convolutions.
    sensitivity: what `loss` is:
        "sqnr": squared weight error over squared weight, so that every layer counts alike;
        "error": the squared weight error; "hessian": that times `hessian[layer]` (layer or pattern -> average trace a
        parameter);
        "measured": rise of nats a token, or of the share of wrong images, with that layer alone quantized (`hw.evaluate` on
        `measure_on` over `samples`; one run a layer and scheme); an array (layers x schemes); a mapping layer -> scheme ->
        loss.
    skip: leave out pairs that a layer's shape or the accelerator does not take (for `missing="exclude"`) instead of refusing
    them.

    Columns: layer, scheme, loss, macs, weights, weight_bits (with scales), activation_bits, size_bytes, size_mib, bops (MACs *
    bits of a weight * bits of an activation, of elements without scales); weight_error_sq, weight_sqnr_db where there are
    weights; energy_j, latency_s of an accelerator; lut, ff, dsp, bram18, uram, latency_s of an FPGA. A repeated layer is one
    row for all repeats. Costs of layers alone add up where layers do not share anything: word widths of buffers that the widest
    scheme sets, and arrays that all layers use, do not; `hw.score` of the plan says what the whole takes.

    Raises ValueError for networks without weight layers, schemes that a layer cannot have, and sensitivities that do not fit.
    """
    texts = _schemes(schemes)
    source = source_of(work, workload, phase, context)
    rows: list[dict[str, Any]] = []
    for text, layer_plan in texts.items():
        made = _costs(source, text, layer_plan, acc, phase, skip, options)
        rows += made
    order = {name: i for i, name in enumerate(source.names)}
    rank = {text: i for i, text in enumerate(texts)}
    rows.sort(key=lambda r: (order[r["layer"]], rank[r["scheme"]]))
    if not rows:
        raise ValueError(f"none of the schemes {', '.join(texts)} can be used for any layer")
    pairs = [(r["layer"], r["scheme"]) for r in rows]
    loss, extra = losses(source, pairs, texts, sensitivity, hessian, samples, measure_on)
    head = pd.DataFrame(rows)
    head.insert(2, "loss", loss)
    for name, values in extra.items():
        head[name] = values
    return head


def _schemes(schemes: Sequence[Any] | str) -> dict[str, LayerPlan]:
    listed = [schemes] if isinstance(schemes, str) else list(schemes)
    out: dict[str, LayerPlan] = {}
    for each in listed:
        plan = Plan.parse(each)
        if plan.overrides:
            raise ValueError(f"scheme {each!r} is a plan for several layers; give one layer's: 'w=int4/g128; a=int8/token'")
        if str(each) in out:
            raise ValueError(f"scheme {each!r} is given twice; give each once")
        out[str(each)] = plan.default
    if not out:
        raise ValueError("schemes is empty; name at least one, such as 'int4/g128'")
    return out


def _costs(
    source: Source, text: str, plan: LayerPlan, acc: Any, phase: str | None, skip: bool, options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    found, kept = [], []
    for row in source.work.to_dict("records"):
        try:
            bits = plan.weight.bits_per_element((int(row["n"]), int(row["k"])))
        except ValueError as error:
            if skip:
                continue
            raise ValueError(f"layer {row['layer']}: {error}; leave the scheme out for such layers with skip=True") from error
        weight, activation = plan.weight.element_bits, plan.activation.element_bits
        size = bits * row["weights"] / 8
        kept.append(row["layer"])
        found.append(
            {"layer": row["layer"], "scheme": text, "macs": row["macs"], "weights": row["weights"], "weight_bits": bits}
            | {"activation_bits": activation, "size_bytes": size, "size_mib": size / 2**20}
            | {"bops": row["macs"] * weight * activation}
        )
    if acc is None or not kept:
        return found
    prices = _prices(source.work[source.work["layer"].isin(kept)], acc, text, phase, skip, options)
    if prices is None:
        return []
    return [row | prices[row["layer"]] for row in found]


def _prices(
    work: pd.DataFrame, acc: Any, text: str, phase: str | None, skip: bool, options: Mapping[str, Any]
) -> dict[str, dict[str, float]] | None:
    from hwmodel.fpga import Device
    from hwmodel.scoring import score

    try:
        if isinstance(acc, Device):
            layers = score(work, acc, text, **({"folding": {}} | dict(options))).layers
        else:
            layers = score(work, _accelerator(acc), text, phase=phase, **options).layers
    except ValueError as error:
        if skip:
            return None
        raise ValueError(f"scheme {text!r}: {error}") from error
    names = [c for c in ("energy_j", "latency_s", *_FPGA) if c in layers.columns]
    return {row["layer"]: {c: row[c] for c in names} for row in layers.to_dict("records")}


def _accelerator(acc: Any) -> Any:
    from hwmodel.accelerators import accelerator

    return accelerator(acc) if isinstance(acc, str | Path) else acc
