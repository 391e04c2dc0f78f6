"""Block-wise codebooks byte for byte as bitsandbytes 0.50.2 on the CPU: recorded words, plain models, and the live package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.blocks import bitsandbytes as blockwise
from numfmt.kernels.cascade_sum import cascade_sum

from .reference import bitsandbytes as plain

RECORDED = np.load(Path(__file__).parent / "vectors" / "bitsandbytes_blocks.npz")
MAPS = np.load(Path(__file__).parent / "vectors" / "bitsandbytes.npz")
TENSORS = {
    "odd": (9001, 1.0, 1),
    "short": (70017, 0.02, 3),
    "tiny": (4500, 3e-38, 5),
    "subnormal": (4500, 1e-40, 7),
    "large": (20000, 1e30, 9),
}
KINDS = {"nf4": "nf4", "bnb_fp4": "fp4"}
F = np.float32


def digest(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest(), np.uint8)


def tensor(name: str) -> np.ndarray:
    x = plain.formula(*TENSORS[name])
    x[32:64] = 0
    x[64:67] = -0.0
    return x


def adversarial(block: int) -> np.ndarray:
    """Blocks of zeros, one value, ties of the thresholds, below 1e-38, neighbours of powers of two, -0; and a short last block."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((9, block)).astype(F)
    rows[0], rows[1] = 0, -0.0
    rows[2] = 0
    rows[2, 3] = F(1e-44)
    rows[3] *= F(1e-39)
    for row, table in ((4, plain.TABLES["nf4"]), (5, plain.TABLES["bnb_fp4"])):
        ordered = np.sort(table)
        middles = (ordered[:-1] + ordered[1:]) / F(2)
        near = np.concatenate([middles, np.nextafter(middles, F(2)), np.nextafter(middles, F(-2))])
        rows[row, : min(block, near.size)] = near[:block]
        rows[row, 0] = 1
    rows[6] = np.ldexp(np.nextafter(F(1), F(0)), rng.integers(-20, 20, block)).astype(F)
    rows[7] = -3.0
    return np.concatenate([rows.reshape(-1), rng.standard_normal(block // 2 + 1).astype(F)])


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("kind", KINDS)
def test_four_bits_equal_recorded_words(name, kind):
    x = tensor(name)
    for block in (32, 64, 128, 256, 512, 1024, 2048, 4096):
        key = f"{name}_{KINDS[kind]}_{block}"
        q = nf.quantize(x, f"{kind}/flat{block}+dq")
        packed, state = blockwise.to_words(q)
        assert np.array_equal(digest(packed), RECORDED[f"{key}_packed"]), key
        assert np.array_equal(digest(state.absmax), RECORDED[f"{key}_codes"]), key
        assert np.array_equal(state.absmax2, RECORDED[f"{key}_second"]), key
        assert state.offset == RECORDED[f"{key}_offset"][0], key
        # its decoders differ in the sign of FP4's second zero (+0 by AVX-512, -0 by the scalar loop); ours is the table's +0
        assert np.array_equal(digest(q.dequantize() + F(0)), RECORDED[f"{key}_values"]), key
        single = nf.quantize(x.reshape(1, -1), f"{kind}/flat{block}")
        assert np.array_equal(digest(single.part("scales")), RECORDED[f"{key}_absmax"]), key
        assert np.array_equal(single.part("codes"), q.part("codes")), key
        direct, direct_state = blockwise.quantize_4bit(x, kind, block, double=True)
        assert np.array_equal(direct, packed)
        assert np.array_equal(direct_state.absmax, state.absmax)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("kind", ["dynamic8", "udynamic8"])
def test_eight_bits_equal_recorded_words(name, kind):
    for block in (64, 256, 4096):
        q = nf.quantize(tensor(name), f"{kind}/flat{block}")
        codes, state = blockwise.to_words(q)
        assert np.array_equal(digest(codes), RECORDED[f"{name}_{kind}_{block}_packed"]), block
        assert np.array_equal(digest(state.absmax), RECORDED[f"{name}_{kind}_{block}_absmax"]), block


@pytest.mark.parametrize("capability", ["avx512", "avx2", "default"])
def test_sums_equal_torch_under_every_vector_width(capability):
    """torch's sum on one thread has the order of eight lanes whether AVX-512, AVX2 or neither is used."""
    for size, word in zip(RECORDED["sum_sizes"].tolist(), RECORDED[f"sum_{capability}"], strict=True):
        assert F(cascade_sum(plain.formula(size, 1.0, 11), 8)).view(np.uint32) == word, size


def test_sixteen_lanes_are_another_order():
    recorded = zip(RECORDED["sum_sizes"].tolist(), RECORDED["sum_avx512"], strict=True)
    assert sum(F(cascade_sum(plain.formula(n, 1.0, 11), 16)).view(np.uint32) != word for n, word in recorded) > 20


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_sums_equal_the_plain_model(lanes):
    for size in (1, 3, 7, 8, 15, 16, 17, 31, 64, 65, 511, 512, 2055, 4096, 33333, 140001):
        x = plain.formula(size, 3.0, 13)
        assert cascade_sum(x, lanes) == plain.torch_sum(x, lanes), size


@pytest.mark.parametrize("kind", ["nf4", "bnb_fp4"])
@pytest.mark.parametrize("block", [32, 64, 512])
def test_four_bits_equal_the_plain_model(kind, block):
    x = adversarial(block)
    packed, state = blockwise.quantize_4bit(x, kind, block)
    want, absmax = plain.four_bits(x, plain.TABLES[kind], block)
    assert np.array_equal(packed, want)
    assert np.array_equal(state.absmax, absmax)
    codes, offset, second = plain.nested(absmax, MAPS["dynamic8_map"])
    double = blockwise.nested(absmax)
    assert np.array_equal(double.absmax, codes)
    assert double.offset == offset
    assert np.array_equal(double.absmax2, second)


def test_af4_is_its_table_in_the_arithmetic_of_nf4():
    """bitsandbytes 0.50.2 lists AF4's table but quantizes NF4 and FP4 only: no words to compare."""
    x = adversarial(64)
    fmt = nf.parse("af4")
    packed, _ = blockwise.quantize_4bit(x, "af4", 64)
    want, _ = plain.four_bits(x, np.array(fmt.table, F), 64)
    assert np.array_equal(packed, want)
    assert sorted(np.array(fmt.table, F).tolist()) == plain.AF4.tolist()


@pytest.mark.parametrize("signed", [True, False])
def test_eight_bits_equal_the_plain_model(signed):
    name = "dynamic8" if signed else "udynamic8"
    table = MAPS[f"{name}_map"]
    middles = F(0.5) * (table[1:] + table[:-1])
    near = np.concatenate([middles, np.nextafter(middles, F(2)), np.nextafter(middles, F(-2)), [1]]).astype(F)
    for x, block in ((near, near.size), (adversarial(64), 64), (np.array([0, -1e-44, 1e-44], F), 3)):
        codes, state = blockwise.quantize_8bit(x, name, block)
        want, absmax = plain.eight_bits(x, table, block)
        assert np.array_equal(codes, want)
        assert np.array_equal(state.absmax, absmax)


def test_a_value_just_above_zero_takes_the_second_zero_of_fp4():
    """bitsandbytes sorts FP4's table with its two zeros, so that (0, 0.0026] becomes code 8, minus zero."""
    x = np.zeros(64, F)
    x[:3] = 1, 1e-3, -1e-3
    assert nf.quantize(x, "bnb_fp4/flat64").codes[:4].tolist() == [3, 8, 0, 0]


def test_groups_and_flat_blocks_agree_where_they_divide_rows():
    x = plain.formula(64 * 256, 0.02).reshape(64, 256)
    flat, rows = nf.quantize(x, "nf4/flat64+dq"), nf.quantize(x, "nf4/g64+dq")
    assert np.array_equal(flat.codes, rows.codes)
    assert np.array_equal(flat.part("scale_absmax"), rows.part("scale_absmax"))
    assert np.array_equal(flat.dequantize(), rows.dequantize())
    assert np.array_equal(nf.quantize(x, "nf4/g64").codes, flat.codes)


def test_strings_storage_and_files(tmp_path):
    x = plain.formula(9001, 0.02)
    for text in ("nf4/flat64", "nf4/flat64+dq", "nf4/g64+dq", "af4/flat128", "dynamic8/flat256", "bnb_fp4/flat64+dq"):
        assert str(nf.scheme(text)) == text
        assert nf.scheme(str(nf.scheme(text))) == nf.scheme(text)
    q = nf.quantize(x, "nf4/flat64+dq")
    blocks = -(-x.size // 64)
    assert q.bits_per_element == (4 * x.size + 8 * blocks + 32 * -(-blocks // 256) + 32) / x.size
    assert nf.scheme("nf4/flat64+dq").bits_per_element((4096, 4096)) == 4 + 8 / 64 + 32 / (64 * 256) + 32 / 4096**2
    q.pack().save(tmp_path / "q.safetensors")
    assert nf.load(tmp_path / "q.safetensors") == q
    again = nf.quantize(q.dequantize(), "nf4/flat64+dq", like=q)
    assert np.array_equal(again.dequantize(), q.dequantize())


def test_refusals():
    with pytest.raises(ValueError, match="NaN or infinite"):
        nf.quantize(np.array([1, np.nan], F), "nf4/flat64+dq")
    with pytest.raises(ValueError, match="NaN or infinite"):
        blockwise.quantize_4bit(np.full(64, np.inf, F))
    with pytest.raises(ValueError, match="NaN or infinite"):
        blockwise.quantize_8bit(np.full(64, np.nan, F))
    with pytest.raises(ValueError, match="overflows float32"):
        nf.quantize(np.full(1 << 10, 3e38, F), "nf4/flat64+dq")
    with pytest.raises(ValueError, match="double quantization"):
        nf.scheme("dynamic8/flat64+dq")
    with pytest.raises(ValueError, match="N even"):
        nf.scheme("nf4/flat63+dq")
    with pytest.raises(ValueError, match="not a block-wise scheme"):
        blockwise.to_words(nf.quantize(np.ones(64, F), "int4/g64"))


@pytest.mark.exhaustive
def test_the_live_package_on_large_tensors():
    """bitsandbytes itself, where it is installed: 4 million weights, every block size, one thread."""
    torch = pytest.importorskip("torch")
    bnb = pytest.importorskip("bitsandbytes.functional")
    torch.set_num_threads(1)
    x = (np.random.default_rng(1).standard_t(4, (2048, 2048)) * 0.02).astype(F)
    for kind, theirs in KINDS.items():
        for block in (32, 64, 128, 256, 512, 1024, 2048, 4096):
            packed, state = bnb.quantize_4bit(torch.from_numpy(x), quant_type=theirs, blocksize=block, compress_statistics=True)
            words, ours = blockwise.quantize_4bit(x, kind, block, double=True)
            assert np.array_equal(packed.numpy().reshape(-1), words)
            assert np.array_equal(state.absmax.numpy(), ours.absmax)
            assert state.offset.item() == ours.offset
            assert np.array_equal(state.state2.absmax.numpy(), ours.absmax2)
