"""Units that shift a term into fixed point and add it, bit-serial ones, and L-Mul."""

from __future__ import annotations

from hwmodel.fpga import parts
from hwmodel.fpga.blocks import Block, part, when
from hwmodel.fpga.counting import Number, bits_of, larger, where
from hwmodel.fpga.dsp import blocks_of
from hwmodel.fpga.floats import fp_mul_exact
from hwmodel.fpga.parts import accumulate, any_of, barrel, cells, chain, hidden, place
from hwmodel.fpga.trees import compress
from hwmodel.units.structure.fixed import kulisch_bits


def fp_mac_kulisch(E1: Number, M1: Number, E2: Number, M2: Number, G: Number, dsp: Number = 0) -> Block:
    bits = kulisch_bits(E1, M1, E2, M2, G)
    places = 2**E1 + 2**E2 - 4
    shift, width = place(M1 + M2 + 2, bits_of(places + 1), bits)
    return fp_mul_exact(E1, M1, E2, M2, dsp) >> shift >> accumulate(width, bits)


def fpint_mac(E1: Number, M1: Number, A: Number, K: Number, dsp: Number = 0) -> Block:
    """The significand gets a sign bit before the product with a signed integer."""
    places = larger(2**E1 - 2, 0)
    bits = M1 + 1 + A
    blocks = blocks_of(M1 + 2, A, True, dsp)
    plain = where(blocks > 0, 0, 1)
    power = where(M1 == 0, plain, 0)
    made = parts.block_product(M1 + 2, A, True, "product", dsp) >> parts.lut_product(M1 + 1, A, True, bits + 1, plain - power)
    made = made >> when(power > 0, part("product", {"mask": A}, {"chain": 1, "bit": bits + 1}, ((bits + 1, 1),)))
    amount = when(E1 > 2, chain(E1, "increment", "shift amount"))
    shift, width = place(bits, bits_of(places + 1), K)
    return hidden(E1) >> (made | amount) >> shift >> accumulate(width, K, wide=True)


def bitserial_int(A: Number, X: Number, K: Number, dsp: Number = 0) -> Block:
    shift, width = place(A, X, K)
    return cells("term mantissa", {"mask": A}, 0.5) >> shift >> accumulate(width, K)


def shift_mac(W: Number, A: Number, K: Number, dsp: Number = 0) -> Block:
    amount = when(W > 3, chain(W - 1, "increment", "shift amount"))
    shift, width = place(A, where(W > 2, W - 1, 0), K)  # up to 2**(W - 1) - 2 places
    return (amount | cells("code", {"gate": W}, 1)) >> shift >> accumulate(width, K)


def lmul(E: Number, M: Number, dsp: Number = 0) -> Block:
    """Sum of the fields; the offset from the bit that the correction term sets; zero and saturation."""
    n = E + M
    cut = where(M <= 3, 0, where(M == 4, 1, M - 4))
    total = chain(n, name="field sum", span=n + 1) >> chain(n + 2 - cut, "increment", "offset")
    return (total >> cells("limits", {"limit": n}, 0.5)) | any_of(2 * n)


def bitserial_fp16(L: Number = 4, X: Number = 2, T: Number = 3, K: Number = 15, dsp: Number = 0) -> Block:
    """Lanes aligned to the largest exponent and summed; then the sum and the accumulator aligned to the larger and added."""
    e, w = larger(X, 5) + 1, 11 + T
    out = (hidden(5) >> (chain(e, name="exponent sum") | cells("term mantissa", {"mask": 11}, 0.5))) * L
    out = out >> (chain(e, "compare", "largest exponent") >> cells("largest exponent", {"swap": e}, 0.5)).repeated(L - 1)
    lane = barrel(w, name="align") >> chain(w + 1, "increment", "negate")
    lane = when(L > 1, chain(e, name="exponent distance")) >> lane >> when(L > 1, cells("choose sign", {"xor": w}, 0.5))
    wide = w + bits_of(L)
    out = out >> lane * L >> compress("lane sum", where(L > 1, wide, 0), L, word=(w, wide, 1))
    order = chain(e, "compare", "larger exponent") >> cells("larger exponent", {"swap": e}, 0.5)
    distance = chain(e, name="distance") * 2
    both = barrel(larger(K, wide), name="sum align") | barrel(K, name="accumulator align")
    return out >> order >> distance >> both >> chain(K, name="accumulate")
