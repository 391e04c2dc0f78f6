"""Packing in DSP blocks to the bit, constants as shifts and sums, widths of exact sums."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel.fpga as fpga
import numfmt as nf
from hwmodel.fpga.packings import PACKINGS, PORTS, blocks_for


def signed(bits):
    return np.arange(-(1 << (bits - 1)), 1 << (bits - 1))


@pytest.mark.parametrize("name", sorted(n for n in PACKINGS if n.startswith("int4")))
def test_four_int4_products_for_all_operands(name):
    p = fpga.packing(name)
    grid = np.stack(np.meshgrid(*[signed(4)[p.narrow :]] * 4, indexing="ij"), -1).reshape(-1, 4)
    for x in signed(4):
        assert (p.multiply(grid, np.full(len(grid), x)) == grid * x).all()
    assert np.abs(p.pack(grid)).max() < 1 << (PORTS[p.block][0] - 1)


@pytest.mark.parametrize("name", ["int8x2", "int8x2.e1"])
def test_two_int8_products_for_all_operands(name):
    p = fpga.packing(name)
    grid = np.stack(np.meshgrid(signed(8), signed(8), indexing="ij"), -1).reshape(-1, 2)
    assert np.abs(p.pack(grid)).max() < 1 << (PORTS[p.block][0] - 1)
    for x in (-128, -127, -1, 0, 1, 77, 127):
        assert (p.multiply(grid, np.full(len(grid), x)) == grid * x).all()


def test_packed_sums_are_those_of_the_emulated_slice():
    """nf.matmul in dsp48e2.int8x2: rows 2i and 2i + 1 of a in one block, 7 products exactly."""
    p = fpga.packing("int8x2")
    assert p.exact_products == 7
    rng = np.random.default_rng(3)
    a, b = rng.integers(-128, 128, (6, 7)), rng.integers(-128, 128, (7, 5))
    a[0], a[1], b[:, 0] = -128, -128, -128
    emulated = np.asarray(nf.matmul(nf.from_codes(a & 255, "int8"), nf.from_codes((b & 255).T, "int8").T, "dsp48e2.int8x2"))
    assert (emulated == a @ b).all()
    for i, j in itertools.product(range(3), range(5)):
        # The block's low lane is row 2i + 1, the upper one row 2i.
        weights = np.stack([a[2 * i + 1], a[2 * i]], -1)
        low, high = p.dot(weights, b[:, j])
        assert (high, low) == (emulated[2 * i, j], emulated[2 * i + 1, j])


def test_the_correction_is_needed():
    p = fpga.packing("int8x2")
    word = int(p.pack(np.array([-1, 5])) * 3)
    assert word >> 18 == 14  # one short of 5 * 3
    assert p.unpack(np.array(word), np.array([-1, 5]), np.array(3)).tolist() == [-3, 15]


def test_dot_of_a_dsp58():
    rng = np.random.default_rng(1)
    a, b = rng.integers(-256, 256, (100, 3)), rng.integers(-128, 128, (100, 3))
    assert (fpga.dot58(a, b) == (a * b).sum(-1)).all()
    with pytest.raises(ValueError, match="3 in the last axis"):
        fpga.dot58(a[:, :2], b[:, :2])


def test_products_per_block():
    assert fpga.products_per_block(8, 8, "dsp48e2") == 2
    assert fpga.products_per_block(4, 4, "dsp48e2") == 4
    assert fpga.products_per_block(4, 4, "dsp48e1") == 4
    assert fpga.products_per_block(8, 8, "dsp48e1") == 2
    assert fpga.products_per_block(8, 9, "dsp58") == 3
    assert fpga.products_per_block(16, 16, "dsp58") == 1
    assert fpga.products_per_block(32, 32, "dsp48e2") == 0
    assert blocks_for(5, 8, 8, "dsp48e2") == 3
    assert blocks_for(1, 32, 32, "dsp48e1") == 4
    assert blocks_for(1, 16, 32, "dsp48e1") == 2
    with pytest.raises(ValueError, match="dsp48e2"):
        fpga.products_per_block(8, 8, "dsp48e3")


@pytest.mark.parametrize(
    ("weights", "shared", "words"),
    [
        ([[1, 2, 3]], [1], "2 weights"),
        ([[200, 2]], [1], "8 bits"),
        ([[1.0, 2.0]], [1], "integers"),
    ],
)
def test_refusals_of_packing(weights, shared, words):
    with pytest.raises(ValueError, match=words):
        fpga.packing("int8x2").multiply(np.array(weights), np.array(shared))


def test_sums_beyond_the_lane_are_refused():
    with pytest.raises(ValueError, match="hold 7"):
        fpga.packing("int8x2").dot(np.ones((8, 2), int), np.ones(8, int))
    with pytest.raises(ValueError, match="at least -7"):
        fpga.packing("int4x4.e1").pack(np.array([0, 0, -8, 0]))
    with pytest.raises(ValueError, match="int4x4"):
        fpga.packing("int4x5")


def fewest(value, most=6):
    """Signed powers of two that a value takes, by search."""
    reach = {0}
    for n in range(most + 1):
        if value in reach:
            return n
        reach |= {r + s * 2**p for r in reach for p in range(9) for s in (1, -1)}
    raise AssertionError


def test_digits_are_the_fewest():
    for value in range(-128, 128):
        terms = fpga.naf(value)
        assert sum(sign * 2**p for p, sign in terms) == value
        assert len(terms) == fpga.digits([value])[0]
        assert all(b - a >= 2 for (a, _), (b, _) in itertools.pairwise(terms))
    for value in (7, 11, 43, 85, -93, 127):
        assert len(fpga.naf(value)) == fewest(value)


@pytest.mark.parametrize(("bits", "share"), [(2, 1.0), (3, 1.0), (4, 1.0), (5, 0.875), (6, 0.6875), (7, 0.5), (8, 0.34375)])
def test_share_of_weights_without_multiplier(bits, share):
    assert fpga.multiplier_free(signed(bits)).mean() == share


def test_k_hot_weights_take_no_dsp():
    plain = [v for v in range(-127, 128) if abs(v).bit_count() <= 2]
    assert fpga.multiplier_free(plain, 2).all()


def test_constant_products():
    cost = lambda v: fpga.block_cost(fpga.constant_product(v, 8), "xc7")  # noqa: E731
    assert (cost(0).lut, cost(1).lut, cost(64).lut) == (0, 0, 0)
    assert cost(5).lut == 9  # one adder
    assert cost(7).lut == 12  # 8x - x also runs over the low bits
    assert cost(-8).carry == 3
    for value in range(-128, 128):
        made = cost(value)
        assert made.dsp == 0
        assert len(fpga.constant_product(value, 8).parts) <= len(fpga.naf(value)) - (value > 0)
    dot = fpga.block_cost(fpga.constant_dot([3, -5, 0, 7], 8), "xc7")
    assert dot.dsp == 0
    assert dot.lut > sum(cost(v).lut for v in (3, -5, 7))


def test_published_widths_of_sums():
    assert [fpga.minifloat_sum_bits(e, m, e, m, 4608) for e, m in ((2, 3), (3, 2), (3, 3))] == [26, 32, 34]
    assert fpga.integer_sum_bits(8, 8, 4608) == 30


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(0, 3), st.integers(1, 3), st.integers(0, 3), st.integers(1, 5000))
def test_minifloat_sums_fit(e1, m1, e2, m2, n):
    """The largest sum of n products, in units of the smallest product, fits the formula's bits with a sign."""
    top = lambda e, m: (2 ** (m + 1) - 1) * 2 ** (2**e - 2)  # noqa: E731
    assert n * top(e1, m1) * top(e2, m2) < 2 ** (fpga.minifloat_sum_bits(e1, m1, e2, m2, n) - 1)
