"""What an accelerator is: a processing element, an array of them, buffers, DRAM, and the rules that join them.

Cost = compute model (cycles and accesses) x memory model (traffic) x energy table. Each rule is named by a string in
the description, so that a new dataflow or memory is a new function under a new name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hwmodel._checks import finite, positive_int, unknown
from hwmodel.accelerators.memories import MemoryModel
from hwmodel.accelerators.vector import VectorUnit
from hwmodel.sources import Fact
from hwmodel.technology.sram import sram_points

PHASES = ("prefill", "decode")
COMPUTE = ("bit_parallel", "bit_serial", "ws", "os", "is", "ws_overlapped")
ATTENTION = ("h25", "j25")
CHARGES = ("exact", "published")


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise unknown(what, value, allowed)


@dataclass(frozen=True)
class ProcessingElement:
    """A processing element: its arithmetic by datapath string, what it multiplies, what it costs.

    `weights` and `activations` are numfmt format strings that it takes without conversion; `two_term_grid` adds every
    grid of up to 4 bits that numfmt's model of BitMoD's decoder takes (sums of at most two powers of two). `lanes` is the
    dot-product width; `float16_weights` says that it can also run float16 weights (after a dequantizer, say).
    Energy is that of one cycle, before `place_and_route`; area is as published, not multiplied. With a `technology` (and
    `flow`) the element is priced from its datapath instead, for the formats that a layer uses. `weight_step`,
    `activation_step`: bits of an operand that it takes in one cycle (0: all). `bricks`: so many products of such steps run
    side by side and join to wider operands.
    """

    datapath: str
    weights: tuple[str, ...]
    activations: tuple[str, ...]
    energy_pj: Fact
    area_um2: Fact
    place_and_route: Fact
    lanes: int = 1
    two_term_grid: bool = False
    float16_weights: str = ""
    technology: str = ""
    flow: str = ""
    weight_step: int = 0
    activation_step: int = 0
    bricks: int = 0

    def __post_init__(self) -> None:
        positive_int("pe.lanes", self.lanes)
        for name in ("weight_step", "activation_step", "bricks"):
            positive_int(f"pe.{name}", getattr(self, name), minimum=0)
        if self.bricks and not (self.weight_step and self.activation_step):
            raise ValueError("pe.bricks needs pe.weight_step and pe.activation_step: the bits that one brick multiplies")
        finite("pe.energy_pj", self.energy_pj.value, above=0)
        finite("pe.area_um2", self.area_um2.value, above=0)
        finite("pe.place_and_route", self.place_and_route.value, above=0)
        if not self.weights or not self.activations:
            raise ValueError("pe.weights and pe.activations are empty; name at least one format each")


@dataclass(frozen=True)
class Array:
    """Rows (output channels) and columns (tokens) of processing elements."""

    height: int
    width: int

    def __post_init__(self) -> None:
        positive_int("array height", self.height)
        positive_int("array width", self.width)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    @property
    def size(self) -> int:
        return self.height * self.width


@dataclass(frozen=True)
class Buffer:
    """An on-chip memory of a CACTI table, or one that `memory` prices (`table` is then empty).

    `word_bits` None: the width follows from the array and the operand bits.
    """

    table: str
    capacity_kib: int
    banks: int = 1
    word_bits: int | None = None
    memory: MemoryModel | None = None

    def __post_init__(self) -> None:
        positive_int("buffer capacity_kib", self.capacity_kib)
        positive_int("buffer banks", self.banks)
        if self.word_bits is not None:
            positive_int("buffer word_bits", self.word_bits)
        if self.memory is None:
            sram_points(self.table, self.capacity_kib, self.banks)

    @property
    def capacity_bytes(self) -> int:
        return self.capacity_kib * 1024


@dataclass(frozen=True)
class Dram:
    """Off-chip memory: energy of a bit, read or written, and bits moved in one clock cycle; constants that say more."""

    energy_pj_per_bit: Fact
    bits_per_cycle: Fact
    beside: tuple[Fact, ...] = ()

    def __post_init__(self) -> None:
        finite("dram.energy_pj_per_bit", self.energy_pj_per_bit.value, minimum=0)
        finite("dram.bits_per_cycle", self.bits_per_cycle.value, above=0)


@dataclass(frozen=True)
class Accelerator:
    """A weight-times-activation array with two buffers and DRAM.

    `prefill` and `decode` are the array shapes of the two phases (the same elements, arranged for many tokens or one).
    `attention`: "h25" or "j25", how the published simulator's two revisions shape attention; everything that is not a
    reproduction of the paper's figures should use "j25". `kv_bits` are the bits of a key or value element that a plan
    leaves in float16. `scale_charge` "published" counts `scale_bits_per_group` bits for each group of a grouped
    scheme and nothing for coarser scales; "exact" asks the scheme. `vector_unit` runs the vector rows of a workload.
    """

    name: str
    pe: ProcessingElement
    compute: str
    prefill: Array
    decode: Array
    weight_buffer: Buffer
    activation_buffer: Buffer
    dram: Dram
    clock_ghz: Fact
    attention: str = "j25"
    kv_bits: int = 16
    scale_charge: str = "exact"
    scale_bits_per_group: float = 0.0
    dequantizer_technology: str = ""
    vector_unit: VectorUnit | None = None
    note: str = ""
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _one_of("compute model", self.compute, COMPUTE)
        _one_of("attention rule", self.attention, ATTENTION)
        _one_of("scale charge", self.scale_charge, CHARGES)
        positive_int("kv_bits", self.kv_bits)
        finite("scale_bits_per_group", self.scale_bits_per_group, minimum=0)
        finite("clock_ghz", self.clock_ghz.value, above=0)

    def __hash__(self) -> int:
        # Equal accelerators have equal names; hashing every constant would dominate the time of a score.
        return hash((self.name, self.compute, self.prefill, self.decode))

    def __str__(self) -> str:
        return self.name

    def array(self, phase: str) -> Array:
        """The array shape of a phase."""
        _one_of("phase", phase, PHASES)
        return self.prefill if phase == "prefill" else self.decode

    def fit_to(self, area_um2: float, slack: float = 0.025, step: tuple[int, int] = (8, 4)) -> Accelerator:
        """The same elements in arrays of that area (um2, without place and route), heights and widths in steps: the nearest
        shapes that are at most `slack` larger. `.note` says what was changed. ValueError where not even one step fits."""
        from hwmodel.accelerators.sizing import fit_two_buffers

        return fit_two_buffers(self, area_um2, slack, step)

    def facts(self) -> tuple[Fact, ...]:
        """The constants of the description, without the memories."""
        pe, dram = self.pe, self.dram
        element = (pe.energy_pj, pe.area_um2, pe.place_and_route)
        return (*element, dram.energy_pj_per_bit, dram.bits_per_cycle, *dram.beside, self.clock_ghz)
