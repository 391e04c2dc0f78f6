"""Units that shift a term into fixed point and add it, bit-serial ones, and L-Mul."""

from __future__ import annotations

from hwmodel.fpga import parts
from hwmodel.fpga.blocks import Block, part
from hwmodel.fpga.floats import fp_mul_exact
from hwmodel.fpga.parts import accumulate, any_of, barrel, bits_of, cells, chain, hidden, place
from hwmodel.fpga.trees import Inputs, compress
from hwmodel.units.structure.fixed import kulisch_bits


def fp_mac_kulisch(E1: int, M1: int, E2: int, M2: int, G: int, dsp: int | None = None) -> Block:
    bits = kulisch_bits(E1, M1, E2, M2, G)
    places = 2**E1 + 2**E2 - 4
    shift, width = place(M1 + M2 + 2, bits_of(places + 1), bits)
    return fp_mul_exact(E1, M1, E2, M2, dsp) >> shift >> accumulate(width, bits)


def fpint_mac(E1: int, M1: int, A: int, K: int, dsp: int | None = None) -> Block:
    """The significand gets a sign bit before the product with a signed integer."""
    from hwmodel.fpga.dsp import blocks_of

    places = max(2**E1 - 2, 0)
    bits = M1 + 1 + A
    if blocks_of(M1 + 2, A, True, dsp):
        made = parts.product(M1 + 2, A, True, dsp=dsp)
    elif M1:
        made = parts.product(M1 + 1, A, True, width=bits + 1)
    else:
        made = part("product", {"mask": A}, {"chain": 1, "bit": bits + 1}, (bits + 1,))
    amount = chain(E1, "increment", "shift amount") if E1 > 2 else Block()
    shift, width = place(bits, bits_of(places + 1), K)
    return hidden(E1) >> (made | amount) >> shift >> accumulate(width, K, wide=True)


def bitserial_int(A: int, X: int, K: int, dsp: int | None = None) -> Block:
    shift, width = place(A, X, K)
    return cells("term mantissa", {"mask": A}, 0.5) >> shift >> accumulate(width, K)


def shift_mac(W: int, A: int, K: int, dsp: int | None = None) -> Block:
    places = max(2 ** (W - 1) - 2, 0)
    amount = chain(W - 1, "increment", "shift amount") if W > 3 else Block()
    shift, width = place(A, bits_of(places + 1), K)
    return (amount | cells("code", {"gate": W}, 1)) >> shift >> accumulate(width, K)


def lmul(E: int, M: int, dsp: int | None = None) -> Block:
    """Sum of the fields; the offset from the bit that the correction term sets; zero and saturation."""
    n = E + M
    cut = M - (M if M <= 3 else 3 if M == 4 else 4)
    total = chain(n, name="field sum", span=n + 1) >> chain(n + 2 - cut, "increment", "offset")
    return (total >> cells("limits", {"limit": n}, 0.5)) | any_of(2 * n)


def bitserial_fp16(L: int = 4, X: int = 2, T: int = 3, K: int = 15, dsp: int | None = None) -> Block:
    """Lanes aligned to the largest exponent and summed; then the sum and the accumulator aligned to the larger and added."""
    e, w = max(5, X) + 1, 11 + T
    out = (hidden(5) >> (chain(e, name="exponent sum") | cells("term mantissa", {"mask": 11}, 0.5))) * L
    for _ in range(L - 1):
        out = out >> chain(e, "compare", "largest exponent") >> cells("largest exponent", {"swap": e}, 0.5)
    lane = barrel(w, name="align") >> chain(w + 1, "increment", "negate")
    if L > 1:
        lane = chain(e, name="exponent distance") >> lane >> cells("choose sign", {"xor": w}, 0.5)
    out = out >> lane * L
    if L > 1:
        inputs = Inputs()
        words = [inputs.word(w, w + bits_of(L)) for _ in range(L)]
        out = out >> compress(words, w + bits_of(L), inputs, "lane sum")
    larger = chain(e, "compare", "larger exponent") >> cells("larger exponent", {"swap": e}, 0.5)
    distance = chain(e, name="distance") * 2
    both = barrel(max(K, w + bits_of(L)), name="sum align") | barrel(K, name="accumulator align")
    return out >> larger >> distance >> both >> chain(K, name="accumulate")
