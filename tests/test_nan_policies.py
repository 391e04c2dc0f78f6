"""NaN and zero under named policies: words of H100 cvt instructions, ml_dtypes, torch and the processor's own conversions."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf
from numfmt.formats.policy import POLICIES

CVT = np.load(Path(__file__).parent / "vectors" / "h100_cvt.npz")
NANS = np.array([0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF, 0x7FA00000, 0xFFC12345], np.uint32).view(np.float32)

# instruction: source, target, rounding, overflow
INSTRUCTIONS = {
    "f32_e4m3_rn_satfinite": ("e4m3fn", "ties_even", "saturate"), "f32_e5m2_rn_satfinite": ("e5m2", "ties_even", "saturate"),
    "f32_bf16_rn": ("bfloat16", "ties_even", None), "f32_bf16_rz": ("bfloat16", "toward_zero", None),
    "f32_f16_rn": ("float16", "ties_even", None), "f32_f16_rz": ("float16", "toward_zero", None),
    "f32_f16_rm": ("float16", "down", None), "f32_f16_rp": ("float16", "up", None),
    "f32_tf32_rna": ("tf32", "ties_away", None), "f32_tf32_rn": ("tf32", "ties_even", None),
    "f32_tf32_rz": ("tf32", "toward_zero", None), "f32_s8_rni_sat": ("int8", "ties_even", None),
    "f32_u8_rni_sat": ("uint8", "ties_even", None), "f32_s32_rni": ("int32", "ties_even", None),
    "f32_s32_rzi": ("int32", "toward_zero", None), "f16_e4m3_rn_satfinite": ("e4m3fn", "ties_even", "saturate"),
    "f16_e5m2_rn_satfinite": ("e5m2", "ties_even", "saturate"), "f16_f32": ("float32", "ties_even", None),
    "e4m3_f16": ("float16", "ties_even", None), "e5m2_f16": ("float16", "ties_even", None),
    "f64_f16_rn": ("float16", "ties_even", None), "f64_f32_rn": ("float32", "ties_even", None),
    "f64_f32_rz": ("float32", "toward_zero", None),
}  # fmt: skip
DTYPES = {"f32": np.float32, "f16": np.float16, "f64": np.float64, "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}


def test_every_recorded_instruction_is_listed():
    assert {name.removeprefix("cvt_") for name in CVT.files if name.startswith("cvt_")} == set(INSTRUCTIONS)


@pytest.mark.parametrize("name", sorted(INSTRUCTIONS))
def test_words_of_h100_cvt(name):
    """Every recorded word, NaN, infinities and subnormals included."""
    target, rounding, overflow = INSTRUCTIONS[name]
    source = name.split("_")[0]
    words = CVT["fp8_in" if source in ("e4m3", "e5m2") else f"{source}_in"]
    want = CVT[f"cvt_{name}"]
    if target == "tf32":  # in the upper 19 bits of a register; truncating rna leaves no trace below them
        assert not (want & 0x1FFF).any()
        want = want >> 13
    got = nf.encode(words.view(DTYPES[source]), target, rounding, overflow, nan="h100_cvt")
    found = nf.compare(got, want, target, inputs=(words,))
    assert found, str(found)
    assert found.total == len(words)


@pytest.mark.parametrize(
    "name",
    ["bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3", "float8_e3m4", "float8_e4m3fnuz", "float8_e5m2fnuz",
     "float8_e4m3b11fnuz", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e8m0fnu", "int4", "uint4"],
)  # fmt: skip
def test_ml_dtypes(name):
    """ml_dtypes gives e2m1, e2m3 and e3m2 a zero of the other sign for NaN: code 8 for +NaN, 0 for -NaN."""
    dtype = getattr(ml_dtypes, name)
    with np.errstate(invalid="ignore"):
        want = NANS.astype(dtype).view(np.uint16 if dtype(0).itemsize == 2 else np.uint8)
    np.testing.assert_array_equal(nf.encode(NANS, name, nan="ml_dtypes"), want)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
def test_torch(name):
    torch = pytest.importorskip("torch")
    bits = torch.int16 if name in ("float16", "bfloat16") else torch.uint8
    words = torch.from_numpy(NANS.copy()).to(getattr(torch, name)).view(bits).numpy()
    want = words.view(np.uint16 if words.dtype.itemsize == 2 else np.uint8)
    np.testing.assert_array_equal(nf.encode(NANS, name, nan="torch"), want)


def test_ieee_keeps_sign_and_payload():
    got = nf.encode(NANS, "float16", nan="ieee")
    assert [hex(int(c)) for c in got] == ["0x7e00", "0xfe00", "0x7e00", "0xffff", "0x7f00", "0xfe09"]
    wide = nf.encode(NANS, "float64", nan="ieee")
    quiet = [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000020000000, 0xFFFFFFFFE0000000, 0x7FFC000000000000, 0xFFF82468A0000000]
    assert wide.tolist() == quiet
    assert nf.encode(NANS, "e4m3fn", nan="ieee").tolist() == [0x7F, 0xFF, 0x7F, 0xFF, 0x7F, 0xFF]


def test_numbers_in_place_of_nan():
    x = np.array([np.nan, 1.0, -np.nan, -0.0])
    assert nf.encode(x, "e2m1", nan="to_zero").tolist() == [0, 2, 0, 8]
    assert nf.encode(x, "e2m1", nan="to_max").tolist() == [7, 2, 7, 8]
    assert nf.encode(x, "e2m1", nan="ptx_satfinite").tolist() == [7, 2, 7, 8]
    assert nf.cast(x, "int8", nan="to_max").tolist() == [127, 1, 127, 0]
    assert nf.cast(x, "nf4", nan="to_zero").tolist() == [0, 1, 0, 0]
    assert np.signbit(nf.cast(np.array([-0.0, -1e-9]), "e4m3fn", nan="positive_zero")).tolist() == [False, False]
    assert nf.encode(x[:1], "e4m3fn", nan="default").tolist() == [0x7F]


def test_refusals():
    x = np.array([np.nan])
    with pytest.raises(ValueError, match="nan='quiet' is not allowed"):
        nf.encode(x, "e4m3fn", nan="quiet")
    with pytest.raises(ValueError, match="no code in e2m1"):
        nf.encode(x, "e2m1", nan="torch")
    with pytest.raises(ValueError, match="no code in nf4"):
        nf.encode(x, "nf4", nan="h100_cvt")
    assert {"ieee", "h100_cvt", "ml_dtypes", "torch"} <= set(POLICIES)
