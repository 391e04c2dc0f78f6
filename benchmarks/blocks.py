"""Tensors in blocks beside their peers and the machine's limit, one thread: `python benchmarks/blocks.py [--short]`.

Kernels run on arrays that are given (groups in, codes and scales out); `nf.quantize` is the whole call. bitsandbytes and torch are
measured where installed, both on one thread, on a part of the data. L: `_timing.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from _timing import SHORT, Row, data, ratio, scale_loop, seconds, show, threads

import numfmt as nf
from numfmt.blocks import bitsandbytes as blockwise
from numfmt.blocks import fast
from numfmt.blocks.family import Given
from numfmt.kernels import group_codebook, group_int, group_mixture

SIDE = 1024 if SHORT else 4096
PART = 1 << (18 if SHORT else 20)


def weights() -> np.ndarray:
    """A square matrix of small normal numbers, as weights have them."""
    return data(SIDE * SIDE, 0.02).reshape(SIDE, SIDE)


def limit_of(x: np.ndarray) -> Callable[[], None]:
    """L on as many elements."""
    return partial(scale_loop, x.reshape(-1), np.empty(x.size, np.float32))


def installed(name: str) -> Any:
    """A peer's module, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def integers(x: np.ndarray) -> Iterator[Row]:
    """INT4 in groups of 128."""
    groups, limit = x.reshape(-1, 128), limit_of(x)
    codes, scales = np.empty(groups.shape, np.uint8), np.empty(groups.shape[0], np.float32)
    zeros, seven = np.empty(groups.shape[0], np.int32), np.float32(7)
    for half in (False, True):
        arith = "float16" if half else "float32"
        made = nf.scheme(f"int4/g128+arith={arith}")
        facts = fast._scale_facts(made.scale)
        call = partial(group_int.symmetric, groups, codes, scales, seven, -seven, seven, np.int32(15), half, False, facts)
        yield Row(f"int4/g128, {arith}: codes and scales", "L", ratio(call, limit), None if half else 0.6)
        call = partial(group_int.asymmetric, groups, codes, scales, zeros, np.float32(15), half, False, False, facts)
        yield Row(f"int4/g128+asym, {arith}: codes, scales, zero points", "L", ratio(call, limit))


def codebooks(x: np.ndarray) -> Iterator[Row]:
    """Packed NF4 with double quantization; its parts; 8-bit dynamic maps."""
    limit = limit_of(x)
    call: Callable[[], object] = partial(blockwise.quantize_4bit, x, "nf4", 64, True)
    yield Row("nf4, blocks of 64, packed, double quantization", "L", ratio(call, limit), 0.25)
    blocks = x.reshape(-1, 64)
    packed, absmax = np.empty((blocks.shape[0], 32), np.uint8), np.empty(blocks.shape[0], np.float32)
    for name in ("nf4", "bnb_fp4"):
        thresholds, pairs = blockwise.table4(name)
        call = partial(group_codebook.pack4, blocks, thresholds, pairs, packed, absmax)
        yield Row(f"{name}, blocks of 64, packed, into given arrays", "L", ratio(call, limit))
    call = partial(blockwise.quantize_8bit, x, "dynamic8", 256)
    yield Row("dynamic8, blocks of 256", "L", ratio(call, limit))
    torch, bnb = installed("torch"), installed("bitsandbytes.functional")
    if torch is None or bnb is None:
        return
    torch.set_num_threads(1)
    part = x.reshape(-1)[:PART]
    tensor = torch.from_numpy(part)
    theirs = partial(bnb.quantize_4bit, tensor, quant_type="nf4", blocksize=64, compress_statistics=True)
    ours = partial(blockwise.quantize_4bit, part, "nf4", 64, True)
    yield Row("nf4, blocks of 64, packed, double quantization", "x bitsandbytes", ratio(ours, theirs, 3), 20)
    eight = partial(blockwise.quantize_8bit, part, "dynamic8", 256)
    yield Row("dynamic8, blocks of 256", "x bitsandbytes", ratio(eight, partial(bnb.quantize_blockwise, tensor, blocksize=256), 3))


