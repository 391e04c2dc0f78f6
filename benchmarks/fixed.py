"""Casts to fixed point beside their peers and the machine's limit: `python benchmarks/fixed.py [--short]`.

`numpy in place` is NumPy's multiply, round, clip, multiply into the same array. fxpmath and qtorch (QPyTorch) are measured where
installed, fxpmath on a part of the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from _timing import MEMORY, Row, data, ratio, scale_loop, show, threads

import numfmt as nf

PART = 1 << 18


def in_place(x: np.ndarray, out: np.ndarray, f: nf.Fixed) -> None:
    np.multiply(x, np.float32(1 / f.quantum), out=out)
    np.rint(out, out=out)
    np.clip(out, np.float32(f.min_int), np.float32(f.max_int), out=out)
    np.multiply(out, np.float32(f.quantum), out=out)


def casts(x: np.ndarray) -> Iterator[Row]:
    out, codes = np.empty_like(x), np.empty(x.size, np.uint16)
    limit = partial(scale_loop, x, np.empty_like(x))
    for mode in list(nf.Rounding)[:10]:
        yield Row(
            f"cast to fixed<16,6>, {mode}", "L", ratio(partial(nf.cast, x, "fixed<16,6>", rounding=mode, out=out), limit), 0.95
        )
    call = partial(nf.cast, x, "fixed<16,6>", rounding="stochastic_a", seed=1, out=out)
    yield Row("cast to fixed<16,6>, stochastic_a, seed", "L", ratio(call, limit), 0.6)
    for spec in (
        "ap_fixed<16,6>", "ap_fixed<16,6,AP_RND,AP_SAT>", "ap_ufixed<16,6,AP_RND_CONV,AP_SAT>", "ap_fixed<8,3>",
        "ap_fixed<16,6,AP_TRN,AP_SAT_ZERO>", "ap_fixed<16,6,AP_TRN,AP_WRAP_SM>", "ap_fixed<25,10,AP_RND,AP_SAT>", "fixed<12,20>",
    ):  # fmt: skip
        into = out if nf.parse(spec).value_dtype == np.float32 else np.empty(x.size)
        yield Row(f"cast to {spec}", "L", ratio(partial(nf.cast, x, spec, out=into), limit), 0.95 if into is out else None)
    yield Row("encode to fixed<16,6>", "L", ratio(partial(nf.encode, x, "fixed<16,6>", out=codes), limit))
    wide, double = x.astype(np.float64), np.empty(x.size)
    yield Row("cast of float64 to fixed<32,8>", "L", ratio(partial(nf.cast, wide, "fixed<32,8>", out=double), limit))


def peers(x: np.ndarray) -> Iterator[Row]:
    f = nf.Fixed(16, 6, True, "ties_even")
    out = np.empty_like(x)
    ours = partial(nf.cast, x, f, out=out)
    yield Row("cast to fixed<16,6>", "x numpy in place", ratio(ours, lambda: in_place(x, out, f)), 3.0)
    try:
        from fxpmath import Fxp

        few, into = x[:PART], out[:PART]
        theirs = partial(Fxp, few, signed=True, n_word=f.width, n_frac=f.frac_bits, rounding="around", overflow="saturate")
        yield Row("cast to fixed<16,6>", "x fxpmath", ratio(partial(nf.cast, few, f, out=into), theirs, 3), 50.0)
    except ImportError:
        print("fxpmath is not installed: its row is left out")
    try:
        import torch
        from qtorch.quant import fixed_point_quantize

        torch.set_num_threads(1)
        theirs = partial(fixed_point_quantize, torch.from_numpy(x), f.width, f.frac_bits, rounding="nearest")
        yield Row("cast to fixed<16,6>", "x qtorch", ratio(ours, theirs, 3), 50.0)
    except Exception as error:  # it is compiled at first use, which needs a compiler
        print(f"qtorch cannot be used ({type(error).__name__}): its row is left out")


def main() -> None:
    x = data(MEMORY)
    with threads(1):
        show(casts(x))
        show(peers(x))


if __name__ == "__main__":
    main()
