"""How much a layer loses under a scheme: weight errors, traces times weight errors, measured losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

import numfmt as nf
from hwmodel._checks import unknown
from hwmodel.search.allocation.sources import Source, by_pattern
from numfmt import LayerPlan

KINDS = ("sqnr", "error", "hessian", "measured")
Sensitivity = str | Mapping[str, Mapping[str, float]] | np.ndarray
Pairs = list[tuple[str, str]]


def losses(
    source: Source,
    pairs: Pairs,
    texts: Mapping[str, LayerPlan],
    sensitivity: Any,
    hessian: Mapping[str, float] | None,
    samples: int | None,
    measure_on: Any,
) -> tuple[list[float], dict[str, list[float]]]:
    """The loss of every pair of layer and scheme, and columns to show beside it."""
    if hessian is not None and (not isinstance(sensitivity, str) or sensitivity != "hessian"):
        raise ValueError("hessian= holds traces, which only sensitivity='hessian' uses; leave it out, or ask for that")
    errors = None
    if isinstance(sensitivity, str) and sensitivity not in KINDS:
        raise unknown("sensitivity", sensitivity, KINDS)
    if source.network is not None or (isinstance(sensitivity, str)):
        errors = _weight_errors(source, pairs, texts)
    extra = {}
    if errors is not None:
        extra = {"weight_error_sq": [e for e, _ in errors], "weight_sqnr_db": [_decibel(s, e) for e, s in errors]}
    if not isinstance(sensitivity, str):
        return _given(pairs, source.names, list(texts), sensitivity), extra
    assert errors is not None
    if sensitivity == "error":
        return [e for e, _ in errors], extra
    if sensitivity == "sqnr":
        return [e / s if s else 0.0 for e, s in errors], extra
    if sensitivity == "hessian":
        if hessian is None:
            raise ValueError("sensitivity='hessian' needs hessian={layer or pattern: average Hessian trace of its parameters}")
        traces = by_pattern("hessian", hessian, source.names)
        return [traces[layer] * e for (layer, _), (e, _) in zip(pairs, errors, strict=True)], extra
    return _measured(source, pairs, samples, measure_on), extra


def _weight_errors(source: Source, pairs: Pairs, texts: Mapping[str, LayerPlan]) -> list[tuple[float, float]]:
    """(squared error, squared weights) of every pair."""
    out = []
    for layer, text in pairs:
        weight = source.weight(layer)
        exact = weight.astype(np.float64)
        try:
            error = nf.quantize(weight, texts[text].weight).dequantize().astype(np.float64) - exact
        except ValueError as problem:
            raise ValueError(f"layer {layer}, scheme {text!r}: {problem}") from problem
        out.append((float(np.square(error).sum()), float(np.square(exact).sum())))
    return out


def _decibel(signal: float, noise: float) -> float:
    return math.inf if not noise else 10 * math.log10(signal / noise) if signal else -math.inf


def _given(pairs: Pairs, layers: list[str], schemes: list[str], values: Any) -> list[float]:
    if isinstance(values, pd.DataFrame):
        raise ValueError("sensitivity is a DataFrame; give an array (layers x schemes) or a mapping layer -> scheme -> loss")
    if isinstance(values, Mapping):
        out = []
        for layer, scheme in pairs:
            row = values.get(layer)
            if row is None:
                raise unknown("layer without a sensitivity", layer, [str(k) for k in values])
            if scheme not in row:
                raise unknown(f"scheme without a sensitivity for layer {layer!r}:", scheme, [str(k) for k in row])
            out.append(float(row[scheme]))
        return out
    table = np.asarray(values, dtype=np.float64)
    if table.shape != (len(layers), len(schemes)):
        raise ValueError(f"sensitivity has shape {table.shape}; give (layers, schemes) = ({len(layers)}, {len(schemes)})")
    return [float(table[layers.index(layer), schemes.index(scheme)]) for layer, scheme in pairs]


def _measured(source: Source, pairs: Pairs, samples: int | None, measure_on: Any) -> list[float]:
    from hwmodel.evaluation import evaluate

    model = source.model
    if model is None or model.metric is None:
        raise ValueError("sensitivity='measured' needs a network with held-out data, as hw.load_network gives it")
    base = _quality(evaluate(model, "float16", measure_on, samples=samples).quality)
    return [
        _quality(evaluate(model, f"float16 | {_literal(layer)}: {_spelled(text)}", measure_on, samples=samples).quality) - base
        for layer, text in pairs
    ]


def _spelled(text: str) -> str:
    return text if "=" in text.split(";")[0].split("/")[0] else f"w={text}"


def _literal(name: str) -> str:
    return name.replace("[", "[[]")


def _quality(found: Mapping[str, float]) -> float:
    return found["nats_per_token"] if "nats_per_token" in found else 1.0 - found["accuracy"]
