"""FPGA parts: what they hold, how much of it a design takes, and whether it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from hwmodel._checks import finite, positive_int, unknown
from hwmodel._data import csv_rows
from hwmodel.fpga.fabrics import Fabric, fabric
from hwmodel.fpga.packings import PORTS
from hwmodel.sources import Fact, frame

RESOURCES = ("lut", "ff", "dsp", "bram36", "uram")


@dataclass(frozen=True)
class Device:
    """A part. `fabric` (or its name): how its LUTs and carries work (`unit_cost(..., target=device.fabric.name)`); `block`: its
    DSP block, None without. Raises ValueError for unknown fabrics and blocks and for totals that are no whole numbers."""

    part: str
    fabric: Fabric
    block: str | None
    lut: int
    ff: int
    dsp: int
    bram36: int
    uram: int
    boards: tuple[str, ...] = ()
    source: str = "the caller"
    status: str = "user"

    def __post_init__(self) -> None:
        object.__setattr__(self, "fabric", fabric(self.fabric) if isinstance(self.fabric, str) else self.fabric)
        if self.block is not None and self.block not in PORTS:
            raise unknown("DSP block", str(self.block), PORTS)
        for name in RESOURCES:
            positive_int(f"{name} of {self.part}", getattr(self, name), minimum=0)

    def __str__(self) -> str:
        return self.part

    @property
    def bram18(self) -> int:
        """Halves of its block RAMs."""
        return 2 * self.bram36

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(Fact(f"{self.part} {name}", float(n), "1", self.source, self.status) for name, n in self.totals.items())

    @property
    def totals(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in RESOURCES}

    @property
    def sources(self) -> pd.DataFrame:
        """Its totals: name, value, unit, source, status."""
        return frame(self.facts)

    def utilisation(self, usage: Mapping[str, float]) -> pd.DataFrame:
        """One row a resource: resource, used, total, share (used / total; infinite where the part has none), over.

        usage: used amounts of lut, ff, dsp, bram36, uram, at least one. Raises ValueError for other names and amounts below zero.
        """
        used = {}
        for name, amount in usage.items():
            if name not in RESOURCES:
                raise unknown("resource", name, RESOURCES)
            used[name] = finite(name, amount, minimum=0.0)
        rows = []
        for name in used:
            total = self.totals[name]
            share = used[name] / total if total else (float("inf") if used[name] else 0.0)
            rows.append((name, used[name], total, share, max(used[name] - total, 0.0)))
        return pd.DataFrame(rows, columns=["resource", "used", "total", "share", "over"])

    def fits(self, usage: Mapping[str, float], limit: float = 1.0) -> bool:
        """Whether no resource takes more than `limit` of the part."""
        return bool((self.utilisation(usage).share <= finite("limit", limit, above=0.0)).all())

    def check(self, usage: Mapping[str, float], limit: float = 1.0) -> None:
        """Raises ValueError if a design does not fit: which resources, by how much, and a part of the same fabric that takes it."""
        allowed = finite("limit", limit, above=0.0)
        self.utilisation(usage)  # checks the names and amounts
        bad = {n: float(used) for n, used in usage.items() if float(used) > allowed * self.totals[n]}
        if not bad:
            return
        what = "; ".join(
            f"{name} {used:.0f} of {self.totals[name]} ({used - allowed * self.totals[name]:.0f} too many)"
            for name, used in bad.items()
        )
        larger = [d for d in _devices().values() if d.fabric == self.fabric and d.fits(usage, limit)]
        smallest = min(larger, key=lambda d: d.lut, default=None)
        remedy = f"the smallest {self.fabric.name} part here that takes it is {smallest}" if smallest else "fold it further"
        raise ValueError(f"the design does not fit {self.part} at {limit:.0%}: {what}; {remedy}")


@lru_cache(maxsize=1)
def _devices() -> dict[str, Device]:
    out = {}
    for r in csv_rows("hwmodel.fpga", "devices"):
        block = None if r["block"] == "none" else r["block"]
        out[r["part"]] = Device(
            r["part"],
            fabric(r["fabric"]),
            block,
            lut=int(r["lut"]),
            ff=int(r["ff"]),
            dsp=int(r["dsp"]),
            bram36=int(r["bram36"]),
            uram=int(r["uram"]),
            boards=tuple(r["aliases"].split()),
            source=r["source"],
            status=r["status"],
        )
    return out


@lru_cache(maxsize=1)
def device_names() -> tuple[str, ...]:
    """Every part and board."""
    return tuple(n for d in _devices().values() for n in (d.part, *d.boards))


def device(name: str | Device) -> Device:
    """A part by its name or a board's: `device("xczu3eg")`, `device("ultra96")`. ValueError names the nearest.

    A `Device` is given back; a part that is not here is made by `Device("mine", "xcup", "dsp48e2", lut, ff, dsp, bram36, uram)`.
    """
    if isinstance(name, Device):
        return name
    given = str(name).strip().lower()
    for found in _devices().values():
        if given == found.part or given in found.boards:
            return found
    raise unknown("FPGA part or board", str(name), device_names())


def devices() -> pd.DataFrame:
    """All parts: part, boards, fabric, block, lut, ff, dsp, bram36, uram, source, status."""
    rows = [
        (d.part, ", ".join(d.boards), d.fabric.name, d.block or "", *d.totals.values(), d.source, d.status)
        for d in _devices().values()
    ]
    return pd.DataFrame(rows, columns=["part", "boards", "fabric", "block", *RESOURCES, "source", "status"])
