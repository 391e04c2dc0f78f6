"""RaZeR: the code of minus zero becomes one of four special values a block, on FP4, MXFP4 and NVFP4."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..formats import Codebook, decode, encode, parse
from ..formats.base import decode_table
from .engine import nearest
from .family import Family, Given, Part, SchemeEntry, Stored, code_part, group_part, scale_part, single
from .grid import Granularity, Grid
from .scheme import Scheme

# FP4 with +5, -5, +8, -8 in the place of minus zero, in half units: the values are twice those of E2M1
_CANDIDATES = ("fp4_er_pos", "fp4_er_neg", "fp4_ea_pos", "fp4_ea_neg")
_F = np.float32


class Razer(Family):
    """Per block the special value of +5, -5, +8, -8 (in this order) whose squared error is least, a later one strictly less.

    Elements are the nearest of the fifteen E2M1 values and the special one, a midpoint going to the lower value; errors are float64
    sums in order. All steps in float32:

    - razer_fp4: scale max / 6 (special value 5) or max / 8, float32, 1 for zeros.
    - razer_mxfp4: the block's shared exponent floor(log2 max) - 2, at least -127, for every special value.
    - razer_nvfp4: s = max / 6 or max / 8 chooses the special value and the codes; then t = (largest chosen s of the tensor) /
      448, at least 1e-7, and the stored scale is E4M3(s / t): codes come from the unquantized scale, as in the published code.
    - razer_nvfp4_e3m3 (weights): t = max |W| / 168; the stored scale is max / 6 / t or max / 8 / t within [2^-5, 28], rounded to 3
      fraction bits; codes come from x / (scale * t). Its 6 bits and the 2 of the special value fill a byte.

    Source: abdelfattah-lab/BitMoD-MXFP4-NVFP4 and yc2367/NVFP4-RaZeR, arXiv 2501.04052 (rules read; the repositories' errors are
    float32 means, which may choose otherwise between nearly equal errors; the activations' e4m3 variant is not part of it).
    """

    name = "razer"
    plain = True

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, scales, choices, and for NVFP4 the tensor's scale."""
        parts = {"codes": code_part(made, grid), "scales": scale_part(made, grid), "choice": group_part(grid, 2, 3, np.uint8)}
        if two_level(made):
            parts["tensor_scale"] = Part((1, 1), np.dtype(np.float32), 32, None, 0)
        return parts

    def by_rows(self, made: Scheme) -> bool:
        """NVFP4's blocks share the tensor's scale."""
        return super().by_rows(made) and not two_level(made)

    def reciprocal(self, made: Scheme) -> bool:
        """Quotients are divisions."""
        return False

    def default(self, key: str) -> str:
        """The general engine asks for the rounding of codes that no codebook takes."""
        return {"round": "own"}[key]

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Candidates in order, then the scales that are stored."""
        groups = grid.gather(single(rows, made))
        top = np.abs(groups).max(axis=1)
        tensor = _F(1)
        if "tensor_scale" in given.stored:
            tensor = given.stored["tensor_scale"][0, 0]
        elif made.name == "razer_nvfp4_e3m3":
            tensor = top.max() / _F(168) if top.any() else _F(1)
            if tensor == 0:
                raise ValueError(f"x reaches {float(top.max()):g}: the tensor's scale of {made} leaves float32; scale it up")
        wide = groups.astype(np.float64)
        best = np.full(len(groups), np.inf)
        codes, kept = np.zeros(groups.shape, np.uint8), np.ones(len(groups), _F)
        chosen = np.zeros(len(groups), np.uint8)
        for index in range(len(made.candidates)):
            scales = _scales(top, made, index, tensor)
            if given.scales is not None:
                scales = given.scales.reshape(-1).astype(_F)
            found = nearest(wide, scales.astype(np.float64), made, index)
            error = ((decode(found, made.candidates[index]).astype(np.float64) * scales[:, None] - wide) ** 2).cumsum(axis=1)[:, -1]
            better = error < best if given.choice is None else given.choice.reshape(-1) == index
            best = np.where(better, error, best)
            codes[better], kept[better], chosen[better] = found[better], scales[better], index
        stored = {"codes": grid.scatter(codes), "choice": chosen.reshape(grid.shape)}
        if given.stored:
            return {**stored, **{name: given.stored[name] for name in ("scales", "tensor_scale") if name in given.stored}}
        assert made.scale is not None
        if made.name == "razer_nvfp4":
            tensor = max((kept * _F(2)).max() / _F(448), _F(1e-7)) if top.any() else _F(1e-7)
            words = encode(np.where(top > 0, kept * _F(2) / tensor, _F(0)), made.scale, overflow="saturate")
        elif made.name == "razer_nvfp4_e3m3":
            words = encode(kept * _F(2) / tensor, made.scale)
        else:
            words = kept if made.name == "razer_fp4" else encode(kept * _F(2), made.scale)
        stored["scales"] = np.asarray(words).reshape(grid.shape)
        if two_level(made):
            stored["tensor_scale"] = np.full((1, 1), tensor, _F)
        return stored

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values in half units of E2M1."""
        stacked = np.stack([decode_table(f) for f in made.candidates])
        values: np.ndarray = stacked[grid.spread(stored["choice"]), stored["codes"]]
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Effective scales of the half units: float64 where two levels multiply."""
        assert made.scale is not None
        if str(made.scale) == "float32":
            return stored["scales"]
        values: np.ndarray = decode(stored["scales"], made.scale)
        if not two_level(made):
            return values * _F(0.5)
        return values.astype(np.float64) * (float(stored["tensor_scale"][0, 0]) / 2)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Finite scales, not below zero."""
        scales = self.scales(made, grid, stored)
        if not np.isfinite(scales).all() or (scales < 0).any():
            raise ValueError(f"scales must be finite and not below zero for {made}")

    def entries(self) -> list[SchemeEntry]:
        """The presets."""
        source, second = "BitMoD-MXFP4-NVFP4 (RaZeR), arXiv 2501.04052", "NVFP4-RaZeR, arXiv 2501.04052v2"
        return [
            SchemeEntry("razer_fp4/g128", "FP4, minus zero remapped a group", source, "read"),
            SchemeEntry("razer_mxfp4/g32", "MXFP4, minus zero remapped a block", source, "read"),
            SchemeEntry("razer_nvfp4/g16", "NVFP4, minus zero remapped a block", source, "read"),
            SchemeEntry("razer_nvfp4_e3m3/g16", "NVFP4 weights, scale of 6 bits beside 2 of the special value", second, "read"),
        ]


def two_level(made: Scheme) -> bool:
    """Whether block scales are multiplied by a scale of the tensor."""
    return made.name.startswith("razer_nvfp4")


def _scales(top: np.ndarray, made: Scheme, index: int, tensor: np.float32) -> np.ndarray:
    """The scale that makes the codes, for half units, float32."""
    divisor = _F(6 if index < 2 else 8)
    if made.name == "razer_mxfp4":
        exponent = np.maximum(np.frexp(top)[1] - 1 - 2, -127)
        return np.ldexp(_F(1), np.where(top > 0, exponent, -127) - 1).astype(_F)
    scale = np.where(top > 0, top / divisor, _F(1))
    if made.name == "razer_nvfp4_e3m3":
        ratio = np.clip(np.where(top > 0, top / divisor, _F(0)) / tensor, _F(2.0**-5), _F(28))
        assert made.scale is not None
        scale = decode(encode(ratio, made.scale), made.scale) * tensor
    half: np.ndarray = scale / _F(2)
    return np.where(half > 0, half, _F(2.0**-149))


def _razer(match: re.Match[str], text: str) -> Scheme:
    formats = tuple(map(parse, _CANDIDATES))
    assert all(isinstance(f, Codebook) for f in formats)
    size, scale = {
        "razer_fp4": (128, "float32"),
        "razer_mxfp4": (32, "e8m0"),
        "razer_nvfp4": (16, "e4m3fn"),
        "razer_nvfp4_e3m3": (16, "ufloat<3,3,bias=3,none>"),
    }[match[0]]
    return Scheme(match[0], formats, Granularity("group", size), parse(scale), "razer", family="razer")


FAMILIES = (Razer(),)
RULES: list[tuple[str, Any]] = [("razer_fp4|razer_mxfp4|razer_nvfp4|razer_nvfp4_e3m3", _razer)]
