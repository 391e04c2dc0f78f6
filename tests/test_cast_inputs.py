"""What may go into encode, decode and cast, and where it may come out."""

import subprocess
import sys
from fractions import Fraction

import ml_dtypes
import numba
import numpy as np
import pytest

import numfmt as nf
from numfmt import _threads
from numfmt.formats import float_loops, modes
from numfmt.kernels import float_even, float_lanes

NARROW = [
    np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float8_e8m0fnu,
    ml_dtypes.float4_e2m1fn,
    np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.bool_, ml_dtypes.int4,
]  # fmt: skip


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", ["e4m3fn", "float16", "e3m2"])
def test_every_input_dtype_is_read_exactly(name, dtype):
    with np.errstate(all="ignore"):
        x = (np.random.default_rng(0).standard_normal(70_000) * 9).clip(0 if np.dtype(dtype).kind == "u" else -8, 7).astype(dtype)
    wide = x.astype(np.float64)
    x, wide = x[~np.isnan(wide)], wide[~np.isnan(wide)]
    np.testing.assert_array_equal(nf.encode(x, name), nf.encode(wide, name))
    np.testing.assert_array_equal(nf.cast(x, name, "up"), nf.cast(wide, name, "up"))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float<11,40>", "float64"])
def test_integers_beyond_float64_round_once(name, dtype):
    f = nf.parse(name)
    top = np.iinfo(dtype).max
    x = [top, top - 1, top - 1023, 2**53 + 1, 2**53 + 3, 2**62 + 1, 2**62 + 2**9 + 1, (2**24 + 1) * 2**30, (2**24 + 1) * 2**30 + 1]
    x += [-v for v in x] if dtype == np.int64 else []
    for mode in ("ties_even", "toward_zero", "up", "to_odd"):
        got = nf.encode(np.array(x, dtype), f, mode)
        modes = nf.formats.modes.resolve(f, mode)
        assert got.tolist() == [f.encode_exact(Fraction(v), modes) for v in x], mode


def test_every_word_of_sixteen_bits_is_widened():
    words = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        with np.errstate(invalid="ignore"):
            want = words.view(dtype).astype(np.float32)
        got = nf._arrays.to_lanes(words.view(dtype))
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        numbers = ~np.isnan(want)
        np.testing.assert_array_equal(got[numbers].view(np.uint32), want[numbers].view(np.uint32))


def test_shapes_and_strides():
    x = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    for view in (x, x.T, x[:, ::2], x[::-1], x[0, 0, 0], x[:0], np.asfortranarray(x), np.broadcast_to(x[0], (5, 3, 4))):
        got = nf.cast(view, "e4m3fn")
        assert got.shape == view.shape
        np.testing.assert_array_equal(got, nf.cast(view.astype(np.float64), "e4m3fn"))
        codes = nf.encode(view, "e4m3fn")
        np.testing.assert_array_equal(nf.decode(codes, "e4m3fn"), got)
    swapped = x.astype(">f4")
    np.testing.assert_array_equal(nf.cast(swapped, "e4m3fn"), nf.cast(x, "e4m3fn"))


def test_torch_tensors_share_memory_both_ways():
    import torch

    x = torch.randn(1000).to(torch.bfloat16)
    array, _ = nf._arrays.narrow_view(x)
    assert array.dtype == ml_dtypes.bfloat16
    assert array.ctypes.data == x.data_ptr()
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz"):
        narrow = x.float().to(getattr(torch, name))
        np.testing.assert_array_equal(nf.cast(narrow, "float16").numpy(), narrow.float().numpy())
    out = torch.empty(1000, dtype=torch.uint8)
    assert nf.encode(x, "e4m3fn", out=out) is out
    np.testing.assert_array_equal(out.numpy(), nf.encode(x.float().numpy(), "e4m3fn"))
    assert nf.cast(x.requires_grad_(), "e4m3fn").dtype == torch.float32


def test_codes_are_viewed_as_ml_dtypes():
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    got = nf.encode(x, ml_dtypes.float8_e4m3fn).view(ml_dtypes.float8_e4m3fn)
    np.testing.assert_array_equal(got.astype(np.float32), nf.cast(x, ml_dtypes.float8_e4m3fn))
    np.testing.assert_array_equal(got.astype(np.float32), x.astype(ml_dtypes.float8_e4m3fn).astype(np.float32))


