"""Second-level scales: 8-bit multiples of one float16 scale a channel (`bitmod4/g128+s8`, `int4/g128+asym+arith=float16+s8`).

`s8` chooses the special values first and computes the channel's scale from the chosen groups' scales, as hardware with one scale a
channel needs; a value is the exact product. `s8=published` is the published code: each candidate has its own scale a channel, the
errors that choose see the second level, and values are computed in float16 from left to right. The published code has no bounds on
scales and fails on all-zero groups; here the bounds of the one-level code hold (1e-5 to 1e4).
Source: BitMoD, HPCA 2025, arXiv 2411.11745, section III-C and Table V; yc2367/BitMoD, quant_weight_double.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..formats import parse
from ..formats.base import decode_table
from ..kernels import scale as scale_kernels
from ..kernels.second_scale import second_level
from . import fast
from .engine import quantize_groups
from .family import Given, Part, SchemeEntry, Stored, code_part, group_part, scale_values, scale_words
from .grid import Grid
from .rules import rounded
from .scaled import Scaled, in_arithmetic
from .scheme import Scheme

_HALF = parse("float16")


class SecondLevel(Scaled):
    """Codes, choices, 8-bit multiples ("scales") and float16 scales of the channels."""

    name = "bitmod"
    keyed = {**Scaled.keyed, "s8": ("own", "published")}

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """The channel has one scale, or one for each candidate as published."""
        held = len(made.candidates) if _published(made) else 1
        parts = {"codes": code_part(made, grid), "scales": group_part(grid, 8, 255, np.uint8)}
        if made.rule == "range":
            parts["zero_points"] = group_part(grid, made.zero_point_bits, dtype=np.int32)
        if len(made.candidates) > 1:
            parts["choice"] = group_part(grid, made.choice_bits, len(made.candidates) - 1, np.uint8)
        return {**parts, "channel_scales": Part((grid.shape[0], held), np.dtype(np.uint16), 16, None, grid.height)}

    def by_rows(self, made: Scheme) -> bool:
        """Each channel has its own scales."""
        return True

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """The one-level choice and its scales in two levels; as published, the choice among two-level results."""
        if given.stored:
            return self._under(rows, made, grid, given)
        if given.choice is not None:
            raise ValueError(f"choice alone cannot be imposed on {made}; pass like= with a tensor of the same scheme and shape")
        if _published(made):
            return self._published(rows, made, grid)
        level = _one_level(made)
        found = fast.quantize_groups(grid.gather(rows), level, given) if rows.dtype == np.float32 else None
        codes, scales, zeros, choice = found or quantize_groups(grid.gather(in_arithmetic(rows, level)), level, given)
        channel, multiples = _two_levels(scales, grid)
        stored = {"codes": grid.scatter(codes), "scales": multiples}
        if zeros is not None:
            stored["zero_points"] = zeros.reshape(grid.shape).astype(np.int32)
        if choice is not None:
            stored["choice"] = choice.reshape(grid.shape)
        return {**stored, "channel_scales": scale_words(channel[:, None], _HALF)}

    def _published(self, rows: np.ndarray, made: Scheme, grid: Grid) -> dict[str, np.ndarray]:
        groups = grid.gather(in_arithmetic(rows, made))
        best = np.full(groups.shape[0], 1000.0 if made.sel == "fp16" else np.inf)
        codes, choice = np.zeros(groups.shape, np.uint8), np.zeros(groups.shape[0], np.uint8)
        kept = np.zeros(groups.shape[0], np.uint8)  # a group that no candidate improves is zeros
        channels = np.empty((grid.shape[0], len(made.candidates)), np.float32)
        for index, fmt in enumerate(made.candidates):
            one = replace(_one_level(made), name=str(fmt), candidates=(fmt,))
            narrow = groups.astype(np.float32)
            found, scales, _, _ = fast.quantize_groups(narrow, one, Given()) or quantize_groups(groups, one, Given())
            channel, multiples = _two_levels(scales, grid)
            channels[:, index] = channel
            unit = np.repeat(channel.astype(np.float64), grid.shape[1])
            times = multiples.reshape(-1).astype(np.float64)
            values = decode_table(fmt)[found].astype(np.float64)
            error = np.empty(groups.shape[0])
            if made.sel == "fp16":
                scale_kernels.half_errors(rounded(values * unit[:, None], "float16"), times, groups, error)
            else:
                scale_kernels.squared_errors(values, unit * times, groups, error)
            better = error < best
            codes[better], choice[better], kept[better] = found[better], index, multiples.reshape(-1)[better]
            best[better] = error[better]
        return {
            "codes": grid.scatter(codes),
            "scales": kept.reshape(grid.shape),
            "choice": choice.reshape(grid.shape),
            "channel_scales": scale_words(channels, _HALF),
        }

    def _under(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        scales = _effective(made, grid, given.stored)
        imposed = Given(scales.astype(np.float64), given.stored.get("zero_points"), given.stored.get("choice"))
        codes, *_ = quantize_groups(grid.gather(in_arithmetic(rows, made)), _one_level(made), imposed)
        return {"codes": grid.scatter(codes), **given.stored}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values of the codes; as published the dequantized values, which are no products of two exact factors."""
        values = super().code_values(made, grid, stored)
        if not _published(made):
            return values
        choice, channels = stored["choice"].astype(np.int64), scale_values(stored["channel_scales"], _HALF).astype(np.float64)
        unit = grid.spread(np.take_along_axis(channels, choice, axis=1))
        first = rounded(np.ascontiguousarray(values.astype(np.float64) * unit), "float16")
        second = rounded(np.ascontiguousarray(first * grid.spread(stored["scales"].astype(np.float64))), "float16")
        return second.astype(np.float32)

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray | None:  # type: ignore[override]
        """Channel scale times multiple, exact in float32; None as published."""
        return None if _published(made) else _effective(made, grid, stored)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Channel scales must be finite and above zero."""
        channels = scale_values(stored["channel_scales"], _HALF)
        if not (np.isfinite(channels).all() and (channels > 0).all()):
            raise ValueError(f"channel_scales must be finite and above zero for {made}")

    def check_scales(self, scales: np.ndarray, made: Scheme) -> None:
        """Two levels do not follow from their product."""
        raise ValueError(f"scales cannot be imposed on {made} by value; pass like= with a tensor of the same scheme and shape")

    def option_texts(self, made: Scheme) -> list[str]:
        """The options of the one-level scheme, and which second level."""
        return [*super().option_texts(_one_level(made)), "s8=published" if _published(made) else "s8"]

    def finish(self, text: str, made: Scheme) -> Scheme:
        """Groups of a channel, float16 scales and arithmetic."""
        made = super().finish(text, made)
        plain = made.rule == "absmax" or (made.rule == "range" and made.param("zp") == "awq")
        if made.granularity.kind != "group" or made.arith != "float16" or made.scale != _HALF or not plain:
            raise ValueError(
                f"scheme {text!r}: s8 makes 8-bit multiples of float16 scales of groups (gN) in float16 arithmetic; write for "
                f"example bitmod4/g128+s8 or int4/g128+asym+arith=float16+s8"
            )
        if _published(made) and len(made.candidates) == 1:
            raise ValueError(f"scheme {text!r}: s8=published gives each candidate its own scale; {made.name} has one: write s8")
        return made

    def entries(self) -> list[SchemeEntry]:
        """Presets."""
        source = "BitMoD, arXiv 2411.11745, section III-C; yc2367/BitMoD quant_weight_double.py"
        return [
            SchemeEntry("int4/g128+asym+arith=float16+s8", "asymmetric integers with 8-bit group scales", source, "inferred"),
            SchemeEntry(
                "bitmod4/g128+s8", "BitMoD with 8-bit group scales, special values first", source + " (flow inferred)", "inferred"
            ),
            SchemeEntry(
                "bitmod3/g128+s8", "BitMoD with 8-bit group scales, special values first", source + " (flow inferred)", "inferred"
            ),
            SchemeEntry("bitmod4/g128+s8=published", "8-bit group scales, one channel scale a candidate", source, "read"),
            SchemeEntry("bitmod3/g128+s8=published", "8-bit group scales, one channel scale a candidate", source, "read"),
        ]


def _published(made: Scheme) -> bool:
    return made.param("s8") == "published"


def _one_level(made: Scheme) -> Scheme:
    return replace(made, family="scaled", params=tuple(p for p in made.params if p[0] != "s8"))


def _two_levels(scales: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    channel, multiples = np.empty(grid.shape[0], np.float32), np.empty(grid.shape, np.uint8)
    second_level(np.ascontiguousarray(scales.reshape(grid.shape), np.float32), channel, multiples)
    return channel, multiples


def _effective(made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
    """Channel scale (of the choice, as published) times multiple: 19 bits, exact in float32."""
    channels = scale_values(stored["channel_scales"], _HALF).astype(np.float32)
    if channels.shape[1] > 1:
        channels = np.take_along_axis(channels, stored["choice"].astype(np.int64), axis=1)
    effective: np.ndarray = channels * stored["scales"].astype(np.float32)
    return effective


FAMILIES = (SecondLevel(),)
RULES: list[tuple[str, object]] = []  # `scaled` parses the names and hands over (option s8)
