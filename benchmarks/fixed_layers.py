"""ap_fixed accumulators and layers beside the plain float32 loop and apytypes: `python benchmarks/fixed_layers.py [--short]`.

P is the float32 i-k-j loop in Numba (`fp32`), one thread. Words go in, words come out: conversions count. CPU seconds of this
process, so that other load on the machine counts less; runs of both sides in turn. Peer, where installed: apytypes with its
accumulator context (the same quantization and overflow at each step).
"""

from __future__ import annotations

import importlib.util
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from _timing import SHORT, Row, show, threads

import numfmt as nf
from numfmt.kernels import steps

SHAPES = ((128, 256, 128),) if SHORT else ((512, 512, 512), (64, 4096, 4096))
CASES = (  # operands, accumulator, goal
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<16,6>", 0.5),
    ("ap_fixed<16,6>", "ap_fixed<16,6>", "ap_fixed<16,6>", 0.5),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<14,6,AP_RND,AP_SAT>", 0.5),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<14,6,AP_RND_CONV,AP_SAT>", 0.5),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<14,6,AP_RND_ZERO,AP_SAT_SYM>", 0.5),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<14,6,AP_RND,AP_SAT>+full", 0.5),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<14,6,AP_RND_CONV,AP_SAT>+full", 0.5),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<9,3,AP_RND,AP_SAT>", None),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<14,6,AP_TRN,AP_SAT_ZERO>", None),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<14,6,AP_TRN,AP_WRAP,2>", None),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<14,6,AP_TRN,AP_WRAP_SM>", None),
    ("ap_fixed<18,8>", "ap_fixed<18,8>", "ap_fixed<24,12,AP_RND,AP_SAT>", None),
    ("ap_fixed<8,3>", "ap_fixed<8,1>", "ap_fixed<28,16>", None),
)


def ratio(call: Callable[[], object], limit: Callable[[], object], repeats: int = 5) -> float:
    """Speed of `call` over that of `limit`: best CPU times of this process, in turn."""
    call(), limit()
    best = [float("inf"), float("inf")]
    for _ in range(2 if SHORT else repeats):
        for i, what in enumerate((call, limit)):
            start = time.process_time()
            what()
            best[i] = min(best[i], time.process_time() - start)
    return best[1] / best[0]


def words(shape: tuple[int, ...], name: str, axis: int = -1) -> nf.QuantizedTensor:
    """Words of a type, all equally likely."""
    fmt: Any = nf.parse(name)
    return nf.from_codes(np.random.default_rng(0).integers(0, 1 << fmt.bits, shape).astype(fmt.code_dtype), fmt, axis)


def native(m: int, k: int, n: int) -> Callable[[], object]:
    """P at this shape."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
    out = np.zeros((m, n), np.float32)
    return lambda: steps.native_matmul(x, y, out)


def speeds() -> Iterator[Row]:
    """Accumulators against P."""
    for m, k, n in SHAPES:
        limit = native(m, k, n)
        for left, right, path, goal in CASES:
            a, b = words((m, k), left), words((k, n), right, 0)
            reached = ratio(lambda a=a, b=b, path=path: nf.matmul(a, b, path, returns="codes"), limit)  # type: ignore[misc]
            yield Row(f"{left[2:]} {right[2:]} {path[2:]} {m}x{k}x{n}", "P", reached, goal)


def against_apytypes() -> Iterator[Row]:
    """The same sums by apytypes' accumulator context."""
    if not importlib.util.find_spec("apytypes"):
        return
    import apytypes as apy

    size = 16 if SHORT else 64
    a, b = words((size, size), "ap_fixed<8,3>"), words((size, size), "ap_fixed<8,1>", 0)
    x = apy.APyFixedArray(a.codes.tolist(), int_bits=3, frac_bits=5)
    y = apy.APyFixedArray(b.codes.tolist(), int_bits=1, frac_bits=7)
    for path, quantization, overflow in (
        ("ap_fixed<14,6>", apy.QuantizationMode.TRN, apy.OverflowMode.WRAP),
        ("ap_fixed<14,6,AP_RND,AP_SAT>", apy.QuantizationMode.RND, apy.OverflowMode.SAT),
        ("ap_fixed<14,6,AP_RND_CONV,AP_SAT>", apy.QuantizationMode.RND_CONV, apy.OverflowMode.SAT),
    ):
        with apy.APyFixedAccumulatorContext(int_bits=6, frac_bits=8, quantization=quantization, overflow=overflow):
            theirs = np.array((x @ y).to_bits())
            if overflow is apy.OverflowMode.WRAP:  # 0.5.1 does not saturate where it is told to
                np.testing.assert_array_equal(theirs, nf.matmul(a, b, path, returns="codes"))
            start = time.process_time()
            for _ in range(3):
                x @ y
            each = (time.process_time() - start) / 3 / size**3
        m, k, n = (128, 256, 128) if SHORT else (512, 512, 512)
        big, wide = words((m, k), "ap_fixed<8,3>"), words((k, n), "ap_fixed<8,1>", 0)
        nf.matmul(big, wide, path, returns="codes")
        start = time.process_time()
        nf.matmul(big, wide, path, returns="codes")
        yield Row(
            f"{path[2:]} (apytypes {size}^3, ours {m}x{k}x{n})", "x apytypes", each * m * k * n / (time.process_time() - start), 100
        )


def convolutions() -> Iterator[Row]:
    """A convolution against the equal product of matrices, and the memory that both take."""
    side, channels = (16, 16) if SHORT else (56, 64)
    x = words((1, side, side, channels), "ap_fixed<8,3>")
    w = words((3, 3, channels, channels), "ap_fixed<8,1>")
    for path in ("ap_fixed<16,6>", "ap_fixed<14,6,AP_RND,AP_SAT>"):
        layer = nf.layers.FixedConv2d(w, accum_t=path, result_t="ap_fixed<8,3,AP_RND,AP_SAT>", padding="same")
        a, b = words((side * side, 9 * channels), "ap_fixed<8,3>"), words((9 * channels, channels), "ap_fixed<8,1>", 0)
        reached = ratio(lambda layer=layer: layer(x), lambda a=a, b=b, path=path: nf.matmul(a, b, path, returns="codes"))  # type: ignore[misc]
        yield Row(f"conv 3x3 {side}x{side}x{channels} {path[2:]}", "x its matmul", reached, 0.67)
    for m, k, n in SHAPES[-1:]:
        a, b = words((m, k), "ap_fixed<8,3>"), words((k, n), "ap_fixed<8,1>", 0)
        for path in ("ap_fixed<16,6>", "ap_fixed<28,16>"):
            tracemalloc.start()
            made = nf.matmul(a, b, path, returns="codes")
            peak = tracemalloc.get_traced_memory()[1] - made.nbytes
            tracemalloc.stop()
            yield Row(f"{path[2:]} {m}x{k}x{n}", "MB beside operands and result", peak / 1e6)


def main() -> None:
    """Print all rows."""
    with threads(1):
        show(speeds())
        show(against_apytypes())
        show(convolutions())


if __name__ == "__main__":
    main()
