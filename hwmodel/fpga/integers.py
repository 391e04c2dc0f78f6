"""Integer units on LUTs, carry chains and DSP blocks."""

from __future__ import annotations

from hwmodel.fpga import parts
from hwmodel.fpga.blocks import Block, either, part, when
from hwmodel.fpga.counting import Number, bit_length, bits_of, larger, smaller, where
from hwmodel.fpga.dsp import blocks_of, takes_sum
from hwmodel.fpga.trees import compress


def int_add(N: Number, dsp: Number = 0) -> Block:
    return parts.adder(N)


def int_mul(W: Number, A: Number, S: Number = 1, dsp: Number = 0) -> Block:
    return parts.product(W, A, S, dsp=dsp).bounded(W + A, W + A)


def int_mac(W: Number, A: Number, K: Number, dsp: Number = 0) -> Block:
    return int_dot(1, W, A, K, dsp)


def int_dot(L: Number, W: Number, A: Number, K: Number, dsp: Number = 0) -> Block:
    """All partial products and the accumulator in one tree; or a DSP block a product, with the sums inside."""
    merged = takes_sum(W, A, K, dsp)
    blocks = where(merged, 0, blocks_of(W, A, True, dsp))
    luts = where(merged, 0, where(blocks > 0, 0, 1))
    inside = part("products and sums", dsp=where(merged, L, 0))
    in_blocks = when(blocks > 0, parts.block_product(W, A, True, "product", dsp) * L)
    bits = part("product bits", {"product bit": luts * L * W * A}, {"gate": 0.5 * luts})
    tree = compress(
        "sum",
        where(merged, 0, K),
        L,
        (luts * larger(W, A), luts * smaller(W, A), 1),
        ((1 - luts) * smaller(W + A, K), K, 1),
        first=K,
    )
    return inside >> in_blocks >> bits >> tree


def shifter(N: Number, AR: Number = 0, dsp: Number = 0) -> Block:
    return parts.barrel(N).bounded(N + bits_of(N), N)


def lzc(N: Number, dsp: Number = 0) -> Block:
    return parts.leading_zeros(N).bounded(N, bits_of(N + 1))


def xnor_popcount(N: Number, dsp: Number = 0) -> Block:
    return part("xnor", {"product bit": N}, {"gate": 0.5}) >> compress("count", bit_length(N), N, word=(1, 1, 2))


def tern_mac(L: Number, A: Number, K: Number, dsp: Number = 0) -> Block:
    """Each lane: both signs in K bits, one chosen and masked; one lane is added in a chain, several in a tree.

    A choice with its mask is a LUT of its own, so the tree sees one input.
    """
    single = part("accumulate", {"accumulate": K}, {"chain": 1, "bit": K}, ((K, 1),))
    return _chosen(L, A, K) >> either(L == 1, single, compress("sum", where(L > 1, K, 0), L, word=(K, K, 1), first=K))


def bin_mac(L: Number, A: Number, K: Number, dsp: Number = 0) -> Block:
    """As tern_mac without the mask: the choice merges with the chain of one lane, and with the first sums of a tree."""
    several = _chosen(L, A, K) >> compress("sum", where(L > 1, K, 0), L, word=(K, K, 3), first=K)
    return either(L == 1, parts.accumulate(A, K), several)


def _chosen(L: Number, A: Number, K: Number) -> Block:
    return parts.negated(K, A, L) >> part("choose", {"pick": L * K}, {"gate": 1})


def requant(A: Number, MB: Number, O: Number, SB: Number, dsp: Number = 0) -> Block:  # noqa: E741
    """Product and rounding constant (decoded from the amount) in one tree or DSP block, arithmetic shift, clip."""
    wide = A + MB
    half = parts.cells("rounding constant", {"round": wide}, 1)
    blocks = blocks_of(A, MB + 1, True, dsp)
    luts = where(blocks > 0, 0, 1)
    in_blocks = parts.block_product(A, MB + 1, True, "product", dsp) >> when(blocks > 1, parts.chain(wide, name="rounding"))
    bits = part("product", {"product bit": luts * A * MB}, {"gate": 0.5 * luts})
    tree = compress("product", luts * wide, product=(A, MB, 1), last=wide)
    clip = part("clip", {"any": 2 * wide, "limit": O}, {"gate": 3}, ((12, 1),), idle=10)
    return half >> in_blocks >> bits >> tree >> parts.barrel(wide, SB) >> clip
