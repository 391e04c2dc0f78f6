"""The clipping factor of least squared error of each group, searched on several threads."""

from __future__ import annotations

import numpy as np

from .._threads import in_groups
from ..kernels.search import clip_search

_SHORT = 40  # thresholds up to which comparing with each one is faster than a table of starts


def search_clips(
    groups: np.ndarray,
    base: np.ndarray,
    factors: np.ndarray,
    grid: np.ndarray,
    limit: np.float32,
    scales: np.ndarray,
    errors: np.ndarray,
) -> None:
    """Scale and error of each group: `kernels.search.clip_search` with the midpoints of `grid` in float32, ties up.

    groups: (count, size) float32; base: (count,) float32; factors: float32; grid: float64, ascending; scales: float32 and errors:
    float64, (count,), written.
    """
    middles = ((grid[1:] + grid[:-1]) / 2).astype(np.float32)
    starts = np.empty(0, np.int32)
    if middles.size > _SHORT:
        halves = np.arange(1 << 16, dtype=np.uint32)
        least = ((halves << 16) | np.where(halves >> 15 == 1, 0xFFFF, 0).astype(np.uint32)).view(np.float32)
        starts = np.searchsorted(middles, np.where(np.isnan(least), np.float32(0), least), side="right").astype(np.int32)

    def work(start: int, stop: int) -> int:
        part = slice(start, stop)
        clip_search(groups[part], base[part], factors, grid, middles, True, starts, limit, scales[part], errors[part])
        return 0

    in_groups(groups.shape, work)
