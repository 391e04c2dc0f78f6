"""Integers at two grains: DGQ's INT4 groups with integer scales inside INT8 weights, and nested bit widths (Double Rounding)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from ..formats import Fixed, decode, parse
from .family import Family, Given, Part, SchemeEntry, Stored, code_part, group_part
from .grid import Granularity, Grid
from .scaled import FAMILIES as _SCALED
from .scaled import Scaled
from .scheme import Scheme, scheme
from .tensor import QuantizedTensor


class DualGrained(Family):
    """INT4 codes with a zero point and an integer scale a group, that make INT8 weights with one float32 scale a channel.

    In float32: s8 = max |w| of the row / 127; s = max(max - min, 1e-5) / 15 and z = clamp(round(-min / s), 0, 15) of the group;
    the integer scale is n = clamp(round(s / s8), 1, 127); q = clamp(round(w / (n * s8)) + z, max(0, z - f), min(15, z + f)) with
    f = floor(127 / n), so that n * (q - z) stays within -127..127. Ties to even. Source: DGQ, arXiv 2310.04836; ilur98/DGQ,
    quantizer_helper.py (searchquant with W4W8), without its search of clipping ratios, which needs activations (all ratios 1).
    """

    name = "dgq"

    def finish(self, text: str, made: Scheme) -> Scheme:
        """Groups within a row only: each row has its float32 scale."""
        if made.granularity.kind not in ("group", "channel", "token"):
            raise ValueError(f"scheme {text!r}: its integer scales serve groups of a row; write dgq4/g128 or dgq4/channel")
        return made

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, zero points and integer scales a group, float32 scales a channel."""
        return {
            "codes": code_part(made, grid),
            "scales": Part((grid.stored[0], 1), np.dtype(np.float32), 32),
            "group_scales": group_part(grid, 8, 127),
            "zero_points": group_part(grid, 4, dtype=np.int32),
        }

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """All steps in float32."""
        rows = grid.padded(rows.astype(np.float32))
        groups = grid.gather(rows)
        if given.stored:
            channel, whole, zeros = (given.stored[name] for name in ("scales", "group_scales", "zero_points"))
        else:
            top = np.abs(rows).max(axis=1, keepdims=True)
            channel = np.where(top > 0, top, np.float32(1)) / np.float32(127)
            low, high = groups.min(axis=1), groups.max(axis=1)
            with np.errstate(over="ignore"):
                step = np.maximum(high - low, np.float32(1e-5)) / np.float32(15)
            if not (np.isfinite(step).all() and (channel > 0).all()):
                raise ValueError(f"x reaches {float(top.max()):g}; the scales of {made} leave float32: rescale it")
            zeros = np.clip(np.rint(-low / step), 0, 15).astype(np.int32).reshape(grid.shape)
            whole = np.clip(np.rint(step.reshape(grid.shape) / channel), 1, 127).astype(np.uint8)
        scale = (whole.astype(np.float32) * channel).reshape(-1, 1)
        zero = zeros.reshape(-1, 1)
        limit = 127 // whole.astype(np.int32).reshape(-1, 1)
        codes = np.clip(np.rint(groups / scale) + zero, np.maximum(0, zero - limit), np.minimum(15, zero + limit))
        return {"codes": grid.scatter(codes.astype(np.uint8)), "scales": channel, "group_scales": whole, "zero_points": zeros}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The INT8 weights: (code - zero point) * integer scale."""
        codes = stored["codes"].astype(np.float32) - grid.spread(stored["zero_points"]).astype(np.float32)
        return codes * grid.spread(stored["group_scales"]).astype(np.float32)

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The scale of each channel, (rows, 1)."""
        return stored["scales"]

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Scales above zero, weights within INT8."""
        if not (np.isfinite(stored["scales"]).all() and (stored["scales"] > 0).all()):
            raise ValueError(f"scales must be finite and above zero for {made}")
        if np.abs(self.code_values(made, grid, stored)).max() > 127:
            raise ValueError(f"codes leave the INT8 weights of {made}")

    def entries(self) -> list[SchemeEntry]:
        """The preset."""
        return [
            SchemeEntry(
                "dgq4/g128", "INT4 groups with integer scales inside INT8", "DGQ, arXiv 2310.04836; quantizer_helper.py", "read"
            )
        ]


class Nested(Scaled):
    """`nested<H,L>`: integers of H bits are stored, the L highest are used: W_L = clip(round(W_H / 2^(H-L))), value W_L 2^(H-L) s.

    W_H = clip(round(w / s), -2^(H-1), 2^(H-1) - 1) with s = max |w| / (2^(H-1) - 1) (learned in the paper; impose with scales=).
    The paper gives no rule for ties: `ties_even` as PyTorch rounds (default), `ties_up` as an adder and a shift do, `floor` as a
    plain shift. Source: Nearly Lossless Adaptive Bit Switching, arXiv 2502.01199, section 3.1; the tie rule is inferred.
    """

    name = "nested"
    plain = False
    keyed = {"narrow": ("ties_even", "ties_up", "floor")}
    flags = {}

    def default(self, key: str) -> str:
        """What an option means that is not written."""
        return super().default(key) if key == "narrow" else _SCALED[0].default(key)

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """narrow= alone."""
        return Family.option(self, made, option)

    def option_texts(self, made: Scheme) -> list[str]:
        """narrow= alone."""
        return [f"{key}={value}" for key, value in made.params]

    def option_help(self) -> str:
        """For messages."""
        return "narrow=ties_even|ties_up|floor"

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The used integers times 2^(H-L)."""
        high, low = _widths(made)
        whole = decode(stored["codes"], made.candidates[0])
        return narrowed(whole, high, low, made.param("narrow")) * np.float32(1 << (high - low))

    def entries(self) -> list[SchemeEntry]:
        """The preset."""
        return [
            SchemeEntry("nested<8,4>/channel", "bit widths nested in one stored integer", "arXiv 2502.01199, section 3.1", "read")
        ]


