"""Block floating point, MSFP, dynamic fixed point, bfp16ebs8 and microexponents against exact models; they have no peer."""

from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf

from .reference import mx as ref

F = np.float32


def blocks(size, seed=1):
    """A block for many powers of two and their predecessors as largest magnitude; ties, zeros of both signs, subnormals."""
    rng = np.random.default_rng(seed)
    powers = np.ldexp(F(1), [-149, -148, -140, -128, -127, -126, -125, -30, -1, 0, 1, 90, 126, 127]).astype(F)
    tops = np.concatenate([powers, np.nextafter(powers, F(0)), np.nextafter(powers, F(np.inf))])
    x = (tops[:, None] * rng.integers(-512, 513, (tops.size, size)) / 512 * 2.0 ** rng.integers(-9, 1, (tops.size, size))).astype(F)
    x[:, 2] = tops
    x[::2, 3], x[::2, 2] = tops[::2], 0
    steps = (rng.integers(-4096, 4097, (20, size)) / 2.0 ** rng.integers(0, 8, (20, 1))).astype(F)
    special = np.zeros((3, size), F)
    special[1], special[2, ::2] = -0.0, -0.0
    return np.concatenate([x, steps, special])


def exact(q):
    """Values by codes, exponents and pair bits alone."""
    bits = q.scheme.element_bits - 1
    scales = q.part("scales").reshape(-1)
    micro = q.part("micro").reshape(scales.size, -1) if "micro" in q.stored else None
    out = []
    for g, codes in enumerate(q.codes.reshape(scales.size, -1).tolist()):
        for j, code in enumerate(codes):
            power = Fraction(2) ** (int(scales[g]) - 127 - (bits - 1) - (int(micro[g, j // 2]) if micro is not None else 0))
            out.append((code & ((1 << bits) - 1)) * power * (-1 if code >> bits else 1))
    return out


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 7, 8, 12, 15])
@pytest.mark.parametrize("size", [16, 5])
def test_bfp_equals_the_exact_model(bits, size):
    x = blocks(size)
    q = nf.quantize(x, f"bfp{bits}/g{size}")
    for row, codes, scale in zip(x, q.codes.tolist(), q.part("scales").reshape(-1).tolist(), strict=True):
        assert (codes, scale) == ref.bfp_block(row, bits), row.tolist()
    for value, want in zip(q.dequantize().reshape(-1).tolist(), exact(q), strict=True):
        assert value == float(F(float(want)))


@pytest.mark.parametrize("name", ["mx9", "mx6", "mx4"])
def test_microexponents_equal_the_exact_model(name):
    bits = {"mx9": 7, "mx6": 4, "mx4": 2}[name]
    x = blocks(16)
    q = nf.quantize(x, name)
    assert q.part("micro").shape == (x.shape[0], 8)
    rows = zip(x, q.codes.tolist(), q.part("scales").reshape(-1).tolist(), q.part("micro").tolist(), strict=True)
    for row, codes, scale, micro in rows:
        assert (codes, scale, micro) == ref.micro_block(row, bits), row.tolist()
    assert 0 < q.part("micro").mean() < 1
    for value, want in zip(q.dequantize().reshape(-1).tolist(), exact(q), strict=True):
        assert value == float(F(float(want)))
    assert np.array_equal(q.row_values() * q._spread(q.row_scales), q.dequantize())
    assert q.bits_per_element == int(name[2:])


@pytest.mark.parametrize(("name", "bits"), [("dfp8", 8), ("dfp16", 16), ("dfp4", 4), ("dfp2", 2)])
def test_dynamic_fixed_point_equals_the_exact_model(name, bits):
    for row in blocks(24):
        x = row.reshape(4, 6)
        q = nf.quantize(x, name)
        scale = ref.scale_code(np.abs(row).max(), Fraction(1), 0, "floor")
        assert q.part("scales").tolist() == [[scale]]
        assert q.codes.reshape(-1).tolist() == ref.integer_block(row, bits, scale)
    assert q.codes.dtype == (np.uint16 if bits > 8 else np.uint8)


def test_bfp16ebs8_equals_the_exact_model():
    x = blocks(8)
    q = nf.quantize(x, "bfp16ebs8")
    for row, codes, scale in zip(x, q.codes.tolist(), q.part("scales").reshape(-1).tolist(), strict=True):
        assert scale == ref.scale_code(np.abs(row).max(), Fraction(1), 0, "floor")
        assert codes == ref.integer_block(row, 8, scale)
    assert q.bits_per_element == 9


@pytest.mark.parametrize("bits", range(12, 17))
def test_msfp_is_bfp_by_another_name(bits):
    x = np.random.default_rng(2).standard_normal((8, 64)).astype(F)
    a, b = nf.quantize(x, f"msfp{bits}"), nf.quantize(x, f"bfp{bits - 9}")
    assert np.array_equal(a.codes, b.codes)
    assert np.array_equal(a.dequantize(), b.dequantize())
    assert a.bits_per_element == bits - 8 + 0.5


def test_the_largest_element_takes_the_leading_bit():
    x = np.zeros((1, 16), F)
    x[0, :4] = [1.0, -0.875, 0.0625, 0.1875]
    q = nf.quantize(x, "msfp12")
    assert q.codes[0, :4].tolist() == [0b0100, 0b1100, 0, 1]  # units of 1/4; -0.875 and 0.0625 round to nearest
    assert q.dequantize()[0, :4].tolist() == [1.0, -1.0, 0.0, 0.25]


@pytest.mark.parametrize("spec", ["bfp3", "bfp12/g8", "mx9", "mx4/g8", "mx6/b2x4", "dfp16", "bfp16ebs8", "msfp13/channel"])
def test_strings_files_packing_and_like(spec, tmp_path):
    made = nf.scheme(spec)
    assert nf.scheme(str(made)) == made
    x = np.random.default_rng(3).standard_normal((6, 32)).astype(F)
    q = nf.quantize(x, spec)
    q.save(tmp_path / "a.safetensors")
    for other in (nf.load(tmp_path / "a.safetensors"), q.pack().unpack(), q.pack()):
        assert np.array_equal(other.codes, q.codes)
        assert np.array_equal(other.dequantize(), q.dequantize())
    assert np.array_equal(nf.quantize(x, spec, like=q).codes, q.codes)
    assert np.array_equal(nf.quantize(q.dequantize(), spec, like=q).dequantize(), q.dequantize())
    assert np.array_equal(q[2:4].dequantize(), q.dequantize()[2:4])


def test_clear_refusals():
    for text, message in (
        ("bfp0", "use 1 to 15"),
        ("bfp16", "use 1 to 15"),
        ("msfp9", "use msfp10 to msfp24"),
        ("dfp17", "use 2 to 16"),
        ("mx9/g5", "even length"),
        ("mx9/tensor", "even length"),
        ("bfp3+nan=torchao", "torchao has no bfp3"),
    ):
        with pytest.raises(ValueError, match=message):
            nf.scheme(text)
    with pytest.raises(ValueError, match="1 NaN or infinite"):
        nf.quantize(np.full((1, 16), [np.nan] + [1] * 15), "mx9")
