"""The matrix product of a datapath: exact bits, on BLAS where a bound proves that it loses nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import is_torch, to_float64, to_numpy
from ..blocks import QuantizedTensor
from ..formats import Float, Rounding, encode, parse
from ..kernels import exact as exact_kernels
from ..kernels import steps
from . import bitserial, unit_operands
from .aligned import Unit
from .datapath import (
    Accumulator,
    BitSerialAccumulator,
    Datapath,
    ExactAccumulator,
    FloatAccumulator,
    IntAccumulator,
    datapath,
)
from .operands import Operand, operand, runs
from .proof import Bound, bound

_MODES = {
    Rounding.TIES_EVEN: steps.NEAREST_EVEN,
    Rounding.TIES_AWAY: steps.NEAREST_AWAY,
    Rounding.TOWARD_ZERO: steps.ZERO,
    Rounding.UP: steps.PLUS,
    Rounding.DOWN: steps.MINUS,
}


_LARGEST_INTEGER = 2.0**62  # integers and sums up to here are added in int64 without thought of its range


@dataclass(frozen=True)
class Step:
    """One run of k: the kernel that computes it and why that is exact."""

    start: int
    stop: int
    kernel: str
    reason: str


def matmul(a: Any, b: Any, path: str | Datapath, c: Any = None, returns: str = "values", out: np.ndarray | None = None) -> Any:
    """`a @ b` with the arithmetic of a datapath, bit for bit.

    a: (..., M, K), b: (..., K, N) arrays (values that float32 holds; batches broadcast as numpy.matmul), or quantized
    matrices whose scales run along K (`q` or `q.T`). c: initial accumulator, broadcast to the result. Zero points are
    subtracted exactly. With scales, the inner accumulator runs within each run of k that shares all scales; its result times
    the product of the scales is rounded once to the outer format and added there (`inner>outer`; the outer accumulator is
    fp32 where the path names none).

    Returns values (float32, float64 for `exact` and wide integers), or with returns="codes" the words of the accumulator's
    format (two's complement for integers). The result does not depend on threads, batching or memory order.

    Raises ValueError for shapes that do not fit, operands the datapath cannot take (non-integers into an integer accumulator,
    values beyond float16 into the bit-serial element), scales along another axis, or unknown paths.
    """
    made = datapath(path)
    if returns not in ("values", "codes"):
        raise ValueError(f"returns={returns!r} is not allowed; use 'values' or 'codes'")
    if isinstance(made.inner, Unit) and made.outer is None and not _scaled(a, b):
        return _given(made.inner.product(a, b, c, returns), out)
    torch_like = next((x for x in (a, b) if is_torch(x)), None)
    if isinstance(a, QuantizedTensor) or isinstance(b, QuantizedTensor) or (np.ndim(a) == 2 and np.ndim(b) == 2):
        result = product(operand(a, "a", -1), operand(b, "b", 0), made, c)
    else:
        result = _matmul_batched(to_numpy(a, "a")[0], to_numpy(b, "b")[0], made, c)
    if returns == "codes":
        result = _codes(result, made, _scaled(a, b))
    if out is not None:
        return _given(result, out)
    return to_numpy(torch_like)[1](result) if torch_like is not None else result


def _given(result: Any, out: np.ndarray | None) -> Any:
    """`result`, in `out` where one is given."""
    if out is None:
        return result
    if out.shape != result.shape or out.dtype != result.dtype:
        raise ValueError(f"out must have shape {tuple(result.shape)} and dtype {result.dtype}")
    out[...] = result
    return out


def explain(a: Any, b: Any, path: str | Datapath) -> list[Step]:
    """Which kernel computes each run of k of `matmul(a, b, path)`, and the bound that proves it exact. Arguments as `matmul`."""
    made = datapath(path)
    left, right = operand(a, "a", -1), operand(b, "b", 0)
    _check(left, right, made)
    if isinstance(made.inner, Unit) and made.outer is None and not _scaled(a, b):
        return [Step(0, left.depth, *made.inner.reason(unit_operands.natural_format(a), unit_operands.natural_format(b)))]
    return [_plan_step(left, right, made.inner, start, stop)[0] for start, stop in runs(left, right)]


def _scaled(a: Any, b: Any) -> bool:
    return any(isinstance(x, QuantizedTensor) and x.scheme.scaled for x in (a, b))


def _matmul_batched(a: np.ndarray, b: np.ndarray, made: Datapath, c: Any) -> np.ndarray:
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"a has shape {a.shape} and b {b.shape}; both need at least two axes (add one with x[None])")
    try:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(f"a has shape {a.shape} and b {b.shape}: their batch axes {a.shape[:-2]}, {b.shape[:-2]} differ") from None
    left = np.broadcast_to(a, (*lead, *a.shape[-2:])).reshape(-1, *a.shape[-2:])
    right = np.broadcast_to(b, (*lead, *b.shape[-2:])).reshape(-1, *b.shape[-2:])
    shape = (*lead, a.shape[-2], b.shape[-1])
    start = [None] * len(left) if c is None else list(_spread_start(c, shape).reshape(-1, *shape[-2:]))
    if not len(left):
        raise ValueError(f"a has shape {a.shape} and b {b.shape}: the batch is empty")
    parts = [product(operand(x, "a", -1), operand(y, "b", 0), made, z) for x, y, z in zip(left, right, start, strict=True)]
    return np.stack(parts).reshape(shape)


def _check(a: Operand, b: Operand, made: Datapath) -> None:
    if a.depth != b.depth:
        raise ValueError(f"a sums over {a.depth} elements and b over {b.depth}; the inner dimensions must be equal")
    if isinstance(made.inner, IntAccumulator) and not (a.integers and b.integers):
        which = "a" if not a.integers else "b"
        raise ValueError(
            f"{which} holds values that are not integers; the accumulator {made.inner} takes integer codes (int8, int4, ...)"
        )
    if isinstance(made.inner, IntAccumulator):
        _check_integers(a, b, made.inner)
    else:
        for x, what in ((a, "a"), (b, "b")):
            if not x.single:
                raise ValueError(f"{what} holds values that float32 does not hold exactly; {made} takes float32 values at most")
    if isinstance(made.inner, BitSerialAccumulator):
        if a.scales is not None:
            raise ValueError("a is scaled; the bit-serial element takes unscaled float16 activations (a=float16)")
        _ = b.terms  # refuses formats that the decoder cannot take
        _ = a.fields  # refuses values beyond float16


def _check_integers(a: Operand, b: Operand, inner: IntAccumulator) -> None:
    for x, what in ((a, "a"), (b, "b")):
        if x.largest > _LARGEST_INTEGER:
            raise ValueError(f"{what} holds integers beyond 2**62; the accumulator {inner} takes codes of at most 62 bits")
    if inner.saturate and a.largest * b.largest > _LARGEST_INTEGER:
        raise ValueError(f"a and b make products beyond 2**62, which {inner} cannot add at each step; use narrower codes")


def product(a: Operand, b: Operand, made: Datapath, c: Any = None) -> np.ndarray:
    """`matmul` of two prepared operands, (a.rows, b.rows)."""
    _check(a, b, made)
    shape = (a.rows, b.rows)
    scaled = a.scales is not None or b.scales is not None or made.outer is not None
    start = _initial(c, shape, made.outer_or_default if scaled else made.inner)
    if not scaled:
        _, compute = _plan_step(a, b, made.inner, 0, a.depth)
        return _finish(compute(start), made.inner)
    outer = made.outer_or_default
    total = start
    facts = _facts(outer)
    for first, last in runs(a, b):
        _, compute = _plan_step(a, b, made.inner, first, last)
        part = _exact_float64(compute(np.zeros(shape)), made.inner)
        scales = a.scale_of(first), b.scale_of(first)
        if not (a.single_scales and b.single_scales):
            steps.accumulate_wide(part, *scales, total, _MODES[outer.rounding], *facts)
        elif str(outer) == "fp32":
            steps.accumulate_scaled_single(part, *scales, total)
        else:
            steps.accumulate_scaled(part, *scales, total, _MODES[outer.rounding], *facts)
    return _float_result(total, outer.format)


def _float_result(total: np.ndarray, fmt: Float) -> np.ndarray:
    result = total.astype(fmt.value_dtype)
    return result if fmt.has_minus_zero else result + 0.0


def _exact_float64(part: np.ndarray, inner: Accumulator) -> np.ndarray:
    """The sum of a run as float64, in which the product with the scales is exact. Raises ValueError where it does not fit."""
    if part.dtype == np.int64 and part.size and max(int(part.max()), -int(part.min())) > 1 << 53:
        raise ValueError(f"the sum of a run of {inner} exceeds 2**53 and cannot be scaled exactly; use groups or a narrower width")
    return part.astype(np.float64)


def _spread_start(c: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The values of `c` in the shape of the result."""
    if isinstance(c, QuantizedTensor):
        if c.scheme.scaled:
            raise ValueError("c is scaled; give the words of the accumulator with nf.from_codes, or its values")
        array = c._in_place(c.row_values(), c.shape[c.axis])
    else:
        array = to_numpy(c, "c")[0]
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"c has shape {array.shape}; it must broadcast to the result's {shape}") from None


