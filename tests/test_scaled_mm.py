"""nf.scaled_mm and the library orders: refusals, tensors, and live comparisons where an H100 is present."""

import warnings

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf
from numfmt.arith import cublas

from .unit_vectors import same_words


def fp8(rng, shape):
    return rng.standard_normal(shape).astype(ml_dtypes.float8_e4m3fn)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "no recording says"),
        ({"splitk": 1, "bias": np.ones(5)}, "bias"),
        ({"splitk": 1, "scale_a": np.ones(3)}, "one scale"),
        ({"splitk": 1, "scale_a": 0.1}, "float32"),
        ({"splitk": 1, "out_dtype": "float16"}, "out_dtype"),
        ({"splitk": 1, "out_dtype": None}, "out_dtype"),
        ({"splitk": 1, "gpu": "h200"}, "gpu"),
        ({"splitk": 0}, "splitk"),
    ],
)
def test_scaled_mm_says_where_no_evidence_stands(changes, message):
    rng = np.random.default_rng(0)
    given = {"scale_a": 1.0, "scale_b": 1.0, "out_dtype": "float32"} | changes
    with pytest.raises(ValueError, match=message):
        nf.scaled_mm(fp8(rng, (3, 2048)), fp8(rng, (2048, 5)), **given)


def test_scaled_mm_takes_tensors():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    a, b = fp8(rng, (16, 32)), fp8(rng, (32, 16))
    want = nf.scaled_mm(a, b, 1.0, 1.0, out_dtype="bfloat16").view(np.uint16)
    x, y = (torch.from_numpy(v.view(np.uint8)).view(torch.float8_e4m3fn) for v in (a, b))
    got = nf.scaled_mm(x, y, torch.tensor(1.0), torch.tensor(1.0), out_dtype=torch.bfloat16)
    assert got.dtype == torch.bfloat16
    same_words(got.view(torch.int16).numpy().view(np.uint16), want)


# -- live, on an H100 --------------------------------------------------------------------------------------------------------------


def gpu():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available() or "H100" not in torch.cuda.get_device_name():
        pytest.skip("no H100 here")
    return torch


def on_device(torch, call):
    """The result of a call and the names of the kernels that ran."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            made = call()
            torch.cuda.synchronize()
        return made, [event.key for event in profile.key_averages()]


def parts_that_fit(kernels, compute, want, what):
    """One chain where no kernel name says splitK, else the numbers of parts that give the recorded words; there must be one."""
    split = any("splitk" in name.lower() for name in kernels)
    fits = [parts for parts in (range(2, 33) if split else (1,)) if np.array_equal(compute(parts), want)]
    print(what, "parts", fits, kernels)
    assert fits, f"{what}: no number of parts gives the device's words; kernels {kernels}"


@pytest.mark.h100
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("shape", [(16, 16, 16), (64, 256, 64), (64, 1024, 64), (128, 4096, 128), (256, 512, 1024), (32, 2080, 48)])
def test_live_scaled_mm(shape, fast):
    torch = gpu()
    m, k, n = shape
    rng = np.random.default_rng(k)
    for scales, dtype in (((1.0, 1.0), torch.float32), ((0.37, 1.9), torch.float32), ((0.37, 1.9), torch.bfloat16)):
        a, b = fp8(rng, (m, k)), fp8(rng, (n, k)).T
        x = torch.from_numpy(a.view(np.uint8)).view(torch.float8_e4m3fn).cuda()
        y = torch.from_numpy(np.ascontiguousarray(b.T).view(np.uint8)).view(torch.float8_e4m3fn).cuda().t()
        factors = [np.float32(s) for s in scales]
        given = [torch.tensor(float(f)).cuda() for f in factors]
        want, kernels = on_device(torch, lambda: torch._scaled_mm(x, y, *given, out_dtype=dtype, use_fast_accum=fast))  # noqa: B023
        name = "float32" if dtype == torch.float32 else "bfloat16"
        words = np.uint32 if name == "float32" else np.uint16
        want = want.cpu().view(torch.int32 if name == "float32" else torch.int16).numpy().view(words)

        def compute(parts):
            made = nf.scaled_mm(a, b, *factors, out_dtype=name, use_fast_accum=fast, splitk=parts)  # noqa: B023
            return made.view(words)  # noqa: B023

        parts_that_fit(kernels, compute, want, f"scaled_mm {shape} fast={fast} {name}")


@pytest.mark.h100
@pytest.mark.parametrize("name", ["bfloat16", "float16"])
@pytest.mark.parametrize("shape", [(16, 16, 16), (64, 256, 64), (64, 1024, 64), (64, 4096, 64), (256, 512, 1024), (512, 1024, 512)])
def test_live_matmul(shape, name):
    torch = gpu()
    m, k, n = shape
    rng = np.random.default_rng(k + m)
    dtype = getattr(torch, name)
    x, y = (torch.from_numpy(rng.standard_normal(s).astype(np.float32)).to(dtype).cuda() for s in ((m, k), (k, n)))
    want, kernels = on_device(torch, lambda: x @ y)
    a, b = (v.cpu().view(torch.int16).numpy().view(np.uint16) for v in (x, y))
    left, right = nf.from_codes(a, name), nf.from_codes(b, name, 0)

    def compute(parts):
        return nf.encode(nf.matmul(left, right, f"cublas.h100.16bit<splitk={parts}>"), name)

    parts_that_fit(kernels, compute, want.cpu().view(torch.int16).numpy().view(np.uint16), f"matmul {shape} {name}")


def test_measured_splits_stand_for_their_shapes():
    rows = cublas.measured()
    assert len(rows) == 256
    for (gpu, kind, m, k, n), parts in rows.items():
        call = "fp8" if kind.startswith("fp8") else "16bit"
        assert cublas.split_of(call, m, k, n, gpu, kind).parts == parts
        for row in cublas.splits():  # ranges that were recorded before agree
            if row.call == call and row.side_least <= min(m, n) <= max(m, n) <= row.side_most and row.k_least <= k <= row.k_most:
                assert row.parts == parts, (kind, m, k, n)
    assert rows["h100", "fp8_fast", 16, 8192, 16] == 3
    assert rows["h100", "bfloat16", 64, 8192, 64] == 4
    with pytest.raises(ValueError, match="no recording"):
        cublas.split_of("16bit", 100, 5000, 100, kind="float16")


def test_a_split_changes_the_words():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(np.float16) for s in ((16, 4096), (4096, 16)))
    recorded, one, two = (nf.matmul(a, b, f"cublas.h100.16bit{o}") for o in ("", "<splitk=1>", "<splitk=2>"))
    np.testing.assert_array_equal(recorded, two)
    assert (recorded != one).any()
