"""Block-wise codebooks as bitsandbytes computes them on the CPU: NF4, FP4 and AF4 in blocks, double quantization, 8-bit maps.

Source: bitsandbytes 0.50.2: backends/default/ops.py (4 bits), csrc/cpu_ops.cpp (8 bits), functional.py (double quantization).
Blocks run over the flattened tensor (`flat64`; for `g64` over the rows one behind the other, the same where 64 divides them); the
words are bitsandbytes' for a tensor quantized along its last axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from .._threads import in_pieces
from ..formats import Codebook, decode, pack, parse
from ..kernels import group_codebook as kernels
from ..kernels.cascade_sum import cascade_sum
from .family import Family, Given, Part, SchemeEntry, Stored, code_part, scale_part
from .grid import Grid
from .scheme import Scheme
from .tensor import QuantizedTensor

NAMES = ("nf4", "bnb_fp4", "af4", "dynamic8", "udynamic8")
SCALES_A_BLOCK = 256  # scales that share an absmax in double quantization
SUM_LANES = 8  # the order of the mean: torch's on one thread of any x86 machine, whatever its vectors
_LEAST = np.float32(1e-38)
_PIECE = 1 << 18


@dataclass(frozen=True)
class State:
    """What bitsandbytes' QuantState holds: absmax (float32, or uint8 codes where nested), and of nested ones offset and absmax2."""

    absmax: np.ndarray
    offset: np.float32 | None = None
    absmax2: np.ndarray | None = None


class Bitsandbytes(Family):
    """A value is the code's value times the absmax of its block, one rounding to float32."""

    name = "bitsandbytes"
    flags: Mapping[str, tuple[str, str]] = {"single": ("dq", "no"), "dq": ("dq", "yes")}

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes and absmax; where nested, 8-bit codes of absmax, their own absmax for each 256, and the mean."""
        codes = replace(code_part(made, grid), height=-1)
        if made.param("dq") == "no":
            return {"codes": codes, "scales": replace(scale_part(made, grid), height=-1)}
        blocks = -(-grid.count // SCALES_A_BLOCK)
        return {
            "codes": codes,
            "scales": Part(grid.shape, np.dtype(np.uint8), 8, 255, -1),
            "scale_absmax": Part((1, blocks), np.dtype(np.float32), 32, None, -1),
            "scale_offset": Part((1, 1), np.dtype(np.float32), 32, None, -1),
        }

    def by_rows(self, made: Scheme) -> bool:
        """Blocks run over all rows."""
        return False

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Codes and state of bitsandbytes; with `like=` the codes under the other tensor's scales."""
        with np.errstate(over="ignore"):
            flat = np.ascontiguousarray(grid.padded(rows) if made.granularity.kind != "flat" else rows, np.float32).reshape(-1)
        if rows.dtype != np.float32 and not np.isfinite(flat).all():
            raise ValueError(f"x reaches {float(np.abs(rows).max()):g}, beyond the range of float32; scale it down")
        size = made.granularity.size
        if given.scales is not None:
            codes = _under(flat, np.repeat(given.scales.reshape(-1).astype(np.float32), size)[: flat.size], made)
            return {"codes": codes.reshape(grid.stored), **given.stored}
        if made.element_bits == 8:
            codes, state = quantize_8bit(flat, made.name, size)
        else:
            packed, state = quantize_4bit(flat, made.name, size, made.param("dq") == "yes")
            codes = np.empty(flat.size, np.uint8)
            kernels.spread4(packed, codes)
        stored = {"codes": codes.reshape(grid.stored), "scales": state.absmax.reshape(grid.shape)}
        if state.absmax2 is not None:
            stored |= {"scale_absmax": state.absmax2.reshape(1, -1), "scale_offset": np.array([[state.offset]], np.float32)}
        return stored

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Entries of the table."""
        values: np.ndarray = decode(stored["codes"], made.candidates[0])
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """absmax of each block; where nested (code * absmax2) + offset, each operation rounded to float32."""
        if made.param("dq") == "no":
            return stored["scales"]
        entries = decode(stored["scales"].reshape(-1), "dynamic8").astype(np.float32)
        wide = np.repeat(stored["scale_absmax"].reshape(-1), SCALES_A_BLOCK)[: entries.size]
        return (entries * wide + stored["scale_offset"].reshape(())).reshape(grid.shape)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """absmax must be finite and not negative."""
        for name in ("scales", "scale_absmax"):
            held = stored.get(name)
            if held is not None and held.dtype == np.float32 and not (np.isfinite(held).all() and (held >= 0).all()):
                raise ValueError(f"{name} must be finite and not below zero for {made}")
        if "scale_offset" in stored and not np.isfinite(stored["scale_offset"]).all():
            raise ValueError(f"scale_offset must be finite for {made}")

    def finish(self, text: str, made: Scheme) -> Scheme:
        """Combinations that bitsandbytes does not have are refused."""
        if made.granularity.kind not in ("group", "flat") or (made.element_bits == 4 and made.granularity.size % 2):
            raise ValueError(f"scheme {text!r}: blocks are flatN or gN, N even for 4 bits; write for example {made.name}/flat64")
        if made.param("dq") == "yes" and made.element_bits != 4:
            raise ValueError(f"scheme {text!r}: dq (double quantization) goes with nf4, bnb_fp4 and af4; leave it out")
        if made.arith != "float32" or made.rule != "absmax" or str(made.scale or "float32") != "float32":
            raise ValueError(f"scheme {text!r}: blocks of bitsandbytes have float32 arithmetic and absmax; leave other options out")
        return replace(made, scale=parse("float32"))

    def entries(self) -> list[SchemeEntry]:
        """Presets."""
        source = "bitsandbytes 0.50.2 on the CPU; QLoRA, arXiv 2305.14314"
        return [
            SchemeEntry("nf4/flat64", "NF4 in blocks of the flattened tensor", source, "measured"),
            SchemeEntry("nf4/flat64+dq", "NF4 with 8-bit absmax (double quantization)", source, "measured"),
            SchemeEntry("bnb_fp4/flat64", "bitsandbytes' FP4 in blocks", source, "measured"),
            SchemeEntry("bnb_fp4/flat64+dq", "bitsandbytes' FP4 with 8-bit absmax", source, "measured"),
            SchemeEntry("af4/flat64", "AF4 in the arithmetic of NF4", "arXiv 2306.06965; table of bitsandbytes 0.50.2", "read"),
            SchemeEntry("dynamic8/flat256", "8-bit dynamic tree map, signed", "bitsandbytes 0.50.2 on the CPU", "measured"),
            SchemeEntry("udynamic8/flat256", "8-bit dynamic tree map, unsigned", "bitsandbytes 0.50.2 on the CPU", "measured"),
        ]


def joins(made: Scheme) -> bool:
    """Whether a scheme of the general family is one of bitsandbytes': a flat granularity and no further option."""
    plain = made.rule == "absmax" and made.arith == "float32" and not made.params and str(made.scale or "float32") == "float32"
    return made.name in NAMES and made.granularity.kind == "flat" and plain


