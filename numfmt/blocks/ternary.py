"""Weights of one or two bits with a mean as scale: BitNet, TriLM, XNOR; two binaries (DB-LLM)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..formats import decode, encode, parse
from ..kernels.sums import magnitude_sums, plain_sums
from .family import Family, Given, Part, SchemeEntry, Stored, code_part, scale_part, scale_values, scale_words, single
from .grid import Granularity, Grid
from .scheme import Scheme

_EPS = np.float32(1e-5)


class MeanScaled(Family):
    """Codes of `ternary` or `binary` times the mean (or median) magnitude of their group.

    The mean is the float64 sum (sixteen interleaved partial sums, `kernels.sums`) over the count, rounded to float32.

    - bitnet: gamma = max(mean |W|, 1e-5); clamp(round(W / gamma), -1, 1), ties to even, in float32 (BitNet b1.58, arXiv
      2402.17764; microsoft/BitNet, gpu/). bitnet_median: the median in place of the mean (arXiv 2407.09527, "b1.58 Reloaded").
    - trilm: gamma = mean |W| + 1e-5; W / gamma clipped to [-1, 1], then rounded (Spectra, arXiv 2407.12327).
    - xnor: the sign (that of zero is +) times alpha = mean |W| (arXiv 1603.05279); bitnet1: W less its mean first (arXiv
      2310.11453), the mean not added again.
    """

    name = "mean"
    plain = True

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes and one scale a group."""
        return {"codes": code_part(made, grid), "scales": scale_part(made, grid)}

    def by_rows(self, made: Scheme) -> bool:
        """Rows go one by one unless all share a scale."""
        return super().by_rows(made)

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Scale and codes of each group, in float32."""
        assert made.scale is not None
        groups = grid.gather(single(rows, made))
        center = np.zeros(len(groups), np.float32)
        if made.name == "bitnet1":
            center = _means(groups)
        scales = _gamma(groups, center, made) if given.scales is None else given.scales.reshape(-1).astype(np.float32)
        fmt = made.candidates[0]
        with np.errstate(over="ignore"):  # beyond float32 the sign is all that counts
            moved = groups - center[:, None]
        if str(fmt) == "binary":
            codes = encode(np.where(moved >= 0, np.float32(1), np.float32(-1)), fmt)
        else:
            with np.errstate(over="ignore"):
                quotients = moved / np.where(scales == 0, np.float32(1), scales)[:, None]
            codes = encode(np.rint(np.clip(quotients, -1, 1)) + np.float32(0), fmt)
        return {"codes": grid.scatter(codes), "scales": scale_words(scales, made.scale).reshape(grid.shape)}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """-1, 0, 1."""
        values: np.ndarray = decode(stored["codes"], made.candidates[0])
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The mean magnitudes."""
        assert made.scale is not None
        return scale_values(stored["scales"], made.scale)

    def check_scales(self, scales: np.ndarray, made: Scheme) -> None:
        """Scales are float32 numbers, zero or above."""
        if not (np.isfinite(scales).all() and (scales >= 0).all() and np.array_equal(scales.astype(np.float32), scales)):
            raise ValueError(f"scales must be finite float32 numbers, zero or above, for {made}")

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Codes that the format has, scales as above."""
        self.check_scales(self.scales(made, grid, stored), made)
        if np.isnan(self.code_values(made, grid, stored)).any():
            raise ValueError(f"codes hold a code beyond the entries of {made.candidates[0]}")

    def entries(self) -> list[SchemeEntry]:
        """Presets."""
        return [
            SchemeEntry(
                "bitnet/tensor", "ternary, mean magnitude", "BitNet b1.58, arXiv 2402.17764; microsoft/BitNet, gpu/", "read"
            ),
            SchemeEntry("bitnet_median/tensor", "ternary, median magnitude", "b1.58 Reloaded, arXiv 2407.09527", "recalled"),
            SchemeEntry("trilm/tensor", "ternary, clipped then rounded", "Spectra, arXiv 2407.12327", "recalled"),
            SchemeEntry("xnor/channel", "signs times the mean magnitude", "XNOR-Net, arXiv 1603.05279", "recalled"),
            SchemeEntry(
                "bitnet1/tensor", "signs of centred weights times the mean magnitude", "BitNet, arXiv 2310.11453", "recalled"
            ),
        ]


def _means(groups: np.ndarray) -> np.ndarray:
    total = np.empty(len(groups))
    plain_sums(groups.astype(np.float64), total)
    return (total / groups.shape[1]).astype(np.float32)


def _gamma(groups: np.ndarray, center: np.ndarray, made: Scheme) -> np.ndarray:
    if made.name == "bitnet_median":
        return np.maximum(np.median(np.abs(groups.astype(np.float64)), axis=1).astype(np.float32), _EPS)
    total = np.empty(len(groups))
    magnitude_sums(groups.astype(np.float64), center.astype(np.float64), total)
    mean = (total / groups.shape[1]).astype(np.float32)
    if made.name == "bitnet":
        return np.maximum(mean, _EPS)
    return mean + _EPS if made.name == "trilm" else mean


class TwoBinaries(Family):
    """x ~ alpha1 * b1 + alpha2 * b2 with b1, b2 in {0, 1}: levels 0, alpha1, alpha2 and their sum.

    Source: DB-LLM, arXiv 2402.11960 (recalled): both start from a 2-bit grid of step s, alpha1 = 2 s and alpha2 = -s, and are
    trained from there. s is max(max(x) / 2, -min(x)) of the group in float32 (1 for a group of zeros), so that the levels -s, 0, s,
    2 s span it; code b1 + 2 b2 is the nearest level, a tie going to the lower one. Trained scales are imposed with `like=` (parts
    "scales" and "scales2").
    """

    name = "two_binaries"

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Two bits an element, two float32 scales a group."""
        alpha = scale_part(made, grid)
        return {"codes": code_part(made, grid), "scales": alpha, "scales2": alpha}

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Nearest of the four levels, which are sums of two float32 numbers (exact in float64)."""
        groups = grid.gather(rows).astype(np.float32)
        if given.stored:
            first, second = (given.stored[name].reshape(-1) for name in ("scales", "scales2"))
        else:
            step = np.maximum(groups.max(axis=1) / np.float32(2), -groups.min(axis=1))
            step = np.where(step > 0, step, np.float32(1))
            with np.errstate(over="ignore"):
                first, second = np.float32(2) * step, -step
            if not np.isfinite(first).all():
                raise ValueError(f"x reaches {float(np.abs(rows).max()):g}; the scales of {made} leave float32: scale it down")
        levels = _levels(first, second)
        order = np.argsort(levels, axis=1, kind="stable")
        ascending = np.take_along_axis(levels, order, axis=1)
        middles = (ascending[:, 1:] + ascending[:, :-1]) / 2
        rank = np.zeros(groups.shape, np.int8)
        for m in range(3):
            rank += groups > middles[:, m : m + 1]
        codes = np.take_along_axis(order, rank.astype(np.int64), axis=1).astype(np.uint8)
        return {"codes": grid.scatter(codes), "scales": first.reshape(grid.shape), "scales2": second.reshape(grid.shape)}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The values themselves, float32: the exact sum rounded once."""
        levels = _levels(stored["scales"].reshape(-1), stored["scales2"].reshape(-1)).astype(np.float32)
        codes = grid.gather(stored["codes"])
        return grid.scatter(np.take_along_axis(levels, codes.astype(np.int64), axis=1))

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Two scales an element: no single one."""

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Scales are finite."""
        if not all(np.isfinite(stored[name]).all() for name in ("scales", "scales2")):
            raise ValueError(f"scales of {made} must be finite")

    def entries(self) -> list[SchemeEntry]:
        """The preset."""
        return [SchemeEntry("dbllm/g64", "two binaries, each with its scale", "DB-LLM, arXiv 2402.11960", "recalled")]


def _levels(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(groups, 4) float64: the level of code b1 + 2 * b2."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    return np.stack([np.zeros(len(a)), a, b, a + b], axis=1)


def _mean(match: re.Match[str], text: str) -> Scheme:
    fmt = parse("binary" if match[0] in ("xnor", "bitnet1") else "ternary")
    grain = Granularity("channel") if match[0] == "xnor" else Granularity("tensor")
    return Scheme(match[0], (fmt,), grain, parse("float32"), "mean", family="mean")


def _dbllm(match: re.Match[str], text: str) -> Scheme:
    return Scheme("dbllm", (parse("uint2"),), Granularity("group", 64), parse("float32"), "levels", family="two_binaries")


FAMILIES = (MeanScaled(), TwoBinaries())
RULES: list[tuple[str, Any]] = [("bitnet|bitnet_median|trilm|xnor|bitnet1", _mean), ("dbllm", _dbllm)]
