"""What every scheme of the catalogue keeps: strings, storage, files, slices, repeated quantization, refusals, hard blocks."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.blocks.tensor import Packed

SCHEMES = list(nf.schemes()["scheme"])
GREEDY = {"vptq<8,256,256>/tensor"}  # two greedy stages: quantizing a result again may change it


@cache
def data(seed=0, rows=32, columns=512):
    rng = np.random.default_rng(seed)
    return (rng.standard_t(5, (rows, columns)) * 0.05).astype(np.float32)


@cache
def quantized(scheme):
    return nf.quantize(data(), scheme)


@cache
def hard(columns=512):
    """Rows of hard blocks: zeros, one outlier, predecessors of powers of two, equal values, ties, minus zeros."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((16, columns)).astype(np.float32)
    x[0] = 0.0
    x[1] = -0.0
    x[2] = 1.0
    x[3] = np.nextafter(np.float32(8), np.float32(0))
    x[4, ::2] = np.nextafter(np.float32(2), np.float32(0))
    x[5] = 0.0
    x[5, 7] = 3.0
    x[6] = rng.integers(-14, 15, columns) / 2
    x[7] *= 2.0**-20
    x[8] = -np.abs(x[8]) - 1
    x[9] = np.abs(x[9]) + 1
    x[10, 3] = 1000.0
    x[11] = 2.0 ** rng.integers(-8, 8, columns)
    return x


def part_or_none(q, index):
    """A slice, or None where the scheme says that it cannot be cut there."""
    try:
        return q[index]
    except ValueError as error:
        assert "in one run" in str(error) or "cuts through blocks" in str(error), error  # noqa: PT017
        assert q.scheme.granularity.kind in ("flat", "block") or any(part.height < 0 for part in q.parts.values())
        return None


def refused_or_quantized(x, scheme):
    """The tensor, or None where the scheme refuses x with one clear ValueError."""
    try:
        return nf.quantize(x, scheme)
    except ValueError as error:
        assert "scale" in str(error) or "range" in str(error), error  # noqa: PT017
        return None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_strings_round_trip(scheme):
    made = nf.scheme(scheme)
    assert nf.scheme(str(made)) == made
    assert hash(nf.scheme(str(made))) == hash(made)
    assert nf.scheme(made) is made


@pytest.mark.parametrize("scheme", SCHEMES)
def test_storage(scheme, tmp_path):
    x = data()
    q = quantized(scheme)
    values = q.dequantize()
    assert values.shape == x.shape
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    packed = q.pack()
    assert packed == q
    assert packed == nf.quantize(x, scheme, packed=True)
    assert packed.unpack() == q
    np.testing.assert_array_equal(packed.dequantize(), values)
    # all overheads counted, and held in no more than the packed size and a fifth
    bits = sum(part.count * part.bits for part in q.parts.values())
    assert q.bits_per_element == bits / x.size == nf.scheme(scheme).bits_per_element(x.shape)
    assert packed.held_nbytes <= 1.2 * bits / 8
    for tensor, name in ((q, "plain"), (packed, "packed")):
        path = tmp_path / f"{name}.safetensors"
        tensor.save(path)
        back = nf.load(path)
        assert back == q
        assert back.packed == tensor.packed
        np.testing.assert_array_equal(back.dequantize(), values)
    assert str(q.scheme) in repr(q)
    assert f"{q.bits_per_element:.4g} bits" in repr(q)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_flipped_stored_word_is_another_tensor(scheme):
    q = quantized(scheme)
    for name in q.stored:
        changed = {n: q.part(n).copy() for n in q.stored}
        flat = changed[name].reshape(-1)
        if not flat.size:
            continue
        flat.view(np.uint8)[0] ^= 1
        assert type(q)(q.scheme, q.shape, q.axis, changed) != q