def _initial(c: Any, shape: tuple[int, int], first: Accumulator) -> np.ndarray:
    """The start of the accumulator that `c` goes into: float64, or int64 for an integer one."""
    if c is None:
        return np.zeros(shape)
    array = _spread_start(c, shape)
    if isinstance(first, IntAccumulator):
        return _initial_integers(array, first)
    wide = to_float64(array, "c").copy()
    with np.errstate(over="ignore"):
        if not np.array_equal(wide.astype(np.float32), wide, equal_nan=True):
            raise ValueError("c holds values that float32 does not hold exactly; round it with nf.cast(c, 'float32') first")
    return _start_in(wide, first) if isinstance(first, FloatAccumulator) else wide


def _initial_integers(array: np.ndarray, first: IntAccumulator) -> np.ndarray:
    low, high = -(1 << (first.width - 1)), (1 << (first.width - 1)) - 1
    if array.dtype.kind not in "iub":
        array = to_float64(array, "c")
        if not (np.isfinite(array).all() and np.array_equal(np.rint(array), array)):
            raise ValueError(f"c holds values that are not integers; the accumulator {first} starts from an integer")
    if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
        raise ValueError(f"c holds values that the accumulator {first} cannot hold; it must lie within {low} and {high}")
    return array.astype(np.int64)