@lru_cache(maxsize=8)
def table4(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds of a 4-bit table and the byte of codes for a byte of two indices (empty where the table ascends).

    Entries that stand twice (FP4's zeros) keep their order, so that values just above zero take the second.
    """
    fmt = parse(name)
    assert isinstance(fmt, Codebook)
    table = np.array(fmt.table, np.float32)
    order = np.argsort(table, kind="stable")
    thresholds = (table[order[:-1]] + table[order[1:]]) / np.float32(2)
    if np.array_equal(order, np.arange(16)):
        return thresholds, np.empty(0, np.uint8)
    return thresholds, ((order[:, None] << 4) | order[None, :]).astype(np.uint8).reshape(-1)


@lru_cache(maxsize=8)
def _bins(name: str) -> np.ndarray:
    """bitsandbytes' table of 65536 bins of [-1, 1]: the code of each bin's place, a midpoint going down."""
    fmt = parse(name)
    assert isinstance(fmt, Codebook)
    table = fmt.grid.astype(np.float32)
    middles = np.float32(0.5) * (table[:-1] + table[1:])
    places = np.float32(-1) + np.arange(0, 131072, 2, dtype=np.float32) / np.float32(65535)
    return fmt.grid_codes[np.searchsorted(middles, places, side="left")].astype(np.uint8)


def quantize_4bit(x: np.ndarray, name: str = "nf4", block: int = 64, double: bool = False) -> tuple[np.ndarray, State]:
    """The packed bytes and the state of bitsandbytes' `quantize_4bit(x, blocksize=block, compress_statistics=double)`.

    x: float32, any shape, contiguous. name: "nf4", "bnb_fp4" or "af4"; block: even. Returns uint8 (ceil(n / 2),), the first
    element in the high nibble, and the state. Raises ValueError for NaN and infinities, and where the mean of absmax overflows.
    """
    flat = x.reshape(-1)
    thresholds, pairs = table4(name)
    whole = flat.size // block
    packed, absmax = np.empty(-(-flat.size // 2), np.uint8), np.empty(-(-flat.size // block), np.float32)
    blocks, bytes_ = flat[: whole * block].reshape(whole, block), packed[: whole * block // 2].reshape(whole, block // 2)

    def work(start: int, stop: int) -> int:
        found = kernels.pack4(blocks[start:stop], thresholds, pairs, bytes_[start:stop], absmax[start:stop])
        return int(found >= 0x7F800000)

    wrong = in_pieces(whole, work, piece=max(1, _PIECE // block), serial=max(1, (1 << 17) // block))
    if flat.size > whole * block:
        rest = flat[whole * block :]
        kernels.pack4_short(rest, thresholds, pairs, packed[whole * block // 2 :], absmax[whole:])
        wrong += not np.isfinite(rest).all()
    if wrong:
        raise ValueError("x holds NaN or infinite values; replace them before quantizing")
    return packed, nested(absmax) if double else State(absmax)


def quantize_8bit(x: np.ndarray, name: str = "dynamic8", block: int = 4096) -> tuple[np.ndarray, State]:
    """Codes and state of bitsandbytes' `quantize_blockwise(x, blocksize=block)` with its signed or unsigned dynamic map.

    x: float32, any shape, contiguous; codes: uint8 (n,). Raises ValueError for NaN and infinities.
    """
    flat = x.reshape(-1)
    codes, absmax = np.empty(flat.size, np.uint8), np.empty(-(-flat.size // block), np.float32)
    bins = _bins(name)

    def work(start: int, stop: int) -> int:
        some = slice(start * block, min(stop * block, flat.size))
        return int(kernels.code8(flat[some], block, bins, codes[some], absmax[start:stop]))

    if in_pieces(absmax.size, work, piece=max(1, _PIECE // block), serial=max(1, (1 << 17) // block)):
        raise ValueError("x holds NaN or infinite values; replace them before quantizing")
    return codes, State(absmax)


def nested(absmax: np.ndarray) -> State:
    """Double quantization of float32 (blocks,): minus its mean, in 8-bit codes of the dynamic map with an absmax for each 256.

    The mean's sum runs in torch's order for one thread (`cascade_sum`, 8 lanes), here on every machine and thread count; torch's
    own result can differ in the last places where it uses several threads (from 32768 blocks on).
    """
    with np.errstate(over="ignore"):
        offset = np.float32(cascade_sum(absmax, SUM_LANES)) / np.float32(absmax.size)
    if not np.isfinite(offset):
        raise ValueError("the sum of the blocks' absmax overflows float32, so that double quantization has no mean; scale x down")
    codes, state = quantize_8bit(absmax - offset, "dynamic8", SCALES_A_BLOCK)
    return State(codes, offset, state.absmax)


def to_words(tensor: QuantizedTensor) -> tuple[np.ndarray, State]:
    """The packed bytes (4 bits: high nibble first, an odd count filled with the code of zero) and state that bitsandbytes holds.

    Raises ValueError for a tensor of another family.
    """
    made = tensor.scheme
    if made.family != "bitsandbytes":
        raise ValueError(f"{made} is not a block-wise scheme of bitsandbytes; quantize with {made.name}/flat64 or nf4/flat64+dq")
    codes, absmax = tensor.part("codes").reshape(-1), tensor.part("scales").reshape(-1)
    state = State(absmax)
    if made.param("dq") == "yes":
        state = State(absmax, tensor.part("scale_offset").reshape(-1)[0], tensor.part("scale_absmax").reshape(-1))
    if made.element_bits == 8:
        return codes, state
    if codes.size % 2:
        thresholds, pairs = table4(made.name)
        index = int((thresholds < 0).sum())
        codes = np.append(codes, np.uint8(pairs[index] & 15 if pairs.size else index))
    return pack(codes, 4, order="high_first"), state


def _under(flat: np.ndarray, scales: np.ndarray, made: Scheme) -> np.ndarray:
    """Codes of flat values under given effective scales, one an element: the nearest entry, ties to the lower.

    Eight bits too: bitsandbytes' bins would move the smallest entries. A nested scale may be negative: the table is mirrored.
    """
    with np.errstate(over="ignore"):
        divisors = np.copysign(np.maximum(np.abs(scales), _LEAST), scales)
        scaled = flat * (np.float32(1) / divisors)
    if made.element_bits == 8:
        fmt = made.candidates[0]
        assert isinstance(fmt, Codebook)
        codes = fmt.grid_codes[np.searchsorted(fmt.midpoints, scaled, side="left")]
        return np.where(scales == 0, 0, codes).astype(np.uint8)
    thresholds, pairs = table4(made.name)
    index = np.searchsorted(thresholds, scaled, side="left")
    return (pairs[index] & 15 if pairs.size else index).astype(np.uint8)


FAMILIES = (Bitsandbytes(),)
RULES: list[tuple[str, object]] = []  # `scaled` parses the names and hands over (`joins`, option dq)