def test_codes_in_range_need_no_look_and_others_are_refused():
    for dtype in (np.uint8, np.int8, np.uint16, np.int64):
        np.testing.assert_array_equal(nf.decode(np.array([0, 5, 15], dtype), "e2m1"), [0.0, 3.0, -6.0])
        with pytest.raises(ValueError, match="16"):
            nf.decode(np.array([0, 16], dtype), "e2m1")
    with pytest.raises(ValueError, match="-1"):
        nf.decode(np.array([-1], np.int8), "e4m3fn")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nf.cast(np.zeros(3, np.complex64), "e4m3fn"), ["complex64"]),
        (lambda: nf.cast(np.array(["1"]), "e4m3fn"), ["dtype"]),
        (lambda: nf.cast(np.zeros(3), "e4m3fn", out=np.zeros(3)), ["out", "float64", "float32"]),
        (lambda: nf.cast(np.zeros(3), "e4m3fn", out=np.zeros(4, np.float32)), ["(4,)", "(3,)"]),
        (lambda: nf.cast(np.zeros(3), "e4m3fn", out=np.zeros(6, np.float32)[::2]), ["contiguous"]),
        (lambda: nf.cast(np.zeros(3), "e4m3fn", out=np.broadcast_to(np.float32(0), (3,))), ["out"]),
        (lambda: nf.cast(np.zeros(3), "e4m3fn", out=[0, 0, 0]), ["out", "list"]),
        (lambda: nf.encode(np.array([np.nan, 1, np.nan]), "e2m1"), ["2 value", "e2m1"]),
        (lambda: nf.encode(np.full(300_000, np.nan, np.float32), "e2m1", "up"), ["300000 value"]),
        (lambda: nf.encode(np.array([np.nan]), "e2m1", "stochastic_a", seed=1), ["1 value"]),
        (lambda: nf.encode(np.zeros(1), "e2m1", "stochastic_a"), ["random_bits", "seed"]),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value)


def test_results_do_not_depend_on_threads():
    x = np.random.default_rng(0).standard_normal(1_000_003).astype(np.float32)
    jobs = [
        lambda: nf.cast(x, "e4m3fn"), lambda: nf.encode(x, "e8m0", "up"), lambda: nf.encode(x.astype(np.float16), "e5m2", "to_odd"),
        lambda: nf.decode(nf.encode(x, "float16"), "float16"),
        lambda: nf.decode_packed(nf.pack(nf.encode(x, "e2m1"), 4), "e2m1", x.size),
    ]  # fmt: skip
    before = numba.get_num_threads()
    try:
        results = []
        for count in sorted({1, numba.config.NUMBA_NUM_THREADS}):
            numba.set_num_threads(count)
            results.append([job() for job in jobs])
        for one, other in zip(results[0], results[-1], strict=True):
            np.testing.assert_array_equal(one, other)
    finally:
        numba.set_num_threads(before)


def test_pieces_cover_everything_once_and_errors_come_through(monkeypatch):
    monkeypatch.setattr(_threads.numba, "get_num_threads", lambda: 2)
    size = 3_000_001
    seen = np.zeros(size, np.uint8)

    def work(start, stop):
        assert start % _threads.ALIGN == 0
        seen[start:stop] += 1
        return stop - start + _threads.in_pieces(0, lambda i, j: 0)

    assert _threads.in_pieces(size, work) == size
    assert (seen == 1).all()

    def fails(start, stop):
        raise KeyError(start)

    with pytest.raises(KeyError):
        _threads.in_pieces(size, fails)
    # an array of 2**33 elements, of which only the ends of the pieces are looked at
    ends = []
    monkeypatch.setattr(_threads, "_PIECE", 1 << 36)
    _threads.in_pieces((1 << 40) + 5, lambda i, j: ends.append((i, j)) or 0)
    assert max(j for _, j in ends) == (1 << 40) + 5
    assert sum(j - i for i, j in ends) == (1 << 40) + 5


def test_a_forked_child_starts_its_own_threads():
    code = (
        "import os, numpy as np, numfmt as nf\n"
        "x = np.ones(1 << 20, np.float32)\n"
        "nf.cast(x, 'e4m3fn')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(0 if (nf.cast(x, 'e4m3fn') == 1).all() else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=120)
    assert done.returncode == 0


@pytest.mark.exhaustive
def test_indices_beyond_32_bits():
    """Arrays of more than 2**31 elements without their memory: one element seen that many times, and pieces that only count."""
    size = 2**31 + 5
    x, out = (np.lib.stride_tricks.as_strided(np.full(1, v, np.float32), (size,), (0,)) for v in (1.03, 0.0))
    assert float_lanes.count_nan(np.broadcast_to(np.float32(np.nan), (size,))) == size
    words, reals = float_loops.even_facts(nf.parse("e4m3fn"), modes.resolve(nf.parse("e4m3fn")))
    assert float_even.cast_even(x, out, words, reals, False) == 0
    assert out[-1] == 1.0
    seen = []
    assert _threads.in_pieces(2**33, lambda i, j: seen.append((i, j)) or 0) == 0
    assert sum(j - i for i, j in seen) == 2**33
    far = modes.RandomBits(16, None, 7)
    start = 2**33 + 3
    np.testing.assert_array_equal(far.take(start, start + 40), far.beyond(start).take(0, 40))
    assert len(set(far.take(start, start + 40).tolist())) > 30
