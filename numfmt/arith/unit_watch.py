"""Matrix units and fixed-point accumulators under observation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..blocks import from_codes
from ..formats import Overflow, decode
from ..kernels import watch as kernels
from . import unit_operands, unit_rule
from .aligned import Instruction
from .cublas import CublasOrder
from .fixed_steps import FixedAccumulator, encode_raw, fixed_type, raw_integers
from .integer_steps import IntAccumulator
from .unit import Unit


def watch_unit(unit: Any, a: Any, b: Any, c: Any, counts: np.ndarray, run: tuple[int, int] | None = None) -> np.ndarray:
    """`unit.product` of a and b, or the values of one run of k of two operands, counting what each step lost.

    Raises ValueError for units that cannot be watched.
    """
    if isinstance(unit, FixedAccumulator) and run is None:
        return _fixed(unit, a, b, c, counts)
    if not isinstance(unit, Instruction) or isinstance(unit, CublasOrder):
        raise ValueError(f"accumulator {unit} cannot be watched; watch the instruction that it is made of, or a plain accumulator")
    if run is not None:
        rule = unit.rule(unit_operands.element_format(a.source), unit_operands.element_format(b.source))
        left, right = (unit_operands.words_of(x.values[:, slice(*run)], n, f) for x, n, f in ((a, "a", rule.a), (b, "b", rule.b)))
        return _instruction(unit, rule, left, right, None, counts).astype(np.float64)
    rule = unit.rule(unit_operands.natural_format(a), unit_operands.natural_format(b))
    left, right = unit_operands.words_of(a, "a", rule.a), unit_operands.words_of(b, "b", rule.b).T
    start = None
    if c is not None:
        start = np.broadcast_to(unit_operands.words_of(c, "c", rule.result), (left.shape[0], right.shape[0]))
    return _instruction(unit, rule, left, right, start, counts)


def _instruction(
    unit: Unit, rule: unit_rule.Rule, a: np.ndarray, b: np.ndarray, c: np.ndarray | None, counts: np.ndarray
) -> np.ndarray:
    if rule.kind == "double":
        raise ValueError(
            f"accumulator {unit} cannot be watched: it sums float64 products, which a report would need wider numbers for"
        )
    begin = np.zeros((a.shape[0], b.shape[0]), unit_operands.word_dtype(rule.result)) if c is None or rule.ignores_c else c
    start = unit_operands.values_of(np.ascontiguousarray(begin), rule.result)
    if rule.kind == "integer":
        total, sums = start.astype(np.int64), IntAccumulator(32, rule.saturate)
        x, y = (w.view(np.int8 if f == "int8" else np.uint8).astype(np.int64) for w, f in ((a, rule.a), (b, rule.b)))
        limits = np.int64(sums.low), np.int64(sums.high), np.int64(32)
        for k in range(0, a.shape[1], rule.k):
            terms = np.ascontiguousarray(x[:, k : k + rule.k] @ y[:, k : k + rule.k].T)
            kernels.watch_integers(total, terms, *limits, rule.saturate, counts)
        return total
    out = np.empty((a.shape[0], b.shape[0]), np.float32)
    rows = [np.ascontiguousarray(w).view(np.uint8) for w in (a, b)]
    facts = unit_rule.kernel_facts(rule, a.shape[1])
    kernels.watch_aligned(*rows, *facts, np.ascontiguousarray(start, np.float32), out, counts)
    return out


def _fixed(unit: FixedAccumulator, a: Any, b: Any, c: Any, counts: np.ndarray) -> np.ndarray:
    """Step by step through the accumulator's own arithmetic; a step's result beside the exact one tells what was lost."""
    fx, fw = fixed_type(a, "a"), fixed_type(b, "b")
    x, w = raw_integers(np.asarray(a.codes), fx), raw_integers(np.asarray(b.codes), fw)
    shift = fx.frac_bits + fw.frac_bits - unit.format.frac_bits
    right, up = max(shift, 0), max(-shift, 0)
    beyond = kernels.WRAPPED if unit.format.overflow in (Overflow.WRAP, Overflow.WRAP_SIGN_MAGNITUDE) else kernels.SATURATED

    def step(k: slice, start: Any) -> np.ndarray:
        left, right = from_codes(np.asarray(a.codes)[:, k], fx), from_codes(np.asarray(b.codes)[k], fw, axis=0)
        return raw_integers(unit.product(left, right, start, "codes"), unit.format)

    nothing = from_codes(np.zeros((x.shape[0], 1), np.int64), fx), from_codes(np.zeros((1, w.shape[1]), np.int64), fw, axis=0)
    total = raw_integers(unit.product(*nothing, c, "codes"), unit.format)
    for k in range(x.shape[1]):
        exact = (x[:, k, None] * w[None, k, :]) << up
        after = step(slice(k, k + 1), from_codes(encode_raw(total, unit.format), unit.format))
        if unit.full:
            difference = np.abs((after << right) - ((total << right) + exact))
            far = difference >= 1 << right
            counts[kernels.ROUNDED] += int((~far & (difference > 0)).sum())
            counts[kernels.ABSORBED] += int((~far & (exact != 0) & (after == total)).sum())
        else:
            term = step(slice(k, k + 1), None)
            difference = np.abs((term << right) - exact)
            cut = difference >= 1 << right
            counts[beyond] += int(cut.sum())
            counts[kernels.TRUNCATED] += int((~cut & (difference > 0)).sum())
            counts[kernels.FLUSHED] += int((~cut & (term == 0) & (exact != 0)).sum())
            far = after != total + term
        counts[beyond] += int(far.sum())
        total = after
    return decode(encode_raw(total, unit.format), unit.format).astype(np.float64)
