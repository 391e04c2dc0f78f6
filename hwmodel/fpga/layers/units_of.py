"""What the layers take from elsewhere: devices, and the LUTs of a unit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hwmodel._checks import positive_int, unknown
from hwmodel._data import csv_rows
from hwmodel.fpga.layers.facts import PACKAGE, under, value
from hwmodel.sources import Fact

RESOURCES = ("lut", "ff", "dsp", "bram18", "uram")
LUT6_FABRICS = ("xc7", "xcup", "versal")
_WIDE = {"DSP48E1": 25, "DSP48E2": 27, "DSP58": 27}
_FABRIC = {"DSP48E1": "xc7", "DSP48E2": "xcup", "DSP58": "versal"}


@dataclass(frozen=True)
class Device:
    """Totals of a device. `dsp_type`: DSP48E1, DSP48E2 or DSP58; `fabric`: of its units, "" for that of its DSP blocks."""

    name: str
    lut: int
    ff: int
    dsp: int
    bram18: int
    uram: int
    dsp_type: str
    source: str
    status: str
    fabric: str = ""

    def __post_init__(self) -> None:
        if self.dsp_type not in _FABRIC:
            raise unknown("DSP block", self.dsp_type, _FABRIC)
        object.__setattr__(self, "fabric", self.fabric or _FABRIC[self.dsp_type])

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(Fact(f"{self.name} {r}", float(getattr(self, r)), r.upper(), self.source, self.status) for r in RESOURCES)


@cache
def devices() -> dict[str, Device]:
    """The known devices by name."""
    out = {}
    for r in csv_rows(PACKAGE, "devices"):
        lut, ff, dsp, bram, ultra = (int(r[c]) for c in RESOURCES)
        out[r["name"]] = Device(r["name"], lut, ff, dsp, bram, ultra, r["dsp_type"], r["source"], r["status"])
    return out


def device(which: Any) -> Device:
    """A device by name, or from any object with its fields; ValueError with the nearest name for an unknown part."""
    if isinstance(which, Device):
        return which
    if not isinstance(which, str):
        return _from_object(which)
    if find_spec("hwmodel.fpga.chips") is not None:
        return _from_object(import_module("hwmodel.fpga.chips").device(which))
    found = devices().get(which.strip().lower())
    if found is None:
        raise unknown("FPGA device", which, devices())
    return found


def _from_object(which: Any) -> Device:
    """A device described elsewhere; block RAM may be counted in halves (bram18) or wholes (bram36)."""
    numbers: dict[str, int] = {}
    for resource in RESOURCES:
        given = getattr(which, resource, None)
        if given is None and resource == "bram18":
            whole = getattr(which, "bram36", None)
            given = None if whole is None else 2 * int(whole)
        if given is None:
            raise ValueError(f"device is {which!r}, which has no {resource!r}; give a name ({', '.join(devices())}) or a Device")
        numbers[resource] = positive_int(f"device {resource}", int(given), minimum=0)
    fabric = getattr(which, "fabric", "")
    return Device(
        str(getattr(which, "name", None) or getattr(which, "part", "device")),
        **numbers,
        dsp_type=str(getattr(which, "dsp_type", None) or getattr(which, "block", None) or "DSP48E2").upper(),
        source=str(getattr(which, "source", "the caller")),
        status=str(getattr(which, "status", "user")),
        fabric=str(getattr(fabric, "name", fabric)),
    )


def wide_port(dsp: str) -> int:
    """Signed bits of the wide port of a DSP block."""
    if dsp not in _WIDE:
        raise unknown("DSP block", dsp, _WIDE)
    return _WIDE[dsp]


@cache
def unit_luts(kind: str, params: tuple[tuple[str, int], ...], fabric: str) -> tuple[float, tuple[Fact, ...]]:
    """LUTs of a unit in LUTs only, and the facts behind them. Raises ValueError where no model of the unit is installed."""
    if find_spec("hwmodel.fpga.units") is None:
        raise ValueError(f"no model of {kind} on {fabric}: units on FPGAs are missing from this installation")
    cost = import_module("hwmodel.fpga.units").unit_cost(kind, dict(params), fabric, dsp=False)
    return float(cost.lut), tuple(cost.facts)


@cache
def mac_luts(weight_bits: int, activation_bits: int, accumulator: int, fabric: str) -> tuple[float, tuple[Fact, ...]]:
    """LUTs of a signed integer multiply-accumulate element: of the fabric's units, else FINN's terms for one product."""
    if find_spec("hwmodel.fpga.units") is not None:
        pairs = (("W", weight_bits), ("A", activation_bits), ("K", accumulator))
        return unit_luts("int_mac", pairs, fabric)
    both = weight_bits + activation_bits
    luts = value("finn.lut_factor") * ((2 * -(-both // 6) - 1) * both + accumulator)
    return luts, under("finn.lut_factor", "finn.multiplier")
