"""Integer units on LUTs, carry chains and DSP blocks."""

from __future__ import annotations

from hwmodel.fpga import parts
from hwmodel.fpga.blocks import Block, part
from hwmodel.fpga.dsp import blocks_of, takes_sum
from hwmodel.fpga.parts import bits_of
from hwmodel.fpga.trees import Inputs, Word, compress


def int_add(N: int, dsp: int | None = None) -> Block:
    return parts.adder(N)


def int_mul(W: int, A: int, S: int = 1, dsp: int | None = None) -> Block:
    return parts.product(W, A, bool(S), dsp=dsp).bounded(W + A, W + A)


def int_mac(W: int, A: int, K: int, dsp: int | None = None) -> Block:
    return int_dot(1, W, A, K, dsp)


def int_dot(L: int, W: int, A: int, K: int, dsp: int | None = None) -> Block:
    """All partial products and the accumulator in one tree; or a DSP block a product, with the sums inside."""
    if takes_sum([(W, A)], K, dsp):
        return part("products and sums", dsp=L)
    inputs = Inputs()
    if blocks_of(W, A, True, dsp):
        words = [inputs.word(min(W + A, K), K) for _ in range(L)]
        products = parts.product(W, A, True, "product", dsp) * L
    else:
        words = [row for _ in range(L) for row in inputs.product(W, A, K, True)]
        products = part("product bits", {"product bit": L * W * A}, {"gate": 0.5})
    return products >> _sum([inputs.word(K), *words], K, inputs, "sum")


def _sum(words: list[Word], bits: int, inputs: Inputs, name: str) -> Block:
    return compress(words, bits, inputs, name)


def shifter(N: int, AR: int = 0, dsp: int | None = None) -> Block:
    return parts.barrel(N).bounded(N + bits_of(N), N)


def lzc(N: int, dsp: int | None = None) -> Block:
    return parts.leading_zeros(N).bounded(N, bits_of(N + 1))


def xnor_popcount(N: int, dsp: int | None = None) -> Block:
    width = N.bit_length()
    inputs = Inputs()
    words = [inputs.word(1, behind=2) for _ in range(N)]
    return part("xnor", {"product bit": N}, {"gate": 0.5}) >> compress(words, width, inputs, "count")


def tern_mac(L: int, A: int, K: int, dsp: int | None = None) -> Block:
    """Each lane: both signs in K bits, one chosen and masked; one lane is added in a chain, several in a tree.

    A choice with its mask is a LUT of its own, so the tree sees one input.
    """
    lanes = parts.negated(K, A, L) >> part("choose", {"pick": L * K}, {"gate": 1})
    if L == 1:
        return lanes >> part("accumulate", {"accumulate": K}, {"chain": 1, "bit": K}, (K,))
    inputs = Inputs()
    return lanes >> compress([inputs.word(K), *(inputs.word(K) for _ in range(L))], K, inputs, "sum")


def bin_mac(L: int, A: int, K: int, dsp: int | None = None) -> Block:
    """As tern_mac without the mask: the choice merges with the chain of one lane, and with the first sums of a tree."""
    if L == 1:
        return parts.accumulate(A, K)
    lanes = parts.negated(K, A, L) >> part("choose", {"pick": L * K}, {"gate": 1})
    inputs = Inputs()
    return lanes >> compress([inputs.word(K), *(inputs.word(K, behind=3) for _ in range(L))], K, inputs, "sum")


def requant(A: int, MB: int, O: int, SB: int, dsp: int | None = None) -> Block:  # noqa: E741
    """Product and rounding constant (decoded from the amount) in one tree or DSP block, arithmetic shift, clip."""
    wide = A + MB
    half = parts.cells("rounding constant", {"round": wide}, 1)
    blocks = blocks_of(A, MB + 1, True, dsp)
    if blocks:
        made = parts.product(A, MB + 1, True, dsp=dsp)
        if blocks > 1:
            made = made >> parts.chain(wide, name="rounding")
    else:
        inputs = Inputs()
        words = [*inputs.product(A, MB, wide, True), inputs.word(wide)]
        made = part("product", {"product bit": A * MB}, {"gate": 0.5}) >> compress(words, wide, inputs, "product")
    clip = part("clip", {"any": 2 * wide, "limit": O}, {"gate": 3}, (12,), idle=10)
    return half >> made >> parts.barrel(wide, SB) >> clip
