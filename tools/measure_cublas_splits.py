"""On an H100: which order of k the library takes for a shape, found by comparing with every number of parts. Writes a CSV.

    python tools/measure_cublas_splits.py OUT.csv

For torch.matmul in bfloat16 and float16 and torch._scaled_mm in E4M3 (fast and slow accumulation). Eight rows of each result are
compared, every word; `parts` is empty where no number of parts up to 32 gives them.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings

import numpy as np
import torch

import numfmt as nf

ROWS = 8
SIZES = [(16, 16), (64, 64), (32, 48), (128, 128), (256, 1024), (512, 512), (1024, 256), (2048, 2048)]
DEPTHS = [64, 256, 512, 1024, 2048, 3072, 4096, 8192]


def fits(compute, want, split):
    """The number of parts whose words are those of the device."""
    for parts in [1, *range(2, 33)] if split else [1]:
        try:
            if np.array_equal(compute(parts), want):
                return parts
        except ValueError:
            continue
    return ""


def kernels_of(call):
    """Result and kernel names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            made = call()
            torch.cuda.synchronize()
    return made, " ".join(e.key for e in profile.key_averages() if "sm90" in e.key or "split" in e.key.lower())[:160]


def sixteen(m, k, n, name):
    """torch.matmul."""
    rng = np.random.default_rng(m + k + n)
    dtype = getattr(torch, name)
    x, y = (torch.from_numpy(rng.standard_normal(s).astype(np.float32)).to(dtype).cuda() for s in ((m, k), (k, n)))
    want, kernels = kernels_of(lambda: x @ y)
    a, b = (v.cpu().view(torch.int16).numpy().view(np.uint16) for v in (x[:ROWS].contiguous(), y))
    left, right = nf.from_codes(a, name), nf.from_codes(b, name, 0)
    words = want[:ROWS].contiguous().cpu().view(torch.int16).numpy().view(np.uint16)
    return fits(
        lambda p: nf.encode(nf.matmul(left, right, f"cublas.h100.16bit<splitk={p}>"), name), words, "split" in kernels.lower()
    ), kernels


def eight(m, k, n, fast):
    """torch._scaled_mm."""
    rng = np.random.default_rng(m + k + n)
    a, b = (nf.cast(rng.standard_normal(s), "e4m3fn").astype(np.float32) for s in ((m, k), (n, k)))
    x, y = (torch.from_numpy(v).to(torch.float8_e4m3fn).cuda() for v in (a, b))
    one = torch.tensor(1.0).cuda()
    want, kernels = kernels_of(lambda: torch._scaled_mm(x, y.t(), one, one, out_dtype=torch.float32, use_fast_accum=fast))
    import ml_dtypes

    left, right = a[:ROWS].astype(ml_dtypes.float8_e4m3fn), b.T.astype(ml_dtypes.float8_e4m3fn)
    words = want[:ROWS].cpu().numpy().view(np.uint32)

    def compute(parts):
        return nf.scaled_mm(left, right, np.float32(1), np.float32(1), out_dtype="float32", use_fast_accum=fast, splitk=parts).view(
            np.uint32
        )

    return fits(compute, words, "split" in kernels.lower()), kernels


def main():
    """Every shape, until eight minutes have passed."""
    end = time.time() + 480
    with open(sys.argv[1], "w", newline="") as handle:
        out = csv.writer(handle)
        out.writerow(["call", "m", "k", "n", "parts", "kernels"])
        for k in DEPTHS:
            for m, n in SIZES:
                for call in ("bfloat16", "float16", "fp8_fast", "fp8_slow"):
                    if time.time() > end:
                        return
                    run = (lambda: sixteen(m, k, n, call)) if "float" in call else (lambda: eight(m, k, n, call == "fp8_fast"))  # noqa: B023
                    parts, kernels = run()
                    out.writerow([call, m, k, n, parts, kernels])
                    handle.flush()


if __name__ == "__main__":
    main()