def _facts(accumulator: FloatAccumulator | ExactAccumulator) -> tuple[int, int, float, bool]:
    fmt = accumulator.format
    return fmt.man_bits, fmt.emin, fmt.max, fmt.has_inf


def _plan_step(a: Operand, b: Operand, inner: Accumulator, start: int, stop: int) -> tuple[Step, Any]:
    """The kernel for one run of k, and the function that runs it on an initial accumulator (M, N) float64."""
    x, y = a.values[:, start:stop], b.values[:, start:stop]
    if isinstance(inner, FloatAccumulator):
        native = str(inner) == "fp32"
        name = "native_matmul" if native else "float_matmul"
        reason = "float32 hardware rounds each product and sum to nearest even" if native else "rounds at each step, k upward"
        return Step(start, stop, name, reason), lambda c: _float_steps(x, b.columns[start:stop], inner, c)
    if isinstance(inner, BitSerialAccumulator) and inner.mode != "ideal":
        terms, bsig, unit = b.terms
        fields = a.fields

        def bit_serial(c: np.ndarray) -> np.ndarray:
            if np.any(c):
                raise ValueError(
                    "the bit-serial element starts from reset; give c to an outer accumulator (path 'bitmod.paper>fp32')"
                )
            part = tuple(f[:, start:stop] for f in fields)
            return bitserial.run(part, terms[:, start:stop], bsig, unit, inner.mode == "rtl")

        return Step(start, stop, "bitserial_run", "every term of every weight, lanes of four, k upward"), bit_serial
    if isinstance(inner, Unit):
        return _unit_step(a, b, inner, start, stop)
    limits = bound(x, y)
    if isinstance(inner, IntAccumulator) and inner.saturate:
        low, high = -(1 << (inner.width - 1)), (1 << (inner.width - 1)) - 1
        if limits.exact_in(53) and limits.terms * limits.largest_a * limits.largest_b <= high:
            step, compute = _blas(x, y, limits, start, stop)
            return Step(step.start, step.stop, step.kernel, step.reason + "; never saturates"), lambda c: compute(c, low, high)
        return Step(start, stop, "saturating_matmul", "saturates at each step, k upward"), lambda c: _saturate(x, y, c, low, high)
    if isinstance(inner, IntAccumulator):
        if limits.exact_in(53) and limits.terms * limits.largest_a * limits.largest_b <= _LARGEST_INTEGER:
            step, compute = _blas(x, y, limits, start, stop)
            return step, lambda c: _wrap(_to_int(compute(np.zeros(c.shape))) + _to_int(c), inner.width)
        return Step(start, stop, "native_matmul", "int64 sums wrap modulo 2**64"), lambda c: _wrap(_int64(x, y, c), inner.width)
    if limits.exact_in(53):
        step, compute = _blas(x, y, limits, start, stop)
        return step, lambda c: _exact_from(compute, x, y, inner, c)
    return Step(start, stop, "exact_matmul", f"{limits}: beyond float64, so a wide register sums exactly"), lambda c: _wide(
        x, y, inner, c
    )


def _unit_step(a: Operand, b: Operand, inner: Unit, start: int, stop: int) -> tuple[Step, Any]:
    """A matrix unit within one run of k: it starts from zero, and an outer accumulator takes its value."""
    formats = unit_operands.element_format(a.source), unit_operands.element_format(b.source)
    step = Step(start, stop, *inner.reason(*formats))

    def compute(c: np.ndarray) -> np.ndarray:
        if np.any(c):
            raise ValueError(f"c is given for scaled operands without an outer accumulator; write '{inner}>fp32'")
        return inner.run_values(a.values[:, start:stop], b.values[:, start:stop], formats)

    return step, compute


