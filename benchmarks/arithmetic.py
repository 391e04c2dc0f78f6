"""Scalar operations beside their peers and the machine's limit: `python benchmarks/arithmetic.py [--short]`.

L is the plain float32 scale loop (read, multiply, write) in Numba into a given array, in the same process; every row takes turns
with it or with the peer. apytypes and crfix are measured where installed, on a part of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from _timing import MEMORY, SHORT, Row, ratio, scale_loop, show, threads

import numfmt as nf

PEER = 10**5 if SHORT else 10**6


def limit(x: np.ndarray, out: np.ndarray) -> Callable[[], object]:
    return lambda: scale_loop(x, out)


def operations(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> Iterator[Row]:
    operands = {"sqrt": (np.abs(x),), "fma": (x, y, x)}
    goals = {"add": 0.5, "subtract": 0.5, "multiply": 0.5, "divide": 0.15, "sqrt": 0.15, "fma": 0.15}
    for fmt in ("e4m3fn", "float16", "bfloat16"):
        for name, goal in goals.items():
            call = getattr(nf, name)
            arrays = operands.get(name, (x, y))
            reached = ratio(lambda call=call, arrays=arrays, fmt=fmt: call(*arrays, fmt, out=out), limit(x, out))
            yield Row(f"{name} of float32 arrays into {fmt}", "L", reached, goal)
    for fmt, rounding in (("e4m3fn", "toward_zero"), ("float16", "up")):
        yield Row(
            f"add into {fmt}, {rounding}", "L", ratio(lambda f=fmt, r=rounding: nf.add(x, y, f, rounding=r, out=out), limit(x, out))
        )
    wide = [a.astype(np.float64)[:PEER] for a in (x, y)]
    small, given = out[:PEER], x[:PEER]
    for fmt in ("e4m3fn", "float64"):
        into = small if fmt == "e4m3fn" else np.empty(PEER)
        reached = ratio(lambda f=fmt, o=into: nf.add(*wide, f, rounding="toward_zero", out=o), limit(given, small))
        yield Row(f"add of float64 arrays into {fmt}, toward_zero", "L", reached)


def conversions(x: np.ndarray, out: np.ndarray) -> Iterator[Row]:
    for source, target in (("e4m3fn", "e5m2"), ("float16", "e4m3fn"), ("e4m3fn", "float16"), ("nf4", "e2m1")):
        codes = nf.encode(x if source != "nf4" else np.tanh(x), source)
        into = np.empty(codes.shape, nf.parse(target).code_dtype)
        reached = ratio(lambda c=codes, s=source, t=target, o=into: nf.convert(c, s, t, out=o), limit(x, out))
        yield Row(f"convert {source} codes to {target} codes", "L", reached, 0.5)


def functions(x: np.ndarray, out: np.ndarray) -> Iterator[Row]:
    half = nf.encode(x, "float16")
    for name in ("exp", "tanh", "gelu"):
        reached = ratio(
            lambda n=name: nf.elementary(n, half, "float16", source="float16", operands="codes", out=out), limit(x, out)
        )
        yield Row(f"{name}: float16 codes to float16 values", "L", reached, 0.3)
        reached = ratio(lambda n=name: nf.elementary(n, x, "e5m2", source="e4m3fn", out=out), limit(x, out))
        yield Row(f"{name}: float32 values through e4m3fn to e5m2", "L", reached, 0.3)


def peers(x: np.ndarray, y: np.ndarray) -> Iterator[Row]:
    x, y = x[:PEER], y[:PEER]
    out = np.empty_like(x)
    try:
        from apytypes import APyFloatArray

        a, b = (APyFloatArray.from_float(v, 5, 10) for v in (x, y))
        for name, call in (("add", lambda: a + b), ("multiply", lambda: a * b), ("divide", lambda: a / b)):
            own = getattr(nf, name)
            yield Row(f"{name} into float16", "x apytypes", ratio(lambda own=own: own(x, y, "float16", out=out), call, 3), 5.0)
        if hasattr(a, "cast"):
            codes = nf.encode(x, "float16")
            yield Row(
                "convert float16 to e4m3fn",
                "x apytypes",
                ratio(lambda: nf.convert(codes, "float16", "e4m3fn"), lambda: a.cast(4, 3), 3),
                5.0,
            )
    except ImportError:
        print("apytypes is not installed: its rows are left out")
    try:
        import crfix

        raw = np.clip(x * 2048, -32768, 32767).astype(np.int32)
        codes = raw.astype(np.uint16)
        for name in ("exp", "tanh", "gelu"):
            mine = ratio(
                lambda n=name: nf.elementary(n, codes, "fixed<16,4>", source="fixed<16,5>", operands="codes", returns="codes"),
                lambda n=name: crfix.eval(n, raw, 11, 12, bits=16),
                3,
            )
            yield Row(f"{name} of 16-bit fixed point", "x crfix", mine, 20.0)
    except ImportError:
        print("crfix is not installed: its rows are left out")


def main() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(MEMORY).astype(np.float32) for _ in range(2))
    out = np.empty_like(x)
    with threads(1):
        show([*operations(x, y, out), *conversions(x, out), *functions(x, out), *peers(x, y)])
    with threads(1):
        one = ratio(lambda: nf.divide(x, y, "float16", out=out), lambda: None)
    with threads(2):
        two = ratio(lambda: nf.divide(x, y, "float16", out=out), lambda: None)
    show([Row("divide into float16, two threads", "x one thread", two / one, 1.7)])


if __name__ == "__main__":
    main()
