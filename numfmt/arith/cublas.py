"""Whole matrix products in the order of cuBLAS on an H100: chains of instructions, chunks, split-K."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from .._checks import check_in, check_int_range
from . import unit_operands, unit_rule
from .aligned import Instruction
from .unit_rule import Rule

_TILE = {"fp8": 128, "16bit": 64}  # k of a tile: a part of a split holds whole tiles
_FP8 = ("e4m3fn", "e5m2")
_ROWS = 1 << 22  # elements of the result whose parts are held at once


@dataclass(frozen=True)
class Split:
    """One decision: m and n from side_least to side_most and k from k_least to k_most run in `parts` parts."""

    gpu: str
    call: str
    side_least: int
    side_most: int
    k_least: int
    k_most: int
    parts: int
    evidence: str


@lru_cache(maxsize=1)
def splits() -> tuple[Split, ...]:
    """The recorded split-K decisions."""
    text = (resources.files(__package__) / "data" / "cublas_splits.csv").read_text()
    made = []
    for r in csv.DictReader(text.splitlines()):
        low, high, least, most, parts = (int(r[k]) for k in ("side_least", "side_most", "k_least", "k_most", "parts"))
        made.append(Split(r["gpu"], r["call"], low, high, least, most, parts, r["evidence"]))
    return tuple(made)


@lru_cache(maxsize=1)
def measured() -> dict[tuple[str, str, int, int, int], int]:
    """(GPU, call, m, k, n) -> parts of k that gave the device's words (tools/measure_cublas_splits.py, eight rows a product).

    call: "bfloat16", "float16" (torch.matmul), "fp8_fast", "fp8_slow" (torch._scaled_mm in E4M3). NVIDIA H100 80GB HBM3, torch
    2.11.0, CUDA 13.0, November 2026.
    """
    text = (resources.files(__package__) / "data" / "cublas_measured.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    return {(r["gpu"], r["call"], int(r["m"]), int(r["k"]), int(r["n"])): int(r["parts"]) for r in rows}


def split_of(call: str, m: int, k: int, n: int, gpu: str = "h100", kind: str = "") -> Split:
    """The decision that stands for a shape. kind: the measured call. Raises ValueError where no recording does."""
    if parts := measured().get((gpu, kind, m, k, n)):
        evidence = f"H100 80GB HBM3, torch 2.11.0, CUDA 13.0: {kind} measured at {m}x{k}x{n}"
        return Split(gpu, call, min(m, n), max(m, n), k, k, parts, evidence)
    for row in splits():
        sides = row.side_least <= min(m, n) and max(m, n) <= row.side_most
        if row.gpu == gpu and row.call == call and sides and row.k_least <= k <= row.k_most:
            return row
    rows = [r for r in splits() if r.gpu == gpu and r.call == call]
    known = "; ".join(f"m, n {r.side_least} to {r.side_most}, k {r.k_least} to {r.k_most}" for r in rows)
    path = "fp8_fast" if call == "fp8" else call
    raise ValueError(
        f"no recording says how cuBLAS on an {gpu.upper()} splits k for m={m}, k={k}, n={n} ({call}); recorded: {known}. "
        f"Give splitk yourself (1: one chain): nf.scaled_mm(..., splitk=1) or 'cublas.h100.{path}<splitk=1>'"
    )


@dataclass(frozen=True)
class CublasOrder(Instruction):
    """A library product: `order` "fp8_fast", "fp8_slow" or "16bit"; splitk: parts of k (None: as recorded for the shape)."""

    order: str
    splitk: int | None = None

    def __post_init__(self) -> None:
        check_in("order", self.order, ("fp8_fast", "fp8_slow", "16bit"))
        if self.splitk is not None:
            check_int_range("splitk", self.splitk, 1, 4096)

    @property
    def call(self) -> str:
        """Which split-K decisions apply."""
        return "16bit" if self.order == "16bit" else "fp8"

    def rule(self, a: str, b: str) -> Rule:
        """One part's chain."""
        if self.order == "16bit":
            names = [n for n in (a, b) if n in ("float16", "bfloat16")]
            if len(set(names)) > 1 or any(n not in ("float16", "bfloat16", "float32") for n in (a, b)):
                raise ValueError(f"a holds {a} and b {b}; {self} takes two float16 or two bfloat16 operands (nf.from_codes)")
            if not names:
                raise ValueError(
                    f"a and b hold {a}; {self} needs to know the format: pass float16, bfloat16 or nf.from_codes words"
                )
            return Rule("aligned", names[0], names[0], "float32", 16, 16, 25, -133)
        a, b = ("e4m3fn" if n == "float32" else n for n in (a, b))
        for name in (a, b):
            if name not in _FP8:
                raise ValueError(f"an operand holds {name}; {self} takes e4m3fn and e5m2 (nf.from_codes(words, 'e4m3fn'))")
        return Rule("aligned", a, b, "float32", 32, 32, 13, None, "short", pour=0 if self.order == "fp8_fast" else 4)

    def words(self, a: Any, b: Any, c: Any = None) -> tuple[np.ndarray, str]:
        """Words of a @ b, float32; library products start from zero."""
        if c is not None:
            raise ValueError(
                f"c is given; {self} starts from zero (add c to the result, or use an instruction such as those of h100.*)"
            )
        return super().words(a, b)

    def compute(self, rule: Rule, a: np.ndarray, b: np.ndarray, c: np.ndarray | None) -> np.ndarray:
        """Parts of k, each from zero, added in order in float32."""
        m, n, depth = a.shape[0], b.shape[0], a.shape[1]
        kind = rule.a if self.order == "16bit" else self.order
        parts = self.splitk or split_of(self.call, m, depth, n, kind=kind).parts
        tile = _TILE[self.call]
        tiles = (depth + tile - 1) // tile
        each = max(1, (tiles + parts - 1) // parts) * tile
        result = np.empty((m, n), np.uint32)
        rows = max(1, _ROWS // max(1, n))
        for first in range(0, m, rows):
            block = slice(first, first + rows)
            total = unit_rule.run(rule, np.ascontiguousarray(a[block, :each]), np.ascontiguousarray(b[:, :each]), None).view(
                np.float32
            )
            for part in range(1, parts):
                k = slice(part * each, (part + 1) * each)
                left, right = np.ascontiguousarray(a[block, k]), np.ascontiguousarray(b[:, k])
                with np.errstate(over="ignore", invalid="ignore"):
                    total = total + unit_rule.run(rule, left, right, None).view(np.float32)
            words = total.view(np.uint32)
            words[np.isnan(total)] = 0x7FFFFFFF
            result[block] = words
        return result

    def __str__(self) -> str:
        return f"cublas.h100.{self.order}" + ("" if self.splitk is None else f"<splitk={self.splitk}>")


def _parse(match: re.Match[str]) -> CublasOrder:
    return CublasOrder(match[1].lower(), int(match[2]) if match[2] else None)


RULES = ((r"(?i:cublas\.h100)\.((?i:fp8_fast|fp8_slow)|16bit)(?:<splitk=(\d+)>)?", _parse),)
_SOURCE = "recorded torch.matmul and torch._scaled_mm of an NVIDIA H100 80GB HBM3, torch 2.11.0, CUDA 13.0"
NAMED = {
    "cublas.h100.fp8_fast": ("FP8 with use_fast_accum: one chain of wgmma k32", _SOURCE, "measured"),
    "cublas.h100.fp8_slow": ("FP8 without use_fast_accum: chains of 128 k, added in float32", _SOURCE, "measured"),
    "cublas.h100.16bit": (
        "bf16 and f16: one chain of k16, or parts of k added in float32 as recorded for the shape",
        _SOURCE,
        "measured",
    ),
}


def named() -> dict[str, tuple[str, str, str]]:
    """Name -> (what it models, source, status)."""
    return NAMED


def words_of_format(x: Any, what: str) -> str:
    """The FP8 format of an operand of `scaled_mm`. Raises ValueError for others."""
    name = unit_operands.natural_format(x)
    if name not in _FP8:
        raise ValueError(f"{what} holds {name}; scaled_mm takes e4m3fn and e5m2: nf.from_codes(words, 'e4m3fn') or float8 arrays")
    return name