@pytest.mark.parametrize("scheme", SCHEMES)
def test_quantizing_again_changes_nothing(scheme):
    for q in (quantized(scheme), refused_or_quantized(hard(), scheme)):
        if q is None or scheme in GREEDY:
            continue
        y = q.dequantize()
        again = nf.quantize(y, scheme, like=q)
        np.testing.assert_array_equal(again.dequantize(), y)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axis(scheme):
    x = data()
    q = quantized(scheme)
    transposed = nf.quantize(np.ascontiguousarray(x.T), scheme, axis=0)
    if nf.scheme(scheme).granularity.kind != "flat":
        np.testing.assert_array_equal(transposed.dequantize(), q.dequantize().T)
        assert transposed == q.T
    deep = nf.quantize(x.reshape(4, 8, 512), scheme)
    np.testing.assert_array_equal(deep.dequantize().reshape(x.shape), q.dequantize())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_slices_are_the_values_of_their_rows(scheme):
    q = nf.quantize(data().reshape(2, 16, 512), scheme)
    whole = q.dequantize()
    for index in (0, slice(1, None), (Ellipsis, slice(None)), (slice(None), slice(0, 16)), (1, slice(0, 16))):
        part = part_or_none(q, index)
        if part is None:
            continue
        np.testing.assert_array_equal(part.dequantize(), whole[index])
        assert part.pack() == part
    with pytest.raises(ValueError, match="cuts axis 2"):
        q[:, :, :16]
    with pytest.raises(IndexError):
        q[2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_hard_blocks_do_not_break_the_rule(scheme):
    x = hard()
    q = refused_or_quantized(x, scheme)
    if q is None:
        return
    y = q.dequantize()
    assert np.isfinite(y).all()
    made = nf.scheme(scheme)
    if made.family in ("scaled", "mx", "nvfp4", "bitmod", "gguf"):  # schemes that hold zero in every group
        assert not y[0].any()
        assert not y[1].any()
    for row in range(len(x)):  # one row alone gives what it gives among others, unless rows share what is stored
        if made.granularity.kind in ("channel", "token", "group") and made.way.by_rows(made):
            alone = nf.quantize(x[row : row + 1], scheme).dequantize()
            np.testing.assert_array_equal(alone[0], y[row], err_msg=f"row {row}")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_inputs_are_the_same_in_every_kind_of_array(scheme):
    x = data(5).astype(np.float16)
    want = nf.quantize(x.astype(np.float32), scheme)
    assert nf.quantize(x, scheme) == want
    assert nf.quantize(np.asfortranarray(x), scheme) == want
    if want.scheme.arith != "exact":
        assert nf.quantize(x.astype(np.float64), scheme) == want


@pytest.mark.parametrize("scheme", SCHEMES)
def test_refusals(scheme):
    x = data()
    for bad in (np.nan, np.inf, -np.inf):
        y = x.copy()
        y[1, 3] = bad
        if "+nan=" in scheme:  # the block alone turns NaN, or holds what the stack makes of an infinity
            q = nf.quantize(y, scheme)
            assert np.isnan(q.dequantize()[1, 3]) or "torchao" in scheme
            np.testing.assert_array_equal(q.dequantize()[:, 32:], quantized(scheme).dequantize()[:, 32:])
            continue
        with pytest.raises(ValueError, match="NaN"):
            nf.quantize(y, scheme)
    with pytest.raises(ValueError, match="empty"):
        nf.quantize(x[:0], scheme)
    made = nf.scheme(scheme)
    if made.granularity.kind in ("group", "block"):
        with pytest.raises(ValueError, match="divide"):
            nf.quantize(x[:, :509], scheme)
        if made.family == "scaled":
            padded = nf.quantize(x[:31, :509], f"{made}+pad")
            assert padded.shape == (31, 509)
            assert padded.dequantize().shape == (31, 509)
            assert padded.bits_per_element > made.bits_per_element((32, 512))
            zeros = np.zeros((32, 512), np.float32)
            zeros[:31, :509] = x[:31, :509]
            np.testing.assert_array_equal(padded.dequantize(), nf.quantize(zeros, made).dequantize()[:31, :509])
    with pytest.raises(ValueError, match="unknown or does not apply"):
        nf.scheme(f"{made}+nonsense")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_torch_tensors(scheme):
    torch = pytest.importorskip("torch")
    assert nf.quantize(torch.from_numpy(data()), scheme) == quantized(scheme)


def test_the_catalogue():
    frame = nf.schemes()
    assert list(frame.columns) == ["scheme", "what", "bits_per_element", "source", "status"]
    assert frame["scheme"].is_unique
    assert set(frame["status"]) <= {"measured", "read", "recalled", "inferred"}
    assert (frame["source"].str.len() > 5).all()
    assert (frame["bits_per_element"] > 1).all()


def test_packed_parts_are_dense():
    q = nf.quantize(data(), "int3/g128", packed=True)
    assert isinstance(q.stored["codes"], Packed)
    assert q.stored["codes"].words.nbytes == 32 * 512 * 3 // 8
    assert q.nbytes == q.held_nbytes


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_largest_float32_values_warn_of_nothing(scheme):
    x = np.full((32, 512), np.finfo(np.float32).max, np.float32)
    x[:, ::3] *= -1
    x[3] *= 0.5
    if (q := refused_or_quantized(x, scheme)) is not None:  # warnings are errors in these tests
        assert not np.isnan(q.dequantize()).any()


IMPOSABLE = [
    s for s in SCHEMES if nf.scheme(s).family in ("scaled", "shared", "mean", "ant", "olive") and nf.scheme(s).rule != "range"
]


@settings(max_examples=60, deadline=None)
@given(scheme=st.sampled_from(IMPOSABLE), seed=st.integers(0, 2**32 - 1), exponent=st.integers(-12, 12))
def test_given_scales_and_choice_make_a_fixed_point(scheme, seed, exponent):
    rng = np.random.default_rng(seed)
    x = (rng.standard_t(3, (16, 256)) * 2.0**exponent).astype(np.float32)
    x = x.clip(-3e4, 3e4)  # within the range of rules in float16
    q = nf.quantize(x, scheme)
    y = q.dequantize()
    again = nf.quantize(y, scheme, scales=q.scales, choice=q.choice)
    np.testing.assert_array_equal(again.dequantize(), y)
