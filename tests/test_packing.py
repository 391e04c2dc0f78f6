"""Packed codes: against plain integers of Python, and against bitsandbytes, gguf's orders and torchao's rule."""

from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.kernels import packing

VECTORS = Path(__file__).parent / "vectors"


def plain_stream(codes, bits):
    """The dense stream as one Python integer, low bits first."""
    whole = sum(int(c) << (i * bits) for i, c in enumerate(codes))
    return np.frombuffer(whole.to_bytes(-(-len(codes) * bits // 8), "little"), np.uint8)


def random_codes(bits, count):
    words = np.random.default_rng(bits).integers(0, 1 << 63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return (words >> np.uint64(64 - bits)).astype(np.min_scalar_type((1 << bits) - 1))


@pytest.mark.parametrize("bits", range(1, 65))
def test_low_first_is_one_dense_stream(bits):
    for count in (0, 1, 2, 7, 8, 9, 64, 101):
        codes = random_codes(bits, count)
        packed = nf.pack(codes, bits)
        np.testing.assert_array_equal(packed, plain_stream(codes, bits))
        back = nf.unpack(packed, bits, count)
        assert back.dtype == codes.dtype
        np.testing.assert_array_equal(back, codes)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_high_first_fills_bytes_from_the_top(bits):
    codes = random_codes(bits, 43)
    text = "".join(f"{c:0{bits}b}" for c in codes.tolist())
    text += "0" * (-len(text) % 8)
    want = [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]
    packed = nf.pack(codes, bits, "high_first")
    assert packed.tolist() == want
    np.testing.assert_array_equal(nf.unpack(packed, bits, 43, "high_first"), codes)


@pytest.mark.parametrize("block", [16, 32, 256])
def test_ggml_pairs_the_halves_of_a_block(block):
    codes = random_codes(4, 512)
    packed = nf.pack(codes, 4, "ggml", block=block)
    blocks, half = codes.reshape(-1, block), block // 2
    np.testing.assert_array_equal(packed.reshape(-1, half), blocks[:, :half] | blocks[:, half:] << 4)
    np.testing.assert_array_equal(nf.unpack(packed, 4, 512, "ggml", block=block), codes)


def test_order_of_a_recorded_word_of_bitsandbytes():
    """quantize_4bit of [1, -1] in NF4 gives the byte F0 (bitsandbytes 0.50.2)."""
    np.testing.assert_array_equal(nf.decode_packed(np.array([0xF0], np.uint8), "nf4", 2, "high_first"), [1, -1])


def test_high_first_is_the_order_of_bitsandbytes():
    """Recorded NF4 blocks whose largest magnitude is 1: no scale acts."""
    recorded = np.load(VECTORS / "nf4_bitsandbytes.npz")
    rows = recorded["absmax"].reshape(-1) == 1
    assert rows.sum() == 2
    x, packed = recorded["x"][rows], recorded["packed"].reshape(len(rows), -1)[rows]
    f = nf.parse("nf4")
    values = x.reshape(-1)
    near = np.abs(values[:, None].astype(np.float64) - f.midpoints).min(1) < 1e-6  # there its float32 midpoints decide
    codes = nf.unpack(np.ascontiguousarray(packed).reshape(-1), 4, x.size, "high_first")
    np.testing.assert_array_equal(codes[~near], nf.encode(values, f)[~near])
    assert (~near).sum() > 20


def test_ggml_is_the_order_of_gguf():
    import gguf

    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 64)).astype(np.float32)
    blocks = gguf.quants.quantize(x, gguf.GGMLQuantizationType.Q4_0).reshape(-1, 18)
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    codes = nf.unpack(np.ascontiguousarray(blocks[:, 2:]), 4, x.size, "ggml").reshape(-1, 32)
    want = gguf.quants.dequantize(blocks.reshape(4, -1), gguf.GGMLQuantizationType.Q4_0).reshape(-1, 32)
    np.testing.assert_array_equal((codes.astype(np.float32) - 8) * scales, want)


@pytest.mark.parametrize("order", ["low_first", "high_first", "ggml"])
@pytest.mark.parametrize("name", ["e2m1", "nf4", "int4", "fp4_ea_pos"])
def test_decode_of_packed_codes_equals_decode_of_codes(name, order):
    for count in (0, 32, 96, 33 if order != "ggml" else 64, 70_016):
        codes = random_codes(4, count)
        if name == "fp4_ea_pos":
            codes = codes % np.uint8(len(nf.parse(name).table))
        packed = nf.pack(codes, 4, order)
        got = nf.decode_packed(packed, name, count, order)
        np.testing.assert_array_equal(got.view(np.uint32), nf.decode(codes, name).view(np.uint32))
        out = np.empty(count, np.float32)
        assert nf.decode_packed(packed, name, count, order, out=out) is out


@pytest.mark.parametrize("name", ["e3m2", "float<2,0,bias=1,none>", "uint1", "int2", "e4m3fn", "float16", "int12"])
def test_decode_of_packed_codes_of_any_width(name):
    f = nf.parse(name)
    codes = random_codes(f.bits, 40_001)
    got = nf.decode_packed(nf.pack(codes, f.bits), f, codes.size)
    np.testing.assert_array_equal(got, nf.decode(codes, f))


def test_indices_reach_beyond_two_to_the_31_elements():
    """Element 2**33 of a stream of 5 bits: the kernel is given an offset that only 64-bit arithmetic keeps right."""
    first = (1 << 33) + 8  # a multiple of 8, so that its stream begins at a byte
    codes = random_codes(5, 16)
    packed = nf.pack(codes, 5)
    byte = first * 5 // 8

    view = np.lib.stride_tricks.as_strided(packed, (byte + packed.size,), (0,))  # every byte of it is packed[0]
    out = np.empty(1, np.uint8)
    packing.unpack_low(view, 5, first, out)
    assert out[0] == (int(packed[0]) | int(packed[0]) << 8) & 31


def test_torch_tensors_come_back_as_tensors():
    import torch

    codes = torch.arange(16, dtype=torch.uint8)
    packed = nf.pack(codes, 4)
    assert isinstance(packed, torch.Tensor)
    assert torch.equal(nf.unpack(packed, 4, 16), codes)
    assert isinstance(nf.decode_packed(packed, "e2m1", 16), torch.Tensor)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nf.pack([16], 4), ["16", "15"]),
        (lambda: nf.pack([-1], 4), ["-1"]),
        (lambda: nf.pack([1.0], 4), ["float64"]),
        (lambda: nf.pack([1], 0), ["bits=0", "64"]),
        (lambda: nf.pack([1], 3, "high_first"), ["3", "low_first"]),
        (lambda: nf.pack([1], 4, "middle"), ["middle", "ggml"]),
        (lambda: nf.pack([1] * 30, 4, "ggml"), ["30", "block=32"]),
        (lambda: nf.pack([1] * 9, 4, "ggml", block=9), ["block=9"]),
        (lambda: nf.unpack(np.zeros(2, np.uint8), 4, 5), ["2 bytes", "count=5", "count <= 4"]),
        (lambda: nf.unpack(np.zeros(2, np.int32), 4, 4), ["int32", "uint8"]),
        (lambda: nf.unpack(np.zeros(2, np.uint8), 4, -1), ["count=-1"]),
        (lambda: nf.decode_packed(np.zeros(2, np.uint8), "e2m1", 4, out=np.empty(4)), ["out", "float32"]),
        (lambda: nf.pack([1, 2], 4, out=np.empty(2, np.uint8)), ["out", "(1,)"]),
        (lambda: nf.decode_packed(np.full(1, 0xFF, np.uint8), "codebook<4,lower,0,1>", 2), ["2 entries"]),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value)
