"""Partial binarization: few salient weights keep several bits, the rest one bit with block scales."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..formats import parse
from ..kernels.sums import plain_sums
from .family import Family, Given, Part, SchemeEntry, Stored, single
from .grid import Granularity, Grid
from .scheme import Scheme


class Partial(Family):
    """Salient input channels (columns) at 4 bits with one scale a row; the others 1 bit with a scale a row and group of columns.

    Salient are the round(K * percent / 100) columns of largest sum of squares (float64), the first of equal ones (PTQ1.61 takes
    them by activations: impose its mask with `like=`). 4 bits: symmetric -7..7, scale = max |w| / 7 in float32 (1 for zeros),
    ties to even. 1 bit: the sign (of zero: +) times alpha, the mean magnitude of the group's other columns (float64 sum, rounded
    to float32; 0 for a group of salient columns alone). Source: PTQ1.61, ACL 2025 (structured mask), PB-LLM, arXiv 2310.00034
    (recalled).
    """

    name = "partial"
    keyed = {"salient": ("20", "5", "10", "30")}

    def salient(self, made: Scheme, grid: Grid) -> int:
        """How many columns keep 4 bits."""
        return round(grid.stored[1] * int(made.param("salient")) / 100)

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Signs, alphas, the mask of columns, the salient columns' codes and scales."""
        rows, columns = grid.stored
        kept = self.salient(made, grid)
        return {
            "codes": Part((rows, columns - kept), np.dtype(np.uint8), 1, 1),
            "scales": Part(grid.shape, np.dtype(np.float32), 32, None, 1),
            "mask": Part((columns,), np.dtype(np.uint8), 1, 1, 0),
            "salient_codes": Part((rows, kept), np.dtype(np.uint8), 4, 15),
            "salient_scales": Part((rows, 1), np.dtype(np.float32), 32),
        }

    def by_rows(self, made: Scheme) -> bool:
        """All rows share the mask."""
        return False

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Mask, scales, codes."""
        w = grid.padded(single(rows, made))
        if given.stored:
            mask, alpha, scale = (given.stored[name] for name in ("mask", "scales", "salient_scales"))
        else:
            energy = np.empty(w.shape[1])
            plain_sums(np.ascontiguousarray((w.astype(np.float64) ** 2).T), energy)
            mask = np.zeros(w.shape[1], np.uint8)
            mask[np.argsort(-energy, kind="stable")[: self.salient(made, grid)]] = 1
            alpha = self._alphas(w, mask, grid)
            top = np.abs(w[:, mask == 1]).max(axis=1, initial=0.0)[:, None]
            scale = np.where(top > 0, top, np.float32(7)).astype(np.float32) / np.float32(7)
            scale = np.where(scale > 0, scale, np.float32(2.0**-149))
        chosen = mask == 1
        codes = np.clip(np.rint(w[:, chosen] / scale), -7, 7).astype(np.int8) & 15
        return {
            "codes": (w[:, ~chosen] >= 0).astype(np.uint8),
            "scales": alpha,
            "mask": mask,
            "salient_codes": codes.astype(np.uint8),
            "salient_scales": scale,
        }

    def _alphas(self, w: np.ndarray, mask: np.ndarray, grid: Grid) -> np.ndarray:
        rest = np.where(mask[None, :] == 1, 0.0, np.abs(w.astype(np.float64)))
        total = np.empty(grid.count)
        plain_sums(np.ascontiguousarray(grid.gather(rest)), total)
        count = grid.gather(np.broadcast_to(mask == 0, w.shape).astype(np.float64)).sum(axis=1)
        alpha: np.ndarray = (total / np.maximum(count, 1)).astype(np.float32).reshape(grid.shape)
        return alpha

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The values themselves, float32."""
        chosen = stored["mask"] == 1
        values = np.empty(grid.stored, np.float32)
        signed = ((stored["salient_codes"].astype(np.int8) ^ 8) - 8).astype(np.float32)
        with np.errstate(over="ignore"):
            values[:, chosen] = signed * stored["salient_scales"]
        alpha = grid.spread(stored["scales"])[:, ~chosen]
        values[:, ~chosen] = np.where(stored["codes"] == 1, alpha, -alpha)
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Two kinds of scales: no single one."""

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Finite scales, a mask of the stated size."""
        fine = np.isfinite(stored["scales"]).all() and np.isfinite(stored["salient_scales"]).all()
        if not fine or int(stored["mask"].sum()) != self.salient(made, grid):
            raise ValueError(f"scales must be finite and the mask must name {self.salient(made, grid)} columns for {made}")

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """salient=PERCENT, any whole number below 100."""
        match = re.fullmatch(r"salient=(\d{1,2})", option)
        return made.with_param("salient", str(int(match[1]))) if match else None

    def option_help(self) -> str:
        """For messages."""
        return "salient=PERCENT (0 to 99)"

    def finish(self, text: str, made: Scheme) -> Scheme:
        """Groups of columns or whole rows only."""
        if made.granularity.kind not in ("group", "channel"):
            raise ValueError(f"scheme {text!r}: its scales serve rows or groups along them; write ptq161/g128 or ptq161/channel")
        return made

    def entries(self) -> list[SchemeEntry]:
        """The preset."""
        source = "PTQ1.61, ACL 2025; PB-LLM, arXiv 2310.00034"
        return [SchemeEntry("ptq161/g128", "1 bit, a structured mask of columns at 4 bits", source, "recalled")]


