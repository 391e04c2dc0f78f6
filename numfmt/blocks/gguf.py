"""llama.cpp's block types as schemes (`gguf_q4_0`, `gguf_q8_0`, `gguf_q4_k`, `gguf_mxfp4`, ...): the file's fields."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np

from ..formats import Codebook, Format, decode, parse
from .family import Family, Given, Part, SchemeEntry, Stored
from .gguf_layout import IQ4_TABLE, KINDS, Kind, decode_blocks, encode_blocks, join, split
from .grid import Granularity, Grid
from .scheme import Scheme, scheme

_ELEMENTS = {
    "q4_0": "int4",
    "q4_1": "uint4",
    "q5_0": "int5",
    "q5_1": "uint5",
    "q8_0": "int8",
    "q8_1": "int8",
    "q4_k": "uint4",
    "q6_k": "int6",
    "mxfp4": "e2m1",
    "nvfp4": "e2m1",
}
_WHAT = {
    "q4_0": "blocks of 32: codes -8..7, float16 scale from the signed element of largest magnitude over -8",
    "q4_1": "blocks of 32: codes 0..15, float16 scale and minimum",
    "q5_0": "blocks of 32: codes -16..15, float16 scale from the signed element of largest magnitude over -16",
    "q5_1": "blocks of 32: codes 0..31, float16 scale and minimum",
    "q8_0": "blocks of 32: codes -127..127, ties away from zero, float16 scale",
    "q8_1": "Q8_0 with the scaled sum of the codes beside the scale (float16), as llama.cpp holds activations",
    "q4_k": "blocks of 256: 6-bit scales and minimums of each 32, weighted least squares, float16 scales of both",
    "q6_k": "blocks of 256: int8 scale of each 16, weighted least squares, one float16 scale",
    "iq4_nl": "blocks of 32: a table of 16 integers, float16 scale by weighted least squares over 16 trials",
    "mxfp4": "blocks of 32: E2M1, E8M0 scale by the floor of log2f, ties to the smaller magnitude, no -0, E8M0 255 is no NaN",
    "tq1_0": "blocks of 256: -1, 0, 1 times max|x|, five a byte, float16 scale",
    "tq2_0": "blocks of 256: -1, 0, 1 times max|x|, two bits each, float16 scale",
    "q1_0": "blocks of 128: signs (-0 is +), scale mean |x| as float16",
    "nvfp4": "blocks of 64: E2M1, a UE4M3 scale of each 16 rounded half up, no tensor scale",
}
_TABLES: dict[str, tuple[tuple[float, ...], int]] = {
    "iq4_nl": (tuple(IQ4_TABLE.tolist()), 4),
    "tq1_0": ((-1.0, 0.0, 1.0), 2),
    "tq2_0": ((-1.0, 0.0, 1.0, 2.0), 2),
    "q1_0": ((-1.0, 1.0), 1),
}
_SOURCE = "ggml-org/ggml d99724f2, src/ggml-quants.c"
_AFFINE = ("q4_0", "q5_0", "q8_0", "q8_1", "q6_k", "iq4_nl", "mxfp4", "nvfp4", "tq2_0", "q1_0")


def kind_of(made: Scheme) -> str:
    """The block type of a scheme, as `KINDS` names it."""
    return made.name.removeprefix("gguf_")


class GGUF(Family):
    """Fields of llama.cpp's blocks. `codes` are words of the element format: Q4_0, Q5_0 and Q6_K files store them with an offset.

    Values are computed in ggml's own float32 arithmetic, each operation rounded: Q4_0, Q5_0, Q8_0, Q8_1, IQ4_NL, MXFP4, NVFP4 one
    product; Q4_1 and Q5_1 product and sum; Q6_K (d * sc) * code; Q4_K (d * sc) * code - (dmin * mn).
    """

    name = "gguf"
    flags = {"tool": ("search", "tool"), "ref": ("search", "ref")}

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes and the fields of the blocks. Raises ValueError where rows are no whole blocks."""
        kind = KINDS[kind_of(made)]
        blocks = self._blocks(kind, grid)
        rows = grid.stored[0]
        found = {"codes": Part((rows, blocks * kind.codes), np.dtype(np.uint8), kind.code_bits, (1 << kind.code_bits) - 1)}
        for field in kind.fields:
            top = (1 << field.bits) - 1 if field.bits == 6 else None
            found[field.name] = Part((rows, blocks * field.count), np.dtype(field.dtype), field.bits, top)
        return found

    @staticmethod
    def _blocks(kind: Kind, grid: Grid) -> int:
        """Blocks of a row."""
        columns = grid.stored[1]
        if columns % kind.elements:
            raise ValueError(
                f"rows of {columns} elements are no whole blocks of {kind.name}, which take {kind.elements}: pad them with zeros "
                "to a multiple, or use a type with blocks of 32 such as gguf_q8_0"
            )
        return columns // kind.elements

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """`ref` (IQ4_NL): quantize_row_iq4_nl_ref's single trial in place of the search that makes files."""
        return super().option(made, option) if kind_of(made) == "iq4_nl" else None

    def option_help(self) -> str:
        """The options."""
        return "ref (gguf_iq4_nl: without the search)"

    def finish(self, text: str, made: Scheme) -> Scheme:
        """The block length belongs to the type. Raises ValueError for another."""
        kind = KINDS[kind_of(made)]
        if made.granularity != Granularity("group", kind.group):
            raise ValueError(f"scheme {text!r}: {kind.name} has one scale for each {kind.group} elements; write '{made.name}'")
        if made.pad and kind.elements != kind.group:
            raise ValueError(
                f"scheme {text!r}: rows of {kind.name} are blocks of {kind.elements}, which pad does not reach; pad them yourself"
            )
        return made

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """The fields that ggml's quantizer gives; with `like=` the nearest codes beside the given fields."""
        name = kind_of(made)
        kind = KINDS[name]
        self._blocks(kind, grid)
        with np.errstate(over="ignore"):
            single = np.ascontiguousarray(grid.padded(rows), np.float32)
        if not np.isfinite(single).all():
            raise ValueError(f"x reaches {float(np.abs(rows).max()):g}, beyond the float32 arithmetic of {made}; scale it down")
        if given.stored:
            return self._nearest(single, made, grid, given)
        data = encode_blocks(single, f"{name}+ref" if name == "iq4_nl" and made.param("search") == "ref" else name)
        stored = from_bytes(data, kind, grid)
        for field in ("d", "m", "dmin", "s"):
            if field in stored and stored[field].dtype.itemsize == 2 and ((stored[field] & 0x7C00) == 0x7C00).any():
                raise ValueError(
                    f"x reaches {float(np.abs(single).max()):g}: a block's {field} leaves float16, in which {made} stores it; "
                    "scale x down"
                )
        return stored

    def _nearest(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Codes whose values are nearest beside given fields; of two the first, in the order of code words."""
        kind = KINDS[kind_of(made)]
        if kind.name == "TQ1_0":  # the codes of TQ2_0, written with the scale 1
            codes = self._nearest(rows, scheme("gguf_tq2_0"), grid, given)["codes"].reshape(-1, kind.elements)
            data = encode_blocks(codes.astype(np.float32) - 1, "tq1_0")
            return {**given.stored, "codes": data[:, : kind.codes].reshape(len(rows), -1)}
        best = np.zeros(rows.shape, np.uint8)
        least = np.full(rows.shape, np.inf)
        for code in range(3 if kind.name == "TQ2_0" else 1 << kind.code_bits):
            trial = {**given.stored, "codes": np.full(rows.shape, code, np.uint8)}
            with np.errstate(invalid="ignore"):
                distance = np.abs(self.dequantize(made, grid, trial).astype(np.float64) - rows)
            better = distance < least
            best[better], least[better] = code, distance[better]
        return {**given.stored, "codes": best}

    def dequantize(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values in ggml's arithmetic."""
        kind = KINDS[kind_of(made)]
        return decode_blocks(to_bytes(stored, kind), kind_of(made)).reshape(grid.stored)

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values of the codes before the scale; the values themselves for types with minimums."""
        if kind_of(made) not in _AFFINE:
            return self.dequantize(made, grid, stored)
        values: np.ndarray = decode(stored["codes"], made.candidates[0])
        return values + np.float32(0.0)  # ggml's table has no -0

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray | None:
        """Effective scale of each group; None for types with minimums."""
        name = kind_of(made)
        if name not in _AFFINE:
            return None
        if name == "mxfp4":
            return np.ldexp(1.0, stored["e"].astype(np.int64) - 127)
        if name == "nvfp4":
            return _ue4m3_values()[stored["d"]]
        d = np.ascontiguousarray(stored["d"]).view(np.float16).astype(np.float32)
        if name == "q6_k":
            return np.repeat(d, 16, axis=1) * stored["sc"].view(np.int8).astype(np.float32)
        return d

    def entries(self) -> list[SchemeEntry]:
        """One row a type."""
        named = [SchemeEntry(f"gguf_{name}/g{kind.group}", _WHAT[name], _SOURCE, "measured") for name, kind in KINDS.items()]
        what = "IQ4_NL without the search: one least-squares scale"
        return [*named, SchemeEntry("gguf_iq4_nl/g32+ref", what, _SOURCE, "measured")]


@lru_cache(maxsize=1)
def _ue4m3_values() -> np.ndarray:
    """The scales that the 256 bytes stand for, read off elements of 1."""
    blocks = np.zeros((64, 36), np.uint8)
    blocks[:, :4] = np.arange(256, dtype=np.uint8).reshape(64, 4)
    blocks[:, 4:] = 0x22
    return decode_blocks(blocks, "nvfp4")[:, ::16].reshape(-1)


def from_bytes(data: np.ndarray, kind: Kind, grid: Grid) -> dict[str, np.ndarray]:
    """Blocks (blocks, size) as the stored arrays of a matrix."""
    rows = grid.stored[0]
    return {name: array.reshape(rows, -1) for name, array in split(data, kind).items()}


def to_bytes(stored: Stored, kind: Kind) -> np.ndarray:
    """The stored arrays of a matrix as blocks (blocks, size)."""
    blocks = stored["codes"].size // kind.codes
    counts = {"codes": kind.codes, **{field.name: field.count for field in kind.fields}}
    return join({name: np.ascontiguousarray(stored[name]).reshape(blocks, count) for name, count in counts.items()}, kind)


def element(name: str) -> Format:
    """The element format of a block type."""
    return Codebook(*_TABLES[name]) if name in _TABLES else parse(_ELEMENTS[name])


def _make(match: re.Match[str], text: str) -> Scheme:
    name = match[1]
    kind = KINDS[name]
    return Scheme(f"gguf_{name}", (element(name),), Granularity("group", kind.group), None, rule="gguf", family="gguf")


FAMILY = GGUF()
FAMILIES = (FAMILY,)
RULES: list[tuple[str, Any]] = [("gguf_(" + "|".join(KINDS) + ")", _make)]
