"""What every part of a report must agree on: the quality it plots, the reference row, short labels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

_NUMBERED = re.compile(r"^(?P<head>.*?)(?P<block>\d+)\.(?P<tail>.+)$")


@dataclass(frozen=True)
class Quality:
    """The column that stands for accuracy in a study; printed value = stored value * factor."""

    column: str
    name: str
    unit: str
    factor: float
    lower_is_better: bool
    baseline: float  # of the float32 network, NaN where there is none

    @property
    def axis(self) -> str:
        direction = "lower" if self.lower_is_better else "higher"
        return f"{self.name}{f' ({self.unit})' if self.unit else ''}, {direction} is better"


def quality_of(study: Any, summary: pd.DataFrame | None = None) -> Quality:
    """Perplexity or accuracy where the study measured it, else the SQNR of all weight layers pooled."""
    summary = study.summary() if summary is None else summary
    metric = study.metric if study.metric in summary.columns else None
    baseline = float((study.baseline or {}).get(metric, math.nan)) if metric else math.nan
    if metric == "perplexity":
        return Quality("perplexity", "Perplexity", "", 1.0, True, baseline)
    if metric == "accuracy":
        return Quality("accuracy", "Accuracy", "%", 100.0, False, baseline)
    return Quality("sqnr_db", "SQNR", "dB", 1.0, False, math.nan)


def reference_row(summary: pd.DataFrame) -> int:
    """Position of the row that ratios refer to: the first float32 or float16 scheme, else the first row."""
    for wanted in ("float16", "float32", "bfloat16"):
        found = [i for i, s in enumerate(summary["scheme"]) if s == wanted]
        if found:
            return found[0]
    return 0


def short_labels(summary: pd.DataFrame) -> list[str]:
    """The scheme of every row; with the activation where one scheme stands twice on one accelerator."""
    pairs = list(zip(summary["scheme"], summary["accelerator"], strict=True))
    return [
        f"{scheme}, a={activation}" if pairs.count((scheme, acc)) > 1 else str(scheme)
        for (scheme, acc), activation in zip(pairs, summary["activation"], strict=True)
    ]


def on_front(summary: pd.DataFrame) -> list[bool]:
    """The rows on the front; none where the study has no such column."""
    return [bool(v) for v in summary["pareto"]] if "pareto" in summary else [False] * len(summary)


def layer_names(names: list[str]) -> list[tuple[str, str]]:
    """(block, short name) of every layer: `model.layers.3.self_attn.q_proj` -> ("3", "q"); without a number ("", name)."""
    pairs = []
    for name in names:
        match = _NUMBERED.match(name)
        block, tail = (match["block"], match["tail"]) if match else ("", name)
        pairs.append((block, tail.rsplit(".", 1)[-1].removesuffix("_proj")))
    return pairs


def bound(row: Any) -> str:
    """What a layer waits for."""
    return "DRAM" if row["dram_cycles"] > row["compute_cycles"] else "compute"


def plan_label(plan: str) -> str:
    """A plan in short: its weights, and what is not float16 else; `+ N patterns` where layers differ."""
    head, *others = plan.split(" | ")
    fields = dict(part.strip().partition("=")[::2] for part in head.split(";"))
    name = fields.get("w", head) + "".join(f", {k}={fields[k]}" for k in ("a", "kv") if fields.get(k, "float16") != "float16")
    return name + (f" + {len(others)} pattern{'s' if len(others) > 1 else ''}" if others else "")