def _blas(x: np.ndarray, y: np.ndarray, limits: Bound, start: int, stop: int) -> tuple[Step, Any]:
    single = limits.exact_in(24)
    dtype = np.float32 if single else np.float64
    step = Step(start, stop, "sgemm" if single else "dgemm", f"{limits} < 2**{24 if single else 53}: exact in any order")

    def compute(c: np.ndarray, low: int | None = None, high: int | None = None) -> np.ndarray:
        if low is not None and high is not None and np.any(c):
            return _saturate(x, y, c, low, high)
        return np.matmul(x.astype(dtype), y.astype(dtype).T).astype(np.float64) + 0.0  # +0.0: an exact zero is +0

    return step, compute


def _exact_from(compute: Any, x: np.ndarray, y: np.ndarray, inner: Accumulator, c: np.ndarray) -> np.ndarray:
    if np.any(c):
        return _wide(x, y, inner, c)
    total = compute(c)
    return total if isinstance(inner, BitSerialAccumulator) else _round_once(total, inner)


def _round_once(total: np.ndarray, inner: Accumulator) -> np.ndarray:
    assert isinstance(inner, ExactAccumulator)
    if inner.format == parse("float64"):
        return total
    if inner.format == parse("float32"):
        with np.errstate(over="ignore"):
            return total.astype(np.float32).astype(np.float64)
    from ..formats import cast

    return cast(total, inner.format).astype(np.float64)


def _wide(x: np.ndarray, y: np.ndarray, inner: Accumulator, c: np.ndarray) -> np.ndarray:
    exact = inner if isinstance(inner, ExactAccumulator) else ExactAccumulator(_float64())
    result = np.empty(c.shape)
    exact_kernels.exact_matmul(np.ascontiguousarray(x), np.ascontiguousarray(y), c, result, *_facts(exact))
    return result


def _float64() -> Float:
    fmt = parse("float64")
    assert isinstance(fmt, Float)
    return fmt


def _float_steps(x: np.ndarray, columns: np.ndarray, inner: FloatAccumulator, c: np.ndarray) -> np.ndarray:
    if str(inner) == "fp32":
        single = c.astype(np.float32)
        steps.native_matmul(_rows(x, np.float32), columns.astype(np.float32), single)
        return single.astype(np.float64)
    result = c.copy()
    steps.float_matmul(_rows(x), columns, result, inner.fused, _MODES[inner.rounding], *_facts(inner))
    return result


def _start_in(c: np.ndarray, inner: FloatAccumulator) -> np.ndarray:
    from ..formats import cast

    held = cast(c, inner.format).astype(np.float64)
    if not np.array_equal(held, c, equal_nan=True):
        raise ValueError(
            f"c holds values that the accumulator {inner} cannot hold; round it with nf.cast(c, '{inner.format}') first"
        )
    return held


def _rows(x: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    return np.ascontiguousarray(x, dtype=dtype)


def _columns(y: np.ndarray, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(y.T, dtype=dtype)


def _to_int(x: np.ndarray) -> np.ndarray:
    return x.copy() if x.dtype == np.int64 else np.rint(x).astype(np.int64)


def _int64(x: np.ndarray, y: np.ndarray, c: np.ndarray) -> np.ndarray:
    total = _to_int(c)
    steps.native_matmul(_rows(x, np.int64), _columns(y, np.int64), total)
    return total


def _saturate(x: np.ndarray, y: np.ndarray, c: np.ndarray, low: int, high: int) -> np.ndarray:
    total = _to_int(c)
    steps.saturating_matmul(_rows(x, np.int64), _columns(y, np.int64), total, low, high)
    return total


def _wrap(total: np.ndarray, width: int) -> np.ndarray:
    if width < 64:
        low = 1 << (width - 1)
        total = ((total + low) & ((1 << width) - 1)) - low
    return total


def _finish(total: np.ndarray, inner: Accumulator) -> np.ndarray:
    """Values in the dtype of the accumulator: float32 where its format fits, int64 for integers."""
    if isinstance(inner, IntAccumulator):
        return total if total.dtype == np.int64 else _to_int(total)
    if isinstance(inner, BitSerialAccumulator | Unit):
        return total
    return _float_result(total, inner.format)


def _codes(result: np.ndarray, made: Datapath, scaled: bool) -> np.ndarray:
    last = made.outer_or_default if scaled or made.outer else made.inner
    assert not isinstance(last, Unit)  # whose words come from the unit itself
    if isinstance(last, BitSerialAccumulator):
        raise ValueError(f"{made} without an outer accumulator has no code words; use '{made}>fp32'")
    if isinstance(last, IntAccumulator):
        dtype = next(d for d in (np.uint8, np.uint16, np.uint32, np.uint64) if last.width <= np.dtype(d).itemsize * 8)
        mask = np.uint64((1 << last.width) - 1)
        return (result.astype(np.int64).astype(np.uint64) & mask).astype(dtype)
    return encode(result, last.format)
