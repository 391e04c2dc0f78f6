"""Vector codebooks: runs of neighbours share one index (VPTQ), with a residual codebook if wanted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..formats import parse
from ..kernels.vectors import centroid_sums, nearest_centroids
from .family import Family, Given, Part, SchemeEntry, Stored
from .grid import Granularity, Grid
from .scheme import Scheme


class Vectors(Family):
    """`vptq<v,k>/tensor` and `vptq<v,k,r>/tensor`: v neighbours of a row are one of k float16 centroids (plus one of r residuals).

    Lloyd's k-means in a stated order: centroids start at the vectors of k even ranks in the order of their float64 norms; 25
    iterations (`iterations=`) or until no code changes; distances float32, means float64, a centroid without vectors stays.
    Centroids are rounded to float16, and the codes are the nearest of those, the first of equal ones. The residual codebook is
    learned from what float32 subtraction leaves; both stages are greedy: quantizing a result again may change it. A value is the
    float32 sum of its centroids. weights= weighs the means. Codebooks are imposed with `like=` (parts "centroids" and
    "residual_centroids"). Source: VPTQ, EMNLP 2024, arXiv 2409.17066 (recalled; its Hessian-weighted order of columns and outlier
    codebooks are not part of it).
    """

    name = "vectors"
    weighted = True
    keyed = {"iterations": ("25", "5", "10", "100")}

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Indices and tables. Raises ValueError where v does not divide the row."""
        length, *sizes = numbers(made)
        rows, columns = grid.stored
        if columns % length:
            raise ValueError(f"{made} codes vectors of {length} elements, which do not divide the row length {columns}")
        parts = {}
        for prefix, size in zip(("", "residual_"), sizes, strict=False):
            bits = (size - 1).bit_length()
            dtype = np.dtype(np.min_scalar_type(size - 1))
            parts[f"{prefix}codes"] = Part((rows, columns // length), dtype, bits, size - 1)
            parts[f"{prefix}centroids"] = Part((size, length), np.dtype(np.float16), 16, None, 0)
        return parts

    def by_rows(self, made: Scheme) -> bool:
        """All rows share the tables."""
        return False

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Learn the tables (unless given), then the nearest entries."""
        parts = self.parts(made, grid)
        length, *sizes = numbers(made)
        left = np.ascontiguousarray(rows, np.float32).reshape(-1, length)
        if not np.isfinite(left).all() or np.abs(left).max() > 65504:
            raise ValueError(f"x reaches {float(np.abs(rows).max()):g}, beyond float16, the centroids of {made}; scale it down")
        weights = np.ones_like(left, np.float64) if given.weights is None else given.weights.reshape(-1, length)
        stored: dict[str, np.ndarray] = {}
        for prefix, size in zip(("", "residual_"), sizes, strict=False):
            if given.stored:
                table = given.stored[f"{prefix}centroids"]
            else:
                table = learned(left, weights, size, int(made.param("iterations"))).astype(np.float16)
            codes = np.empty(len(left), np.int64)
            nearest_centroids(left, np.ascontiguousarray(table.astype(np.float32).T), codes)
            part = parts[f"{prefix}codes"]
            stored[f"{prefix}codes"] = codes.astype(part.dtype).reshape(part.shape)
            stored[f"{prefix}centroids"] = table
            left = left - table.astype(np.float32)[codes]
        return stored

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The values themselves, float32."""
        values = stored["centroids"].astype(np.float32)[stored["codes"].reshape(-1)]
        if "residual_codes" in stored:
            values = values + stored["residual_centroids"].astype(np.float32)[stored["residual_codes"].reshape(-1)]
        return values.reshape(grid.stored)

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """No scales."""

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Finite centroids."""
        if not all(np.isfinite(array).all() for name, array in stored.items() if name.endswith("centroids")):
            raise ValueError(f"centroids of {made} must be finite")

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """iterations=, a whole number."""
        match = re.fullmatch(r"iterations=(\d{1,4})", option)
        return made.with_param("iterations", str(int(match[1]))) if match else None

    def option_help(self) -> str:
        """For messages."""
        return "iterations=N"

    def finish(self, text: str, made: Scheme) -> Scheme:
        """One table for the tensor."""
        if made.granularity.kind != "tensor":
            raise ValueError(f"scheme {text!r}: the tables serve the whole tensor; write {made.name}/tensor")
        return made

    def entries(self) -> list[SchemeEntry]:
        """The presets."""
        source = "VPTQ, arXiv 2409.17066"
        return [
            SchemeEntry("vptq<4,256>/tensor", "vectors of 4, one codebook", source, "recalled"),
            SchemeEntry("vptq<8,256,256>/tensor", "vectors of 8, a codebook and a residual one", source, "recalled"),
        ]


def numbers(made: Scheme) -> list[int]:
    """Vector length and codebook sizes of a scheme's name."""
    return [int(n) for n in re.findall(r"\d+", made.name)]


def learned(x: np.ndarray, weights: np.ndarray, size: int, iterations: int) -> np.ndarray:
    """Centroids (size, v) float32 of the vectors x (n, v) by Lloyd's iteration."""
    order = np.argsort((x.astype(np.float64) ** 2).sum(axis=1), kind="stable")
    centroids = x[order[(np.arange(size) * len(x)) // size]]
    codes, before = np.empty(len(x), np.int64), None
    sums, mass = np.empty(centroids.shape), np.empty(centroids.shape)
    for _ in range(iterations):
        nearest_centroids(x, np.ascontiguousarray(centroids.T), codes)
        if before is not None and np.array_equal(codes, before):
            break
        before = codes.copy()
        centroid_sums(x, weights, codes, sums, mass)
        centroids = np.where(mass > 0, sums / np.where(mass > 0, mass, 1), centroids).astype(np.float32)
    return centroids


def _vectors(match: re.Match[str], text: str) -> Scheme:
    length, sizes = int(match[1]), [int(n) for n in match.groups()[1:] if n]
    if not 1 <= length <= 64 or not all(2 <= size <= 65536 for size in sizes):
        raise ValueError(f"scheme {text!r}: vptq<v,k[,r]> needs v of 1 to 64 and codebooks of 2 to 65536 entries")
    name = f"vptq<{','.join(map(str, [length, *sizes]))}>"
    return Scheme(name, (parse("float16"),), Granularity("tensor"), None, "vectors", family="vectors")


FAMILIES = (Vectors(),)
RULES: list[tuple[str, Any]] = [(r"vptq<\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*(\d+)\s*)?>", _vectors)]