def _widths(made: Scheme) -> tuple[int, int]:
    high, low = re.findall(r"\d+", made.name)
    return int(high), int(low)


def narrowed(whole: np.ndarray, high: int, low: int, rounding: str) -> np.ndarray:
    """Integers of `high` bits rounded to their `low` highest bits and clipped, float32."""
    quotient = whole.astype(np.float32) / np.float32(1 << (high - low))
    if rounding == "ties_even":
        quotient = np.rint(quotient)
    else:
        quotient = np.floor(quotient + np.float32(0.5 if rounding == "ties_up" else 0))
    top = 1 << (low - 1)
    clipped: np.ndarray = np.clip(quotient, -top, top - 1) + np.float32(0)
    return clipped


def narrow(q: QuantizedTensor, bits: int, rounding: str = "ties_even") -> QuantizedTensor:
    """A symmetric integer tensor at a smaller width, from its stored integers: codes round(code / 2^d) clipped, scales * 2^d.

    q: a tensor of `intN` (symmetric, float32 scales). bits: 2 to N - 1. rounding: "ties_even", "ties_up" (an adder and a shift) or
    "floor" (a plain shift: AdaBits). Returns a tensor of `int<bits>` with the same granularity and `+full`.

    Raises ValueError for other schemes and widths. Source: arXiv 2502.01199, section 3.1 (Double Rounding).
    """
    if not isinstance(q, QuantizedTensor):
        raise ValueError(f"q={q!r:.80} is not a QuantizedTensor; pass what nf.quantize returned")
    fmt = q.scheme.candidates[0]
    plain = (
        q.scheme.family == "scaled" and isinstance(fmt, Fixed) and fmt.signed and fmt.frac_bits == 0 and q.scheme.rule != "range"
    )
    if not plain or len(q.scheme.candidates) > 1 or str(q.scheme.scale) != "float32":
        raise ValueError(f"q is {q.scheme}; narrow takes symmetric integers with float32 scales, such as int8/channel")
    if not isinstance(bits, (int, np.integer)) or not 2 <= bits < fmt.bits:
        raise ValueError(f"bits={bits!r} is not allowed for {q.scheme}; use 2 to {fmt.bits - 1}")
    if rounding not in ("ties_even", "ties_up", "floor"):
        raise ValueError(f"rounding={rounding!r} is unknown; use ties_even, ties_up or floor")
    target = parse(f"int{bits}")
    made = replace(
        scheme("int4/channel+full"), name=str(target), candidates=(target,), granularity=q.scheme.granularity, pad=q.scheme.pad
    )
    values = narrowed(decode(q.part("codes"), fmt), fmt.bits, bits, rounding)
    with np.errstate(over="ignore"):
        scales = q.part("scales") * np.float32(1 << (fmt.bits - bits))
    if not np.isfinite(scales).all():
        raise ValueError("the scales leave float32 when multiplied by the dropped bits; scale the tensor down")
    mask = np.int64((1 << bits) - 1)
    codes = (values.astype(np.int64) & mask).astype(target.code_dtype)
    narrow_tensor = QuantizedTensor(made, q.shape, q.axis, {"codes": codes, "scales": scales})
    return narrow_tensor.pack() if q.packed else narrow_tensor


def _dgq(match: re.Match[str], text: str) -> Scheme:
    return Scheme("dgq4", (parse("uint4"),), Granularity("group", 128), parse("float32"), "dual", family="dgq")


def _nested(match: re.Match[str], text: str) -> Scheme:
    high, low = int(match[1]), int(match[2])
    if not 2 <= low < high <= 16:
        raise ValueError(f"scheme {text!r}: nested<H,L> needs 2 <= L < H <= 16, as in nested<8,4>")
    return Scheme(
        f"nested<{high},{low}>", (parse(f"int{high}"),), Granularity("channel"), parse("float32"), full=True, family="nested"
    )


FAMILIES = (DualGrained(), Nested())
RULES: list[tuple[str, Any]] = [("dgq4", _dgq), (r"nested<\s*(\d+)\s*,\s*(\d+)\s*>", _nested)]
