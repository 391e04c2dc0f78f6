"""What a matrix instruction does with its operands, as plain facts, and the kernels that carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numba
import numpy as np

from ..formats import Float, parse
from ..kernels import aligned, aligned_careful, aligned_words, unit_chains

Output = Literal["rz", "short", "f16_rne"]
_MODE = {"rz": aligned.RZ, "short": aligned.SHORT, "f16_rne": aligned.HALF}
_NO_FLOOR = -1000
_NEVER = 1 << 40  # a magnitude that no word has
_SMALL = 1 << 16  # products worth a thread
_BLOCK = 1 << 22  # elements of the result whose float32 sums are held at once


@dataclass(frozen=True)
class Rule:
    """One kind of matrix instruction; `result` names the format of c and of the result.

    kind "aligned": blocks of `terms` products and the accumulator, each cut towards zero at `frac_bits` below the largest
    exponent (at least `floor`, None: no bound), added exactly, rounded by `output` ("rz": float32 towards zero; "short": the
    same with 13 fraction bits; "f16_rne": float16 to nearest even). `pour`: blocks after which the sum is added to an outer one
    by an ordinary rounded addition, starting anew from zero (0: never). `through_half`: FP8 operands are converted to float16
    and each instruction (`k` terms) is two blocks, k mod 4 in (0, 1), then (2, 3).
    kind "integer": 8-bit integers, exact, modulo 2**32, or clamped after each instruction if `saturate`.
    kind "double": float64 fused multiply-adds in k order.
    `ignores_c`: the instruction starts from zero whatever c holds.
    """

    kind: Literal["aligned", "integer", "double"]
    a: str
    b: str
    result: str
    k: int
    terms: int = 0
    frac_bits: int = 0
    floor: int | None = None
    output: Output = "rz"
    pour: int = 0
    through_half: bool = False
    saturate: bool = False
    ignores_c: bool = False


def held_format(name: str) -> Float:
    """The float format of an operand name. Raises ValueError for formats that matrix units do not take."""
    fmt = parse("float32" if name == "tf32" else name)
    if (
        not isinstance(fmt, Float)
        or not fmt.signed
        or not fmt.zero
        or fmt.specials == "fnuz"
        or fmt.exp_bits > 8
        or fmt.man_bits > 23
    ):
        raise ValueError(
            f"format {name} is no operand of an aligned sum: it takes signed float formats with a zero, at most 8 exponent and 23 "
            "mantissa bits, and no NaN in the place of minus zero"
        )
    return fmt


@lru_cache(maxsize=256)
def _facts(name: str, through_half: bool) -> np.ndarray:
    """The kernels' facts of a format: see `aligned_words`."""
    fmt = held_format(name)
    top = fmt.exp_bits + fmt.man_bits
    mask = 0xFFFFE000 if name == "tf32" else (1 << (top + 1)) - 1
    after = fmt.max_magnitude_code + 1
    infinite, nan = (after, after + 1) if fmt.specials == "ieee" else (_NEVER, after if fmt.specials == "fn" else _NEVER)
    emin = -14 if through_half else fmt.emin
    facts = (fmt.man_bits, fmt.bias, top, mask, infinite, nan, emin, 0, min(infinite, nan), np.dtype(fmt.code_dtype).itemsize)
    return np.array(facts, np.int64)


def _reach(rule: Rule) -> tuple[bool, bool, int]:
    """Whether the SIMD kernel computes the rule exactly; whether 32 bits hold a block's sum with its accumulator; terms at once."""
    mans = [10 if name == "tf32" else held_format(name).man_bits for name in (rule.a, rule.b)]
    each = (2 ** (mans[0] + 1) - 1) * (2 ** (mans[1] + 1) - 1) * 2.0 ** (rule.frac_bits - sum(mans))
    start = 2.0 ** (rule.frac_bits + 1)
    limit = 2**24 if rule.output == "short" else 2**31 - 256
    narrow = rule.terms * each + start < limit
    part = rule.terms
    if part * each >= limit and rule.output != "short":  # two halves, the first one added to the accumulator
        part = (rule.terms + 15) // 16 * 8
    fits = part * each + (0 if part == rule.terms else start) < limit and (narrow or rule.output != "short") and sum(mans) <= 22
    least = {"rz": 23, "short": 13, "f16_rne": 10}[rule.output]  # fraction bits that keep a lone accumulator whole
    lowest = -14 if rule.output == "f16_rne" else -126
    fits = fits and least <= rule.frac_bits <= 26 and (rule.floor is None or rule.floor <= lowest) and rule.terms <= 64
    return fits, narrow, part