def mixtures(x: np.ndarray) -> Iterator[Row]:
    """BitMoD's choice among four grids, in groups of 128; mixtures of any formats."""
    groups, limit = x.reshape(-1, 128), limit_of(x)
    codes, scales = np.empty(groups.shape, np.uint8), np.empty(groups.shape[0], np.float32)
    choice = np.empty(groups.shape[0], np.uint8)
    for bits in (4, 3):
        made = nf.scheme(f"bitmod{bits}/g128")
        facts, special = fast._scale_facts(made.scale), fast._special_grid(made.candidates)
        for half in (False, True):
            call = partial(group_mixture.choose_special, groups, codes, scales, choice, *special, half, facts)
            goal = 0.12 if bits == 4 and not half else None
            yield Row(f"bitmod{bits}/g128, sel={'fp16' if half else 'float64'}", "L", ratio(call, limit), goal)
    for name in ("mixed<int4,flint4>/g128", "mixed<e2m1,int4,nf4>/g128"):
        part = groups[: PART // 128]
        call = partial(fast.quantize_groups, part, nf.scheme(name), Given())
        yield Row(name, "L", ratio(call, limit_of(part)))
    torch = installed("torch")
    if torch is None:
        return
    torch.set_num_threads(1)
    part = np.ascontiguousarray(groups[: PART // 128])
    made = nf.scheme("bitmod4/g128")
    theirs = torch_bitmod(torch, torch.from_numpy(part), made)
    mine = fast.quantize_groups(part, made, Given())
    assert mine is not None
    assert all(np.array_equal(a, b.numpy()) for a, b in zip((mine[0], mine[1], mine[3]), theirs, strict=True)), "torch differs"
    call = partial(fast.quantize_groups, part, made, Given())
    yield Row("bitmod4/g128", "x torch", ratio(call, partial(torch_bitmod, torch, torch.from_numpy(part), made), 3), 20)


def torch_bitmod(torch: Any, x: Any, made: nf.blocks.Scheme) -> tuple[Any, Any, Any]:
    """Codes, scales and choices by the same rule in vectorised torch: float16 arithmetic, errors in float64."""
    w = x.half()
    top = w.abs().amax(1, keepdim=True)
    wide = w.double()
    best = torch.full((x.shape[0],), float("inf"), dtype=torch.float64)
    codes, scales = torch.zeros(x.shape, dtype=torch.uint8), torch.zeros(x.shape[0], dtype=torch.float32)
    choice = torch.zeros(x.shape[0], dtype=torch.uint8)
    for index, fmt in enumerate(made.candidates):
        assert isinstance(fmt, nf.Codebook)
        grid, points = torch.from_numpy(fmt.grid), torch.from_numpy(fmt.midpoints.astype(np.float32))
        scale = (top / fmt.largest_magnitude).clamp(1e-5, 1e4)
        place = torch.bucketize((w / scale).float(), points)
        error = (grid[place] * scale.double() - wide).square().sum(1)
        better = error < best
        best[better], choice[better], scales[better] = error[better], index, scale[better, 0].float()
        codes[better] = torch.from_numpy(fmt.grid_codes.astype(np.uint8))[place[better]]
    return codes, scales, choice


def whole_calls(x: np.ndarray) -> Iterator[Row]:
    """`nf.quantize` with everything around the kernels."""
    limit = limit_of(x)
    for name in ("int4/g128", "int4/g128+asym", "nf4/flat64+dq", "nf4/g64", "bitmod4/g128", "bitmod4/g128+s8"):
        yield Row(f"nf.quantize {name}", "L", ratio(partial(nf.quantize, x, name), limit, 3 if SHORT else 5))


# further rooms of the benchmark: functions of the weights that give rows
PARTS: list[Callable[[np.ndarray], Iterator[Row]]] = [integers, codebooks, mixtures, whole_calls]


def main() -> None:
    x = weights()
    with threads(1):
        rate = x.size / seconds(limit_of(x), 20)
        print(f"L = {rate / 1e9:.2f} G elements/s ({x.size} elements)")
        for part in PARTS:
            show(part(x))


if __name__ == "__main__":
    main()
