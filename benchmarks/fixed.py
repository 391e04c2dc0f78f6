"""Casts to fixed point beside their peers and the machine's limit: `python benchmarks/fixed.py [--short]`.

L is the plain float32 scale loop (read, multiply, write) in Numba into a given array, in the same process. All rows take turns with
it, and the ratios are of best times; `in place` is NumPy's multiply, round, clip, multiply into the same array.
fxpmath and qtorch (QPyTorch) are measured where installed, on a part of the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from _timing import SHORT
from numba import njit

import numfmt as nf
from numfmt.formats.modes import resolve

ROUNDS = 3 if SHORT else 25


@njit(error_model="numpy")
def scale(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = x[i] * np.float32(1.5)


def best_of(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Best time of each call; they take turns, so that what else the machine does meets all of them."""
    for call in calls.values():
        call()
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def in_place(x: np.ndarray, out: np.ndarray, f: nf.Fixed) -> None:
    np.multiply(x, np.float32(1 / f.quantum), out=out)
    np.rint(out, out=out)
    np.clip(out, np.float32(f.min_int), np.float32(f.max_int), out=out)
    np.multiply(out, np.float32(f.quantum), out=out)


def array_cast(x: np.ndarray, out: np.ndarray, f: nf.Fixed, seed: int | None = None) -> Callable[[], object]:
    modes = resolve(f, seed=seed, shape=x.shape)
    return lambda: f.cast_array(x, out, modes)


def peers(x: np.ndarray, f: nf.Fixed) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    try:
        from fxpmath import Fxp

        found["fxpmath: ties_even, saturate"] = lambda: Fxp(
            x, signed=True, n_word=f.width, n_frac=f.frac_bits, rounding="around", overflow="saturate"
        )
    except ImportError:
        print("fxpmath is not installed: its row is left out")
    try:
        import torch
        from qtorch.quant import fixed_point_quantize

        torch.set_num_threads(1)
        tensor = torch.from_numpy(x)
        found["qtorch: nearest, clamp"] = lambda: fixed_point_quantize(tensor, f.width, f.frac_bits, rounding="nearest")
    except Exception as error:
        print(f"qtorch cannot be used ({type(error).__name__}): its row is left out")
    return found


def main() -> None:
    n = 1 << (18 if SHORT else 23)
    x = (np.random.default_rng(0).standard_normal(n) * 4).astype(np.float32)
    out, codes, wide = np.empty_like(x), np.empty(n, np.uint16), x.astype(np.float64)
    f = nf.parse("fixed<16,6>")
    calls: dict[str, Callable[[], object]] = {"limit L: float32 scale loop": lambda: scale(x, out)}
    for mode in list(nf.Rounding)[:10]:
        calls[f"fixed<16,6> {mode}"] = array_cast(x, out, nf.Fixed(16, 6, True, mode))
    calls["fixed<16,6> stochastic_a, seed"] = array_cast(x, out, nf.Fixed(16, 6, True, "stochastic_a"), seed=1)
    for spec in (
        "ap_fixed<16,6>", "ap_fixed<16,6,AP_RND,AP_SAT>", "ap_ufixed<16,6,AP_RND_CONV,AP_SAT>", "ap_fixed<8,3>",
        "ap_fixed<16,6,AP_TRN,AP_SAT_ZERO>", "ap_fixed<16,6,AP_TRN,AP_WRAP_SM>", "ap_fixed<25,10,AP_RND,AP_SAT>", "fixed<12,20>",
    ):  # fmt: skip
        calls[spec] = array_cast(x, out, nf.parse(spec))
    calls["nf.cast(x, fixed<16,6>, out=)"] = lambda: nf.cast(x, f, out=out)
    calls["nf.encode(x, fixed<16,6>, out=)"] = lambda: nf.encode(x, f, out=codes)
    double = np.empty(n)
    target = nf.parse("fixed<32,8>")
    calls["float64 to fixed<32,8>"] = array_cast(wide, double, target)
    calls["numpy in place: fixed<16,6> ties_even"] = lambda: in_place(x, out, f)
    times = best_of(calls)
    part = x[: 1 << (14 if SHORT else 18)]
    for name, call in peers(x, f).items():
        if name.startswith("qtorch"):
            times[name] = best_of({name: call}, 2 if SHORT else 5)[name]
    for name, seconds in best_of(peers(part, f), 2 if SHORT else 5).items():
        times[f"{name}, {part.size} at once"] = seconds * n / part.size
    limit, ours = times["limit L: float32 scale loop"], times["fixed<16,6> ties_even"]
    for name, seconds in times.items():
        print(f"{name:40} {n / seconds / 1e6:9.1f} M elements/s {limit / seconds:8.3f} L {seconds / ours:8.1f} x ours")


if __name__ == "__main__":
    main()