class Unstructured(Partial):
    """PB-LLM: the round(N * percent / 100) weights of largest magnitude keep 8 bits, the rest one bit; a bit each says which.

    8 bits: symmetric -127..127, one scale a row, max |w| / 127 in float32; 1 bit as in `ptq161`, alpha over a row or group. Salient
    weights by magnitude, the first of equal ones (the paper also offers the Hessian). Source: PB-LLM, arXiv 2310.00034 (recalled).
    """

    name = "pbllm"
    keyed = {"salient": ("10", "5", "20", "30")}

    def salient(self, made: Scheme, grid: Grid) -> int:
        """How many elements keep 8 bits."""
        return round(grid.stored[0] * grid.stored[1] * int(made.param("salient")) / 100)

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Signs and salient codes in the order of the elements, the mask, both kinds of scales."""
        rows, columns = grid.stored
        kept = self.salient(made, grid)
        return {
            "codes": Part((rows * columns - kept,), np.dtype(np.uint8), 1, 1, -1),
            "scales": Part(grid.shape, np.dtype(np.float32), 32, None, 1),
            "mask": Part((rows, columns), np.dtype(np.uint8), 1, 1),
            "salient_codes": Part((kept,), np.dtype(np.uint8), 8, 255, -1),
            "salient_scales": Part((rows, 1), np.dtype(np.float32), 32),
        }

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Mask, scales, codes."""
        w = grid.padded(single(rows, made))
        if given.stored:
            mask, alpha, scale = (given.stored[name] for name in ("mask", "scales", "salient_scales"))
        else:
            mask = np.zeros(w.size, np.uint8)
            mask[np.argsort(-np.abs(w).reshape(-1), kind="stable")[: self.salient(made, grid)]] = 1
            mask = mask.reshape(w.shape)
            rest = np.where(mask == 1, 0.0, np.abs(w.astype(np.float64)))
            total = np.empty(grid.count)
            plain_sums(np.ascontiguousarray(grid.gather(rest)), total)
            count = grid.gather((mask == 0).astype(np.float64)).sum(axis=1)
            alpha = (total / np.maximum(count, 1)).astype(np.float32).reshape(grid.shape)
            top = np.abs(w).max(axis=1, keepdims=True)
            scale = np.where(top > 0, top, np.float32(127)) / np.float32(127)
            scale = np.where(scale > 0, scale, np.float32(2.0**-149))
        chosen = mask == 1
        whole = np.clip(np.rint(w / scale), -127, 127).astype(np.int8).view(np.uint8)
        return {
            "codes": (w[~chosen] >= 0).astype(np.uint8),
            "scales": alpha,
            "mask": mask,
            "salient_codes": whole[chosen],
            "salient_scales": scale,
        }

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The values themselves, float32."""
        chosen = stored["mask"] == 1
        values = np.empty(grid.stored, np.float32)
        scales = np.broadcast_to(stored["salient_scales"], grid.stored)[chosen]
        with np.errstate(over="ignore"):
            values[chosen] = stored["salient_codes"].view(np.int8).astype(np.float32) * scales
        alpha = grid.spread(stored["scales"])[~chosen]
        values[~chosen] = np.where(stored["codes"] == 1, alpha, -alpha)
        return values

    def entries(self) -> list[SchemeEntry]:
        """The preset."""
        return [SchemeEntry("pbllm/channel", "1 bit, the largest tenth at 8 bits", "PB-LLM, arXiv 2310.00034", "recalled")]


def _partial(match: re.Match[str], text: str) -> Scheme:
    grain = Granularity("group", 128) if match[0] == "ptq161" else Granularity("channel")
    way = "partial" if match[0] == "ptq161" else "pbllm"
    return Scheme(match[0], (parse("binary"),), grain, parse("float32"), "mean", family=way)


FAMILIES = (Partial(), Unstructured())
RULES: list[tuple[str, Any]] = [("ptq161|pbllm", _partial)]
