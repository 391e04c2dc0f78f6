"""A space for the evaluator that comes with hwmodel: every name known, nothing said twice, nothing missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from hwmodel._checks import finite, positive_int, unknown
from hwmodel.accelerators import Accelerator, accelerator
from hwmodel.batch import BUFFERS
from hwmodel.fpga import device
from hwmodel.scoring import PHASES
from hwmodel.search.sweeps.designs import AXES, FPGAS, NETWORKS, NUMBERS, PLANS, WORKLOADS
from hwmodel.search.sweeps.evaluators import Pricing
from hwmodel.search.sweeps.space import Space
from hwmodel.search.sweeps.values import Span
from hwmodel.technology.library import technology
from hwmodel.technology.offchip import dram
from numfmt import Plan
from numfmt import datapath as read_path

_WHOLE = ("height", "width", "lanes", "weight_buffer_kib", "activation_buffer_kib", "dram_channels", "context", "batch", "samples")
_ZERO = ("dram_energy_pj_per_bit",)
_TWICE = (  # names that say the same
    ("plan", ("scheme", "activation", "kv")),
    ("dram_bits_per_cycle", ("dram_gb_s", "dram_channels")),
    ("dram_gb_s", ("dram_channels",)),
    ("dram", ("dram_energy_pj_per_bit",)),
    ("technology", ("pe_energy_pj", "pe_area_um2")),
    ("device", ("accelerator", "path", "technology", "dram", "buffers", "objective", "phase", "network", *NUMBERS)),
    ("network", ("model", "batch")),
)


def pricing(space: Space, work: pd.DataFrame | None) -> Pricing:
    """The evaluator for a space. ValueError naming the axis for whatever it cannot price at all."""
    names = {*space.axes, *space.templates, *space.fixed}
    parts = {part for text in space.templates.values() for part in space.axes if f"{{{part}}}" in text}
    for name in names - parts:
        if name not in AXES:
            raise unknown("axis", name, AXES, "(or give evaluate=, a function that knows what its axes mean)")
    for name, others in _TWICE:
        if name in names and (twice := [o for o in others if o in names]):
            raise ValueError(f"the space names {name} and {twice[0]}, which say the same or exclude each other; leave one out")
    if work is not None and (twice := [n for n in (*WORKLOADS, *NETWORKS) if n in names and n != "phase"]):
        raise ValueError(f"the space names {twice[0]}, but a workload is given (work=); leave one out")
    if work is None and not names & {"model", "network"}:
        raise ValueError("the space names no workload; give model (see hwmodel list workloads), network, or work=")
    if not names & {"accelerator", "device"}:
        raise ValueError("the space names no hardware; give accelerator (see hwmodel list accelerators) or device")
    for first, needs in (("path", "technology"), ("samples", "network"), ("dram_channels", "dram")):
        if first in names and needs not in names:
            raise ValueError(f"the space names {first} without {needs}, which it needs; add {needs}")
    if (lonely := names & set(FPGAS[1:])) and "device" not in names:
        raise ValueError(f"the space names {min(lonely)} without device; that is an option of FPGAs")
    for name in sorted(names - parts):
        _values(name, _given(space, name))
    simple = not names & {"device", "network", "objective"} and all(
        isinstance(accelerator(str(a)), Accelerator) for a in _given(space, "accelerator")
    )
    return Pricing(space.fixed, work, simple)


def _given(space: Space, name: str) -> list[Any]:
    """Every value that a name can have, as far as it can be listed."""
    if name in space.fixed:
        return [space.fixed[name]]
    if name in space.templates:
        from hwmodel.search.sweeps.samplers import decoded

        if not all(space.sizes) or space.size > 1 << 16:
            return []
        import numpy as np

        return list(dict.fromkeys(space.columns(decoded(space.sizes, np.arange(space.size)))[name].tolist()))
    values = space.axes.get(name, ())
    return [values.low, values.high] if isinstance(values, Span) else list(values)


def _values(name: str, values: Iterable[Any]) -> None:
    """ValueError for a value that no point could have."""
    for value in values:
        what = f"{name} of the space"
        if value is None and name not in ("accelerator", "device", "model", "network", *NUMBERS):
            continue
        if name in _WHOLE:
            positive_int(what, value)
        elif name in NUMBERS or name == "clock_mhz":
            finite(what, value, **({"minimum": 0} if name in _ZERO else {"above": 0}))
        elif name == "folding":
            if not isinstance(value, str):
                finite(what, value, above=0)
        elif not isinstance(value, str):
            raise ValueError(f"{what} is {value!r}; give a text")
        else:
            _name(name, value)


def _name(name: str, value: str) -> None:
    if name in PLANS:
        key = {"plan": "", "scheme": "w=", "activation": "a=", "kv": "kv="}[name]
        Plan.parse(f"{key}{value}")
    elif name == "phase" and value not in PHASES:
        raise unknown("phase", value, PHASES)
    elif name == "buffers" and value not in BUFFERS:
        raise unknown("buffers", value, BUFFERS)
    elif name in ("accelerator", "device", "technology", "dram", "path"):
        check: dict[str, Any] = {
            "accelerator": accelerator,
            "device": device,
            "technology": technology,
            "dram": dram,
            "path": read_path,
        }
        check[name](value)
