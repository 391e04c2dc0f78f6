"""What a workload can run on by name: an accelerator or an FPGA."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from hwmodel._checks import unknown
from hwmodel.accelerators import AnyAccelerator, accelerator, presets
from hwmodel.fpga.chips import Device, device, device_names

Target: TypeAlias = "AnyAccelerator | Device"


def target(spec: Target | str | Path) -> Target:
    """The accelerator or FPGA part of a name; objects as they are.

    spec: a preset, a `systolic<128x128,ws>` string or a YAML file (`hw.accelerator`), or the name of a part or board (`hw.device`).
    Raises ValueError for an unknown name, with the nearest of both kinds, and as `hw.accelerator` for files.
    """
    if isinstance(spec, Device):
        return spec
    if isinstance(spec, str):
        name = spec.strip().lower()
        if name in device_names():
            return device(name)
        if name not in presets() and not name.startswith("systolic<") and not name.endswith((".yaml", ".yml")):
            known = (*presets(), *device_names())
            remedy = "(or systolic<128x128,ws>, or the path of a .yaml file; `hwmodel list accelerators`, `hwmodel list devices`)"
            raise unknown("accelerator or FPGA part", spec.strip(), known, remedy)
    return accelerator(spec)


def is_part(spec: object) -> bool:
    """Whether this is an FPGA part or board, or the name of one."""
    return isinstance(spec, Device) or (isinstance(spec, str) and spec.strip().lower() in device_names())


def runner(spec: AnyAccelerator | str | Path, what: str) -> AnyAccelerator:
    """The accelerator of a name where `what` needs one; parts of FPGAs are refused with the remedy. Raises as `hw.accelerator`."""
    if is_part(spec):
        raise ValueError(
            f"{spec} is an FPGA, on which {what} has no datapath to emulate; price workloads on it with hw.score or hw.compare"
            " (`hwmodel compare --accelerators`), or give an accelerator"
        )
    return accelerator(spec)
