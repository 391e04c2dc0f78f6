"""Each layer's schemes, bits and modes on an accelerator: the part of scoring that reads strings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import numpy as np

from hwmodel._checks import finite
from hwmodel.accelerators.compute import Floats, Ints
from hwmodel.accelerators.load import AnyAccelerator
from hwmodel.accelerators.native import check_activation, weight_mode
from numfmt import LayerPlan, Plan, Scheme, datapath

WeightBits = float | Mapping[str, float]


@dataclass(frozen=True)
class Planned:
    """What a plan means for each layer of a workload on one accelerator; lists and arrays are in layer order.

    `memory_bits` are the bits of a weight (or key, value) element charged to memory, `exact_bits` the true figure,
    `write_bits` those charged to buffer writes, `word_bits` those that set the width of the weight buffer's word,
    `cycle_bits` those that count cycles. `native` is False where the element does not multiply the format itself.
    """

    plan: str
    schemes: list[str]
    activations: list[str]
    datapaths: list[str]
    native: list[bool]
    dequantized: list[Scheme | None]
    memory_bits: Floats
    exact_bits: Floats
    write_bits: Floats
    word_bits: Floats
    cycle_bits: Floats
    activation_bits: Floats


@dataclass(frozen=True)
class _Row:
    scheme: str
    activation: str
    path: str
    native: bool
    dequantize: Scheme | None
    memory_bits: float
    exact_bits: float
    word_bits: float
    cycle_bits: float
    activation_bits: float


def planned(
    names: list[str],
    attention: Ints,
    shapes: tuple[Ints, ...],
    acc: AnyAccelerator,
    plan: Any,
    weight_bits: WeightBits | None,
) -> Planned:
    """Resolve `plan` for every layer; `shapes` are n, k, kv_heads, head_dim and context of the layers.

    Raises ValueError where the accelerator cannot run what the plan asks for, naming layer and remedy.
    """
    parsed = _parse(plan) if isinstance(plan, str | Scheme) else Plan.parse(plan)
    override = _override(names, attention, weight_bits)
    n, k, *heads = (s.tolist() for s in shapes)
    rows: list[_Row] = []
    # Layers of one shape under one entry of the plan are alike. The entry is kept, so that its id stays its own.
    seen: dict[tuple[Any, ...], tuple[LayerPlan, _Row]] = {}
    for i, (name, attends) in enumerate(zip(names, attention.tolist(), strict=True)):
        layer = parsed.for_layer(name)
        shape = tuple(column[i] for column in heads) if attends else (n[i], k[i], override.get(name))
        key = (id(layer), attends, *shape)
        if key not in seen:
            try:
                seen[key] = layer, (_attention_row if attends else _weight_row)(acc, layer, *shape)
            except ValueError as error:
                raise ValueError(f"layer {name}: {error}") from error
        rows.append(seen[key][1])
    memory, cycles = np.array([r.memory_bits for r in rows]), np.array([r.cycle_bits for r in rows])
    written = memory
    if acc.attention == "h25" and not attention.all():
        # The December 2024 simulator runs and writes attention at the linear layers' precision; the widest of a mix.
        written = np.where(attention, memory[~attention].max(), memory)
        cycles = np.where(attention, cycles[~attention].max(), cycles)
    return Planned(
        str(parsed),
        [r.scheme for r in rows],
        [r.activation for r in rows],
        [r.path for r in rows],
        [r.native for r in rows],
        [r.dequantize for r in rows],
        memory,
        np.array([r.exact_bits for r in rows]),
        written,
        np.array([r.word_bits for r in rows]),
        cycles,
        np.array([r.activation_bits for r in rows]),
    )


@lru_cache(maxsize=256)
def _parse(plan: str | Scheme) -> Plan:
    return Plan.parse(plan)


def _override(names: list[str], attention: Ints, weight_bits: WeightBits | None) -> dict[str, float]:
    """The bits that the caller imposes, by layer name. Mapping keys are names or patterns; the last match wins."""
    if weight_bits is None:
        return {}
    linear = [name for name, skip in zip(names, attention.tolist(), strict=True) if not skip]
    if not isinstance(weight_bits, Mapping):
        return dict.fromkeys(linear, _bits("weight_bits", weight_bits))
    found: dict[str, float] = {}
    for pattern, bits in weight_bits.items():
        hits = [name for name in linear if name == pattern or fnmatchcase(name, str(pattern))]
        if not hits:
            raise ValueError(f"weight_bits names {pattern!r}, which matches no weight layer; layers: {', '.join(linear)}")
        found |= dict.fromkeys(hits, _bits(f"weight_bits[{pattern!r}]", bits))
    return found


def _bits(what: str, value: Any) -> float:
    bits = finite(what, value, above=0)
    if bits < 1 or bits > 64:
        raise ValueError(f"{what} is {value!r}; give bits of one weight, 1 to 64")
    return bits


@lru_cache(maxsize=1024)
def _activation(acc: AnyAccelerator, scheme: Scheme, path: Any) -> tuple[str, float, str]:
    """Activation string and bits and the datapath string, both checked against the element."""
    check_activation(acc, scheme)
    own = datapath(acc.pe.datapath)
    if path is not None and path != own and str(path) != str(own.inner):
        raise ValueError(
            f"accelerator {acc} computes {own}, the plan asks for path={path}; leave the path out, or choose (or"
            " describe in YAML) an accelerator with that datapath"
        )
    return str(scheme), float(scheme.element_bits), str(own)


@lru_cache(maxsize=8192)
def _weight_row(acc: AnyAccelerator, layer: LayerPlan, n: int, k: int, imposed: float | None) -> _Row:
    mode = weight_mode(acc, layer.weight)
    exact = layer.weight.bits_per_element((n, k))
    memory = imposed if imposed is not None else _charged(acc, layer.weight, exact)
    cycle_bits = math.floor(imposed) if imposed is not None and mode.native else mode.bits
    activation, activation_bits, path = _activation(acc, layer.activation, layer.path)
    word = memory if imposed is not None else _word_bits(acc, layer.weight, memory)
    dequantize, cycles = layer.weight if mode.dequantize else None, float(cycle_bits)
    bits = (memory, exact, word, cycles, activation_bits)
    return _Row(str(layer.weight), activation, path, mode.native, dequantize, *bits)


@lru_cache(maxsize=8192)
def _attention_row(acc: AnyAccelerator, layer: LayerPlan, kv_heads: int, head_dim: int, context: int) -> _Row:
    """Keys and values stand where the weights are; unquantized ones take the accelerator's own width."""
    activation, activation_bits, path = _activation(acc, layer.activation, layer.path)
    kv = layer.kv
    if str(kv) == "float16":
        bits = float(acc.kv_bits)
        name = "float16" if acc.kv_bits == 16 else f"int{acc.kv_bits} (preset)"
        return _Row(name, activation, path, True, None, bits, bits, bits, bits, activation_bits)
    mode = weight_mode(acc, kv)
    exact = kv.bits_per_element((context, kv_heads * head_dim))
    memory = _charged(acc, kv, exact)
    word = _word_bits(acc, kv, memory)
    dequantize = kv if mode.dequantize else None
    return _Row(str(kv), activation, path, mode.native, dequantize, memory, exact, word, float(mode.bits), activation_bits)


def _charged(acc: AnyAccelerator, scheme: Scheme, exact: float) -> float:
    """Memory bits of an element as the preset counts them."""
    if acc.scale_charge == "exact":
        return exact
    group = scheme.granularity.size if scheme.granularity.kind == "group" else 0
    return scheme.element_bits + (acc.scale_bits_per_group / group if group else 0.0)


def _word_bits(acc: AnyAccelerator, scheme: Scheme, charged: float) -> float:
    """Bits of a weight that set the buffer word: the code's own; the published rule takes the charged ones."""
    return charged if acc.scale_charge == "published" else float(scheme.element_bits)
