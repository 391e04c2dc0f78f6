"""In which order the products of one sum are taken: pieces of k, parts of k, a permutation within blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from .._checks import check_int_range

_OPTION = re.compile(r"\+(?:chunk(\d+)|splitk(\d+)|order<([^<>]*)>)(?=\+|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Order:
    """k runs upward. `chunk`: pieces of so many k, counted from the start of each run of shared scales, go through the inner
    accumulator from +0, their results into the outer one. `split`: k is cut into so many parts of equal length (the last may be
    shorter); each is accumulated as without it (the first from c, the others from +0), then the parts are added in order.
    `permutation`: k is taken in this order within each block of its length, of each run (a shorter last block keeps the indices
    that exist, in their order)."""

    chunk: int = 0
    split: int = 1
    permutation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_int_range("chunk", self.chunk, 0, 1 << 30)
        check_int_range("splitk", self.split, 1, 1 << 20)
        if sorted(self.permutation) != list(range(len(self.permutation))):
            raise ValueError(
                f"order<{','.join(map(str, self.permutation))}> is no permutation; name each of 0 to "
                f"{len(self.permutation) - 1} once, as order<2,0,3,1>"
            )

    @property
    def sequential(self) -> bool:
        """Whether k simply runs upward."""
        return self == SEQUENTIAL

    @property
    def whole(self) -> bool:
        """Whether k is one piece, in whatever order: nothing is added outside the accumulator."""
        return not self.chunk and self.split == 1

    def __str__(self) -> str:
        words = ["chunk" + str(self.chunk)] if self.chunk else []
        words += ["splitk" + str(self.split)] if self.split > 1 else []
        words += [f"order<{','.join(map(str, self.permutation))}>"] if self.permutation else []
        return "".join("+" + w for w in words)

    def parts(self, depth: int) -> list[tuple[int, int]]:
        """The parts of k that are accumulated apart, in order; empty ones are left out."""
        size = max(1, -(-depth // self.split))
        return [(s, min(s + size, depth)) for s in range(0, depth, size)] or [(0, 0)]

    def pieces(self, runs: list[tuple[int, int]], part: tuple[int, int]) -> list[tuple[int, int]]:
        """The runs within a part of k, cut into chunks."""
        found = []
        for first, last in runs:
            size = self.chunk or max(1, last - first)
            for start in range(first, max(last, first + 1), size):
                low, high = max(start, part[0]), min(start + size, last, part[1])
                if low < high or first == last:
                    found.append((low, max(low, high)))
        return found

    def places(self, runs: list[tuple[int, int]], depth: int) -> np.ndarray:
        """Which k is taken at each step, (depth,)."""
        block = np.array(self.permutation)
        found = np.empty(depth, np.int64)
        for first, last in runs:
            for start in range(first, last, len(block)):
                size = min(len(block), last - start)
                found[start : start + size] = start + block[block < size]
        return found


SEQUENTIAL = Order()


def split_order(text: str) -> tuple[str, Order]:
    """The name of the accumulator without its options of order, and these. Raises ValueError for repeated or malformed ones."""
    fields: dict[str, str] = {}
    for match in _OPTION.finditer(text):
        for name, value in zip(("chunk", "split", "permutation"), match.groups(), strict=True):
            if value is not None:
                if name in fields:
                    raise ValueError(f"datapath {text!r} names {match[0]!r} after another of its kind; give each option once")
                fields[name] = value
    if not fields:
        return text, SEQUENTIAL
    places = [p.strip() for p in fields["permutation"].split(",")] if "permutation" in fields else []
    if not all(re.fullmatch(r"\d+", p) for p in places):
        raise ValueError(f"datapath {text!r}: order<{fields['permutation']}> must list integers, as order<2,0,3,1>")
    for name, word in (("chunk", "chunk64"), ("split", "splitk4")):
        if name in fields and int(fields[name]) < 1:
            raise ValueError(f"datapath {text!r}: {name} {fields[name]} is not allowed; use 1 or more, as {word}")
    order = Order(int(fields.get("chunk", 0)), int(fields.get("split", 1)), tuple(map(int, places)))
    return _OPTION.sub("", text), order
