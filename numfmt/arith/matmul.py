"""The matrix product of a datapath: exact bits, on BLAS where a bound proves that it loses nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._arrays import is_torch, to_numpy
from ..blocks import QuantizedTensor
from . import unit_operands
from .accumulator import Accumulator, Step, spread
from .datapath import Datapath, datapath
from .draw import Draw
from .fixed_steps import FixedAccumulator
from .integer_steps import IntAccumulator
from .operands import Operand, operand, permuted, runs
from .output import Given, apply
from .scaled_sums import scaled_sums
from .tiles import joined, part, tiles
from .unit import Unit

_UNSCALED = Operand(np.zeros((1, 0)), None, True, None)  # stands for plain arrays where only scales are asked for


def matmul(
    a: Any,
    b: Any,
    path: str | Datapath,
    c: Any = None,
    returns: str = "values",
    out: np.ndarray | None = None,
    *,
    bias: Any = None,
    multiplier: Any = None,
    out_scale: Any = None,
    zero_point: Any = None,
    random_bits: Any = None,
    seed: int | None = None,
) -> Any:
    """`a @ b` with the arithmetic of a datapath, bit for bit.

    a: (..., M, K), b: (..., K, N) arrays (values that float32 holds; batches broadcast as numpy.matmul), or quantized
    matrices whose scales run along K (`q` or `q.T`). c: initial accumulator, broadcast to the result. Zero points are
    subtracted exactly. With scales, the inner accumulator runs within each run of k that shares all scales; its result times
    the product of the scales is rounded once to the outer format and added there (`inner>outer`; the outer accumulator is
    fp32 where the path names none).

    The data of output stages (`path` "int32|bias|rescale=tflite_double|offset|cast=int8", or its name `tflite`): bias, one value an
    output column, in the accumulator's units; multiplier, the real number that a rescale multiplies with (or out_scale, whose
    multiplier is scale of a * scale of b / out_scale); zero_point of the result. Each broadcasts to the result. With a rescale,
    scaled operands are summed as integers.

    random_bits (integers below 2**N, broadcast to (..., M, N, K): one for each step of each output) or seed (Philox4x32-10 with the
    counter (column, row, k // 4, batch)) belong to stochastic sums (`bf16+sr8`).

    Returns values (float32, float64 for `exact` and wide integers), or with returns="codes" the words of the accumulator's
    format (two's complement for integers). The result does not depend on threads, batching or memory order.

    Raises ValueError for shapes that do not fit, operands the datapath cannot take (non-integers into an integer accumulator,
    values beyond float16 into the bit-serial element), scales along another axis, or unknown paths.
    """
    made = datapath(path)
    draw = Draw(made, random_bits, seed)
    if returns not in ("values", "codes"):
        raise ValueError(f"returns={returns!r} is not allowed; use 'values' or 'codes'")
    given = Given(bias, multiplier, out_scale, zero_point)
    given.check(made.output)
    if made.output:
        return _through_stages(a, b, made, c, returns, out, given, {"random_bits": random_bits, "seed": seed})
    if _alone(made, a, b):
        return _given(made.inner.product(a, b, c, returns), out)  # type: ignore[attr-defined]
    torch_like = next((x for x in (a, b) if is_torch(x)), None)
    if isinstance(a, QuantizedTensor) or isinstance(b, QuantizedTensor) or (np.ndim(a) == 2 and np.ndim(b) == 2):
        left, right = operand(a, "a", -1), operand(b, "b", 0)
        result = product(left, right, draw.path(0, (), (left.rows, right.rows, left.depth)), c)
    else:
        result = _matmul_batched(to_numpy(a, "a")[0], to_numpy(b, "b")[0], draw, c)
    if returns == "codes":
        result = last_accumulator(made, _scaled(a, b)).codes(result)
    if out is not None:
        return _given(result, out)
    return to_numpy(torch_like)[1](result) if torch_like is not None else result


def _through_stages(
    a: Any, b: Any, made: Datapath, c: Any, returns: str, out: np.ndarray | None, given: Given, drawn: dict[str, Any]
) -> Any:
    """The sums of a path through its output stages."""
    sums = replace(made, output=())
    quantized = isinstance(a, QuantizedTensor) or isinstance(b, QuantizedTensor)
    left, right = (operand(a, "a", -1), operand(b, "b", 0)) if quantized else (_UNSCALED, _UNSCALED)
    if any(s.kind == "rescale" for s in made.output) and _scaled(a, b):
        integers = replace(left, scales=None, run=0), replace(right, scales=None, run=0)
        total, last = product(*integers, sums, c), last_accumulator(sums, False)
    else:
        total, last = np.asarray(to_numpy(matmul(a, b, sums, c, **drawn), "a")[0]), last_accumulator(sums, _scaled(a, b))
    result = apply(made.output, total, last, given, left, right, returns)
    torch_like = next((x for x in (a, b) if is_torch(x)), None)
    if torch_like is not None and out is None:
        return to_numpy(torch_like)[1](result)
    return _given(result, out)


def explain(a: Any, b: Any, path: str | Datapath) -> list[Step]:
    """Which kernel computes each run of k of `matmul(a, b, path)`, and the bound that proves it exact. Arguments as `matmul`."""
    made = datapath(path)
    if _alone(made, a, b):
        if isinstance(made.inner, FixedAccumulator):
            reason = made.inner.explain(a, b)
            return [Step(0, np.shape(a.codes)[-1], *reason)]
        depth = _depth(a, b)
        formats = unit_operands.natural_format(a), unit_operands.natural_format(b)
        return [Step(0, depth, *made.inner.reason(*formats))]  # type: ignore[attr-defined]
    left, right, pieces = _prepared(operand(a, "a", -1), operand(b, "b", 0), made)
    return [made.inner.plan(left, right, *piece)[0] for part in pieces for piece in part]


def product(a: Operand, b: Operand, made: Datapath, c: Any = None) -> np.ndarray:
    """`matmul` of two prepared operands, (a.rows, b.rows). Raises ValueError for paths with output stages."""
    if made.output:
        raise ValueError(f"path {made} has output stages, which a layer of its own applies; use nf.matmul, or leave them out")
    shape = (a.rows, b.rows)
    if cuts := tiles(made, a, b):
        start = None if c is None else spread(c, shape)
        parts = (
            _tile(part(a, rows), part(b, columns), made, None if start is None else start[rows, columns]) for rows, columns in cuts
        )
        return joined(parts, cuts, shape)
    return _tile(a, b, made, c)


def _tile(a: Operand, b: Operand, made: Datapath, c: Any) -> np.ndarray:
    a, b, parts = _prepared(a, b, made)
    shape = (a.rows, b.rows)
    last = last_accumulator(made, a.scales is not None or b.scales is not None)
    if last is made.inner and made.order.whole:
        (piece,) = parts[0]
        begin = last.blank(shape) if c is None else last.start(c, shape)
        return last.finish(made.inner.plan(a, b, *piece)[1](begin))
    start = last.start(c, shape)
    totals = [_sum(a, b, made, pieces, last, start if n == 0 else last.start(None, shape)) for n, pieces in enumerate(parts)]
    total = totals[0]
    scaled = a.scales is not None or b.scales is not None
    for other in totals[1:]:
        total = last.join(np.asarray(total, np.float64) if scaled else total, np.asarray(other, np.float64) if scaled else other)
    return last.finish(total)


def last_accumulator(made: Datapath, scaled: bool) -> Accumulator:
    """The accumulator whose format the result has."""
    if scaled:
        return made.outer_or_default
    if made.outer is None and (made.order.sequential or (made.order.whole and not isinstance(made.inner, Unit))):
        return made.inner
    return made.joining


def _sum(a: Operand, b: Operand, made: Datapath, pieces: list[tuple[int, int]], last: Accumulator, total: np.ndarray) -> np.ndarray:
    """One part of k: each piece through the inner accumulator, its result into the last one, from `total`."""
    scaled = a.scales is not None or b.scales is not None
    if not scaled and not made.order.chunk and made.outer is None:  # a part of split k runs in the inner accumulator alone
        (piece,) = pieces
        return made.inner.plan(a, b, *piece)[1](total)
    if scaled and (fast := scaled_sums(a, b, made, pieces, total)) is not None:
        return fast
    for first, stop in pieces:
        if first == stop:  # no product: the accumulator stays as it is, -0 included
            continue
        part = made.inner.plan(a, b, first, stop)[1](np.zeros(total.shape))
        if not scaled:
            total = last.join(total, part if isinstance(last, IntAccumulator) else made.inner.to_float64(part))
            continue
        scales = a.scale_of(first), b.scale_of(first)
        single = a.single_scales and b.single_scales
        total = made.outer_or_default.add_scaled(total, made.inner.to_float64(part), *scales, single_scales=single)
    return total


def _prepared(a: Operand, b: Operand, made: Datapath) -> tuple[Operand, Operand, list[list[tuple[int, int]]]]:
    """The operands in the order of the path, and the pieces of each part of k. Raises ValueError for operands that do not fit."""
    if a.depth != b.depth:
        raise ValueError(f"a sums over {a.depth} elements and b over {b.depth}; the inner dimensions must be equal")
    made.inner.check(a, b)
    whole = runs(a, b) or [(0, 0)]
    if made.order.permutation:
        places = made.order.places(whole, a.depth)
        a, b = permuted(a, places), permuted(b, places)
    return a, b, [made.order.pieces(whole, part) for part in made.order.parts(a.depth)]


def _depth(a: Any, b: Any) -> int:
    """Length of the sums of a @ b. Raises ValueError for shapes that do not fit."""
    left, right = (tuple(x.shape) if isinstance(x, QuantizedTensor) else to_numpy(x, w)[0].shape for x, w in ((a, "a"), (b, "b")))
    if len(left) < 2 or len(right) < 2:
        raise ValueError(f"a has shape {left} and b {right}; both need at least two axes (add one with x[None])")
    if left[-1] != right[-2]:
        raise ValueError(f"a sums over {left[-1]} elements and b over {right[-2]}; the inner dimensions must be equal")
    return int(left[-1])


def _alone(made: Datapath, a: Any, b: Any) -> bool:
    """Whether a matrix unit computes the whole product of unscaled operands."""
    return isinstance(made.inner, Unit) and made.outer is None and made.order.sequential and not _scaled(a, b)


def _scaled(a: Any, b: Any) -> bool:
    return any(isinstance(x, QuantizedTensor) and x.scheme.scaled for x in (a, b))


def _given(result: Any, out: np.ndarray | None) -> Any:
    """`result`, in `out` where one is given."""
    if out is None:
        return result
    if isinstance(out, np.ndarray):
        result = to_numpy(result)[0]
    elif not is_torch(out):
        raise ValueError(
            f"out is a {type(out).__name__}; it must be an array of shape {tuple(result.shape)} and dtype {result.dtype}"
        )
    if out.shape != result.shape or out.dtype != result.dtype:
        raise ValueError(
            f"out must have shape {tuple(result.shape)} and dtype {result.dtype}, not {tuple(out.shape)} and {out.dtype}"
        )
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ValueError("out is read-only; pass an array that can be written, or leave it out")
    out[...] = result
    return out


def _matmul_batched(a: np.ndarray, b: np.ndarray, draw: Draw, c: Any) -> np.ndarray:
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"a has shape {a.shape} and b {b.shape}; both need at least two axes (add one with x[None])")
    try:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(f"a has shape {a.shape} and b {b.shape}: their batch axes {a.shape[:-2]}, {b.shape[:-2]} differ") from None
    left = np.broadcast_to(a, (*lead, *a.shape[-2:])).reshape(-1, *a.shape[-2:])
    right = np.broadcast_to(b, (*lead, *b.shape[-2:])).reshape(-1, *b.shape[-2:])
    shape = (*lead, a.shape[-2], b.shape[-1])
    start = [None] * len(left) if c is None else list(spread(c, shape).reshape(-1, *shape[-2:]))
    if not len(left):
        raise ValueError(f"a has shape {a.shape} and b {b.shape}: the batch is empty")
    sizes = (*shape[-2:], a.shape[-1])
    parts = [
        product(operand(x, "a", -1), operand(y, "b", 0), draw.path(n, lead, sizes), z)
        for n, (x, y, z) in enumerate(zip(left, right, start, strict=True))
    ]
    return np.stack(parts).reshape(shape)
