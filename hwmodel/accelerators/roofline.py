"""Roofline machines: operations a second and bytes a second, nothing between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import finite, unknown
from hwmodel.accelerators.fields import Reader, only, yaml_fields
from hwmodel.accelerators.systolic import Floats
from hwmodel.accelerators.vector import is_vector, refuse
from hwmodel.accelerators.vector import operations as elementary
from hwmodel.sources import Fact, frame

_NEEDED = ("layer", "kind", "count", "batch", "m", "n", "k", "macs")
ON_CHIP = ("nothing", "scores", "activations")
_FIELDS = {"name", "base", "note", "peak_tops", "bandwidth_gb_s", "on_chip_gb_s", "compute_efficiency", "memory_efficiency"}
_OPTIONAL = ("on_chip_gb_s", "vector_tops", "compute_efficiency", "memory_efficiency")
_FIELDS |= {"duplex", "vector_tops"}
_ON_SCORES = ("softmax", "softcap")
Bits = float | Mapping[str, float]


@dataclass(frozen=True)
class Machine:
    """A device by its ceilings. `peak_tops`: 10^12 operations (two a MAC) a second by operand bits, narrower operands run in
    the next wider mode; bandwidths in 10^9 bytes a second; efficiencies are shares of them that are reached."""

    name: str
    peak_tops: Mapping[int, Fact]
    bandwidth_gb_s: Fact
    on_chip_gb_s: Fact | None = None
    compute_efficiency: Fact = field(default_factory=lambda: Fact("compute_efficiency", 1.0, "", "peak", "derived"))
    memory_efficiency: Fact = field(default_factory=lambda: Fact("memory_efficiency", 1.0, "", "peak", "derived"))
    duplex: bool = False
    vector_tops: Fact | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.peak_tops:
            raise ValueError("peak_tops is empty; name the peak of at least one operand width")
        for bits, peak in self.peak_tops.items():
            finite("peak_tops bits", bits, minimum=1)
            finite(f"peak_tops.{bits}", peak.value, above=0)
        for fact in (self.bandwidth_gb_s, self.on_chip_gb_s, self.vector_tops):
            if fact is not None:
                finite(fact.name, fact.value, above=0)
        for fact in (self.compute_efficiency, self.memory_efficiency):
            if not 0 < fact.value <= 1:
                raise ValueError(f"{fact.name} is {fact.value!r}; give a share above 0, at most 1")

    def __str__(self) -> str:
        return self.name

    def peak(self, bits: float) -> float:
        """Operations a second with operands of up to `bits` bits; ValueError where the machine has no such mode."""
        wide = [mode for mode in sorted(self.peak_tops) if mode >= bits]
        if not wide:
            modes = ", ".join(map(str, sorted(self.peak_tops)))
            raise ValueError(f"machine {self} has no mode for operands of {bits:g} bits; its modes: {modes}")
        return self.peak_tops[wide[0]].value * 1e12 * self.compute_efficiency.value

    @property
    def bytes_per_second(self) -> float:
        return self.bandwidth_gb_s.value * 1e9 * self.memory_efficiency.value

    def ridge(self, bits: float) -> float:
        """Operations a byte above which a layer is compute-bound."""
        return self.peak(bits) / self.bytes_per_second

    def facts(self) -> tuple[Fact, ...]:
        """The constants of the description."""
        rest = (self.bandwidth_gb_s, self.on_chip_gb_s, self.vector_tops, self.compute_efficiency, self.memory_efficiency)
        return (*self.peak_tops.values(), *(fact for fact in rest if fact is not None))


def machines() -> tuple[str, ...]:
    """Names of the roofline machines that come with the package."""
    folder = resources.files("hwmodel.accelerators") / "machines"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def machine(spec: str | Path | Machine) -> Machine:
    """The machine of a preset name or a YAML file (`base:` builds on a preset).

    Raises ValueError for an unknown name (nearest known) or a malformed file (field, and line where YAML does not parse),
    FileNotFoundError for a `.yaml` path that does not exist.
    """
    if isinstance(spec, Machine):
        return spec
    text = str(spec).strip()
    if isinstance(spec, Path) or text.lower().endswith((".yaml", ".yml")):
        if not Path(text).is_file():
            raise FileNotFoundError(f"machine file {text!r} does not exist; presets: {', '.join(machines())}")
        return _build(yaml_fields(Path(text).read_text(encoding="utf-8"), text), text)
    return _preset(text.lower())


@lru_cache(maxsize=64)
def _preset(name: str) -> Machine:
    return _build(_preset_fields(name), f"machine {name}")


def _preset_fields(name: str) -> dict[str, Any]:
    if name not in machines():
        raise unknown("machine", name, machines(), "(or the path of a .yaml file)")
    file = resources.files("hwmodel.accelerators") / "machines" / f"{name}.yaml"
    return yaml_fields(file.read_text(encoding="utf-8"), f"machine {name}")


def _build(fields: dict[str, Any], where: str) -> Machine:
    only(fields, _FIELDS, "", where)
    if "base" in fields:
        fields = _preset_fields(str(fields["base"]).lower()) | {k: v for k, v in fields.items() if k != "base"}
    read = Reader(fields, where)
    peaks = read.part("peak_tops")
    for key in peaks.fields:
        if isinstance(key, bool) or not isinstance(key, int) or key < 1:
            raise ValueError(f"{where}: field peak_tops.{key} is no operand width; give bits, for example 8")
    extra = {name: read.fact(name) for name in _OPTIONAL if name in fields}
    try:
        tops = {int(key): peaks.fact(key) for key in peaks.fields}
        return Machine(
            read.text("name"), tops, read.fact("bandwidth_gb_s"), duplex=read.flag("duplex"), note=read.text("note", ""), **extra
        )
    except ValueError as error:
        raise error if str(error).startswith(where) else ValueError(f"{where}: {error}") from error


@dataclass(frozen=True, eq=False)
class Roofline:
    """Times of a workload on a machine: `.layers` one row a layer, over `count`; times in seconds."""

    machine: Machine
    columns: Mapping[str, Any]

    @cached_property
    def layers(self) -> pd.DataFrame:
        return pd.DataFrame(dict(self.columns))

    @property
    def latency_s(self) -> float:
        return float(self.columns["time_s"].sum())

    @property
    def sources(self) -> pd.DataFrame:
        """The constants behind the numbers: name, value, unit, source, status."""
        return frame(self.machine.facts())

    def __repr__(self) -> str:
        return f"Roofline({self.machine}: {self.latency_s:.4g} s)"


def roofline(
    work: pd.DataFrame,
    on: Machine | str | Path,
    weight_bits: Bits = 16,
    activation_bits: Bits | None = None,
    kv_bits: float | None = None,
    *,
    on_chip: str = "nothing",
    overlap: bool = True,
    vector_rows: str = "refuse",
) -> Roofline:
    """A lower bound of the time of each layer: operations at peak, or every operand moved once, whichever takes longer.

    Bits of weights and activations: a number, or a mapping from layer patterns to numbers ("*" for the rest). Activations
    and keys and values default to the bits of weights. A layer multiplies at the wider of its operands. `on_chip` tensors
    move at the machine's on-chip bandwidth (at once where it has none): "scores" the products of queries and keys,
    "activations" all inputs and outputs. Without `overlap` computing and moving follow one another.

    Rows of kind "vector" take their operations at the machine's `vector_tops`, elements of activation_bits; a machine without
    it refuses them, or leaves them out with vector_rows="skip".

    Added columns: operations (two a MAC), intensity (operations a byte from outside), compute_s, memory_s, time_s, bound.
    Raises ValueError for bits that no mode of the machine holds, or that are not positive, and for empty workloads.
    """
    device = machine(on)
    if on_chip not in ON_CHIP:
        raise unknown("on_chip", on_chip, ON_CHIP)
    if not isinstance(work, pd.DataFrame) or not len(work):
        raise ValueError("workload has no rows; build it with hw.workload")
    if missing := [c for c in _NEEDED if c not in work.columns]:
        raise ValueError(f"workload lacks the columns {', '.join(missing)}; build it with hw.workload")
    if vector_rows not in ("refuse", "skip"):
        raise unknown("vector_rows", vector_rows, ("refuse", "skip"))
    vector = is_vector(work)
    if vector.any() and device.vector_tops is None:
        if vector_rows == "refuse":
            raise refuse(f"machine {device}", int(vector.sum()), "vector_tops")
        work, vector = work[~vector], vector[~vector]
    bare = work.copy(deep=False)
    bare.attrs = {}  # pandas copies attrs deeply with every column that it hands out
    table = {name: bare[name].to_numpy() for name in bare.columns}
    names = [str(name) for name in table["layer"].tolist()]
    kinds = table["kind"].tolist()
    qk, pv = (np.array([kind == f"attention_{part}" for kind in kinds], dtype=bool) for part in ("qk", "pv"))
    weights = _bits("weight_bits", weight_bits, names)
    inputs = weights if activation_bits is None else _bits("activation_bits", activation_bits, names)
    if kv_bits is not None:
        weights = np.where(qk | pv, finite("kv_bits", kv_bits, above=0), weights)
    count, m, n, k = (table[c].astype(np.float64) for c in ("count", "m", "n", "k"))
    times = count * table["batch"].astype(np.float64)
    read, stored, written = times * _input_words(table, m, k) * inputs / 8, times * n * k * weights / 8, times * m * n * inputs / 8
    if vector.any():
        moves = zip(("reads", "parameters", "writes"), (read, stored, written), strict=True)
        read, stored, written = (np.where(vector, table[c] * inputs / 8, product) for c, product in moves)
    inside = np.zeros(len(names))
    if on_chip == "activations":
        inside, read, written = read + written, 0 * read, 0 * written
    elif on_chip == "scores":
        scores = vector & np.isin(table["op"], _ON_SCORES) if vector.any() else vector
        inside = np.where(qk, written, np.where(pv, read, np.where(scores, read + written, 0.0)))
        read, written = np.where(pv | scores, 0.0, read), np.where(qk | scores, 0.0, written)
    outside = read + stored + written
    operations = 2.0 * table["macs"].astype(np.float64)
    peaks = np.array([device.peak(b) for b in np.maximum(weights, inputs).tolist()])
    if device.vector_tops is not None and vector.any():
        operations = np.where(vector, sum(elementary(work).values()), operations)
        peaks = np.where(vector, device.vector_tops.value * 1e12 * device.compute_efficiency.value, peaks)
    compute = operations / peaks
    moved = np.maximum(read + stored, written) if device.duplex else outside
    memory = moved / device.bytes_per_second
    if device.on_chip_gb_s is not None:
        memory = memory + inside / (device.on_chip_gb_s.value * 1e9 * device.memory_efficiency.value)
    with np.errstate(divide="ignore"):
        intensity = operations / outside
    columns = {name: table[name] for name in _NEEDED} | {"operations": operations, "bytes": outside, "intensity": intensity}
    columns |= {"compute_s": compute, "memory_s": memory}
    columns["time_s"] = np.maximum(compute, memory) if overlap else compute + memory
    columns["bound"] = np.where(compute >= memory, "compute", "memory")
    return Roofline(device, columns)


def _input_words(table: Mapping[str, Any], m: Floats, k: Floats) -> Floats:
    """Words of one product's input: a convolution of known shape reads its image (with padding) once, not every window."""
    if "k_h" not in table:
        return m * k
    pixels = np.maximum(table["out_h"] * table["out_w"], 1)
    channels = table["in_ch"] / np.maximum(table["groups"], 1)
    whole = m / pixels * channels * table["in_h"] * table["in_w"]
    return np.where(table["k_h"] > 0, np.minimum(whole, m * k), m * k)


def _bits(what: str, given: Bits, names: list[str]) -> Floats:
    if not isinstance(given, Mapping):
        return np.full(len(names), finite(what, given, above=0))
    out = np.empty(len(names))
    for i, name in enumerate(names):
        found = next((bits for pattern, bits in given.items() if fnmatchcase(name, pattern)), None)
        if found is None:
            raise ValueError(f"{what} has no pattern for layer {name!r}; add it, or '*' for all others")
        out[i] = finite(f"{what}[{name!r}]", found, above=0)
    return out