def _windows(a: np.ndarray, b: np.ndarray, a_facts: np.ndarray, b_facts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The facts with LOW and HIGH such that float32 holds every product of magnitudes between them and units of the sum.

    Products must lie from 2**-100 to 2**121. Formats of few exponents always do; others get a window below the largest
    magnitudes that are there.
    """
    sides = (a, a_facts), (b, b_facts)
    if all(f[aligned_words.BIAS] <= 16 and f[aligned_words.EMIN] - f[aligned_words.MAN] >= -50 for _, f in sides):
        return a_facts, b_facts
    tops = [
        max(int(aligned_words.largest_magnitude(w, f)) >> f[aligned_words.MAN], 1) - int(f[aligned_words.BIAS]) for w, f in sides
    ]
    over = max(0, sum(tops) - 119)
    tops = [tops[0] - (over + 1) // 2, tops[1] - over // 2]
    room = max(0, sum(tops) + 100)
    made = []
    for (_, facts), top, below in zip(sides, tops, (room // 2, room - room // 2), strict=True):
        mine = facts.copy()
        low, high = (max(0, e + int(facts[aligned_words.BIAS])) << int(facts[aligned_words.MAN]) for e in (top - below, top + 1))
        mine[aligned_words.LOW], mine[aligned_words.HIGH] = low, min(high, int(facts[aligned_words.HIGH]))
        made.append(mine)
    return made[0], made[1]


def kernel_of(rule: Rule) -> str:
    """The kernel that computes ordinary data."""
    if rule.kind == "aligned":
        return "aligned_matmul" if _reach(rule)[0] else "careful_matmul"
    return "integer_matmul" if rule.kind == "integer" else "double_matmul"


def _order(rule: Rule, depth: int) -> np.ndarray:
    if not rule.through_half:
        return np.arange(depth)
    whole = np.arange(-(-depth // rule.k) * rule.k).reshape(-1, rule.k // 4, 4)
    halves = [part.reshape(len(whole), rule.k // 2) for part in (whole[:, :, :2], whole[:, :, 2:])]
    order = np.concatenate(halves, axis=1).reshape(-1)
    return np.where(order < depth, order, -1)


def _bytes(words: np.ndarray) -> np.ndarray:
    return words.view(np.uint8)


def run(rule: Rule, a: np.ndarray, b: np.ndarray, c: np.ndarray | None) -> np.ndarray:
    """Words of the result (M, N) from words a (M, K), b (N, K), both C-ordered, and c (M, N) or None for +0.

    k beyond one instruction goes through chained instructions in k order; where K is no multiple of the instruction's k the
    missing terms are zeros.
    """
    shape = (a.shape[0], b.shape[0])
    if rule.ignores_c:
        c = None
    if rule.kind == "integer":
        total = np.zeros(shape, np.int32) if c is None else c.astype(np.uint32).view(np.int32)
        signs = rule.a == "int8", rule.b == "int8"
        unit_chains.integer_matmul(a, b, *signs, rule.saturate, rule.k, total)
        return total.view(np.uint32)
    if rule.kind == "double":
        sums = np.zeros(shape, np.uint64) if c is None else c.astype(np.uint64)
        unit_chains.double_matmul(a.view(np.int64), b.view(np.int64), sums.view(np.int64))
        return sums
    half = rule.output == "f16_rne"
    result = np.empty(shape, np.uint16 if half else np.uint32)
    rows = max(1, _BLOCK // max(1, shape[1]))
    for first in range(0, shape[0], rows):
        part = slice(first, first + rows)
        start = None if c is None else c[part]
        if start is not None:
            start = (
                start.astype(np.uint16).view(np.float16).astype(np.float32) if half else start.astype(np.uint32).view(np.float32)
            )
        sums = _aligned(rule, a[part], b, start, None if half else result[part].view(np.float32))
        if half:
            with np.errstate(invalid="ignore"):
                words = sums.astype(np.float16).view(np.uint16)
            words[np.isnan(sums)] = 0x7FFF
            result[part] = words
    return result


def kernel_facts(rule: Rule, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
    """Order of k, facts of a's and b's formats, and the unit's, as the kernels of aligned sums take them."""
    _, narrow, part = _reach(rule)
    floor = _NO_FLOOR if rule.floor is None else rule.floor
    facts = (rule.terms, rule.pour, rule.frac_bits, floor, _MODE[rule.output], int(narrow), part)
    return _order(rule, depth), _facts(rule.a, rule.through_half), _facts(rule.b, rule.through_half), facts


def _aligned(rule: Rule, a: np.ndarray, b: np.ndarray, start: np.ndarray | None, out: np.ndarray | None) -> np.ndarray:
    rows, columns = a.shape[0], b.shape[0]
    depth = a.shape[1]
    order, a_facts, b_facts, facts = kernel_facts(rule, depth)
    fast = _reach(rule)[0]
    sums = np.empty((rows, columns), np.float32) if out is None else out
    sums[...] = 0 if start is None else start
    redo, odd_columns = np.ones(rows, bool), np.zeros(columns, bool)
    a, b = _bytes(a), _bytes(b)
    if fast and depth:
        redo[:] = False
        odd_rows = np.zeros(rows, bool) if start is None else ~np.isfinite(start).all(axis=1)
        here = np.zeros(rows, bool)
        a_facts, b_facts = _windows(a, b, a_facts, b_facts)
        aligned_words.find_odd(a, a_facts, here)
        aligned_words.find_odd(b, b_facts, odd_columns)
        threads = min(numba.get_num_threads(), max(1, rows * columns * depth // _SMALL))
        height = max(1, min(256, (rows + threads - 1) // threads))
        odd_rows |= here
        if rows <= height:  # without the cost of calling threads
            aligned.aligned_rows(a, b, order, a_facts, b_facts, odd_rows, odd_columns, facts, 0, rows, sums, redo)
        else:
            aligned.aligned_matmul(a, b, order, a_facts, b_facts, odd_rows, odd_columns, facts, height, sums, redo)
    begin = np.zeros((1, 1), np.float32) if start is None else start
    begin = np.broadcast_to(begin, (rows, columns))
    for i, j in ((np.flatnonzero(redo), np.arange(columns)), (np.flatnonzero(~redo), np.flatnonzero(odd_columns))):
        if i.size and j.size and depth:
            careful = aligned_careful.careful_rows if i.size <= aligned_careful.GROUP else aligned_careful.careful_matmul
            careful(a, b, order, a_facts, b_facts, i, j, facts, begin, sums)
    return sums
