"""The BitMoD accelerator comparison (HPCA 2025, Figs. 7 and 8), through `hw.score` and the presets."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from hwmodel._data import csv_rows
from hwmodel.accelerators import accelerator
from hwmodel.scoring import Score, score
from hwmodel.workloads import workload

REVISIONS = ("H25", "J25")
ACCELERATORS = ("FP16", "ANT", "OliVe", "BitMoD-LL", "BitMoD-LY")
MODELS = ("OPT-1.3B", "Phi-2", "Yi-6B", "Llama-2-7B", "Llama-2-13B", "Llama-3-8B")
PHASES = ("prefill", "decode")
GENERATED = 20  # decode steps of the generative task: the only number that gives the published figures
CONTEXT = 256
COLUMNS = "rev,accelerator,phase,model,w_prec,kv_mem_bits,array_HxW,compute_cycles,total_cycles,e_core_uJ,e_sram_rd_uJ"
COLUMNS += ",e_sram_wr_uJ,e_dram_uJ,e_onchip_uJ,e_total_uJ"

_PLANS = {
    ("FP16", "prefill"): "float16",
    ("FP16", "decode"): "float16",
    ("ANT", "prefill"): "int4/channel",
    ("ANT", "decode"): "int4/channel",
    ("OliVe", "prefill"): "int4/channel",
    ("OliVe", "decode"): "int4/channel",
    ("BitMoD-LL", "prefill"): "int6/g128",
    ("BitMoD-LL", "decode"): "int6/g128",
    ("BitMoD-LY", "prefill"): "bitmod4/g128",
    ("BitMoD-LY", "decode"): "bitmod3/g128",
}


def bitmod(revisions: Iterable[str] = REVISIONS, models: Iterable[str] = MODELS, context: int = CONTEXT) -> pd.DataFrame:
    """All revisions x accelerators x phases x models of the published simulator, energies in uJ, cycles at 1 GHz.

    Columns as the recorded rows: rev, accelerator, phase, model, w_prec (charged bits of a weight), kv_mem_bits,
    array_HxW, compute_cycles, total_cycles, e_core_uJ, e_sram_rd_uJ, e_sram_wr_uJ, e_dram_uJ, e_onchip_uJ,
    e_total_uJ. Batch 1. LL is lossless (INT6), LY lossy (4 bits in prefill, 3 in decode). ANT's and OliVe's
    fractional bits are the published mixes.
    """
    rows = []
    for rev in revisions:
        for name in ACCELERATORS:
            for phase in PHASES:
                for model in models:
                    rows.append(_row(rev, name, phase, model, context))
    return pd.DataFrame(rows, columns=COLUMNS.split(","))


def scored(rev: str, name: str, phase: str, model: str, context: int = CONTEXT) -> Score:
    """The score behind one row of `bitmod()`."""
    acc = accelerator(f"{name.split('-')[0].lower()}@{rev.lower()}")
    bits = _mixes().get((rev, name, phase), {}).get(model)
    return score(workload(model, phase, context), acc, _PLANS[name, phase], weight_bits=bits)


def _row(rev: str, name: str, phase: str, model: str, context: int) -> tuple[object, ...]:
    got = scored(rev, name, phase, model, context)
    layers, total = got.columns, got.total
    linear = got.layers.kind == "linear"
    core, read, write, dram = (float(total[f"energy_{part}_j"]) * 1e6 for part in ("core", "sram_read", "sram_write", "dram"))
    bits = got.layers.weight_bits
    cycles = int(layers["compute_cycles"].sum()), int(layers["cycles"].sum())
    onchip = core + read + write
    head = (rev, name, phase, model, float(bits[linear].iloc[0]), int(bits[~linear].iloc[0]), str(got.array))
    return (*head, *cycles, core, read, write, dram, onchip, onchip + dram)


def _mixes() -> dict[tuple[str, str, str], dict[str, float]]:
    rows = csv_rows("hwmodel.studies", "bitmod_weight_bits")
    return {(r["rev"], r["accelerator"], r["phase"]): {m: float(r[m]) for m in MODELS} for r in rows}


def bitmod_headline(frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """The paper's headline ratios: rev, name, published, ours, agreement, how, source, status.

    agreement: "to the digit" where ours rounds to the published figure, "last digit" where it is within one unit of its last
    printed place (the paper rounds ratios of rounded figures), else "no".

    Discriminative = prefill; generative = prefill + 20 decode steps. "Mean" is arithmetic over the six models, of
    speedups over FP16 or of energies normalised to FP16 (the figures call it a geometric mean). `frame` is a result
    of `bitmod()` to use instead of computing it.
    """
    table = bitmod() if frame is None else frame
    ours = {rev: _ratios(table[table.rev == rev]) for rev in table.rev.unique()}
    rows = []
    for r in csv_rows("hwmodel.studies", "bitmod_headline"):
        if r["rev"] not in ours:
            continue
        value, published = ours[r["rev"]][r["name"]], float(r["published"])
        decimals = int(r["decimals"])
        close = "last digit" if abs(value - published) <= 10.0**-decimals else "no"
        agreement = "to the digit" if round(value, decimals) == published else close
        rows.append((r["rev"], r["name"], published, value, agreement, r["how"], r["source"], r["status"]))
    return pd.DataFrame(rows, columns=["rev", "name", "published", "ours", "agreement", "how", "source", "status"])


def _ratios(frame: pd.DataFrame) -> dict[str, float]:
    """Every ratio that the data file may name, from the rows of one revision."""
    out: dict[str, float] = {}
    short = {"ANT": "ant", "OliVe": "olive", "BitMoD-LL": "ll", "BitMoD-LY": "ly"}
    for task, steps in (("discriminative", 0), ("generative", GENERATED)):
        cycles, energy = (_per_task(frame, column, steps) for column in ("total_cycles", "e_total_uJ"))
        for name, key in short.items():
            out[f"mean_speedup_{key}_{task}"] = float((cycles["FP16"] / cycles[name]).mean())
            out[f"mean_energy_{key}_{task}"] = float((energy[name] / energy["FP16"]).mean())
        for other in ("ant", "olive"):
            out[f"speedup_ly_vs_{other}_{task}"] = out[f"mean_speedup_ly_{task}"] / out[f"mean_speedup_{other}_{task}"]
            out[f"energy_ly_vs_{other}_{task}"] = out[f"mean_energy_{other}_{task}"] / out[f"mean_energy_ly_{task}"]
        out[f"speedup_ll_vs_fp16_{task}"] = out[f"mean_speedup_ll_{task}"]
        out[f"energy_ll_vs_fp16_{task}"] = 1 / out[f"mean_energy_ll_{task}"]
    for key in [k.removesuffix("_generative") for k in out if k.endswith("_generative") and "_vs_" in k]:
        out[key] = (out[f"{key}_discriminative"] + out[f"{key}_generative"]) / 2
    return out


def _per_task(frame: pd.DataFrame, column: str, steps: int) -> pd.DataFrame:
    """`column` of prefill plus `steps` decode steps; models x accelerators."""
    tables = [frame[frame.phase == phase].pivot_table(column, "model", "accelerator") for phase in PHASES]
    return tables[0] + steps * tables[1]
