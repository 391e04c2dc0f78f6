"""The published BitMoD cost model on one layer, in plain integers and Fractions (no code shared with hwmodel).

Written from the formulas of the simulator's accelerator.py and pe_array.py (revisions of December 2024 and July 2025).
"""

from fractions import Fraction
from math import ceil

BUFFER = 512 * 1024


def up(a, b):
    return -((-a) // b)


def tile_cycles(bits, serial):
    return ceil(Fraction(int(bits), 2)) if serial else 1


def layer(b, n, k, t, k_in, *, cycle_bits, mem_bits, write_bits, dot, h, w, serial, e_rd_w, e_rd_i, e64_w, e64_i):
    """Cycles and picojoules of one layer; energies without the PE."""
    tiles = up(k, dot) * up(n, h) * up(t, w) * b
    compute = tiles * tile_cycles(cycle_bits, serial)
    mem, wr = Fraction(mem_bits), Fraction(write_bits)
    bytes_w = ceil(k * mem / 8) * n * b
    bytes_i = 2 * k_in * t * b
    bytes_o = 2 * n * t * b
    rw = ri = 1
    if bytes_w > BUFFER and bytes_i > BUFFER:
        again_w, again_i = up(bytes_i, BUFFER), up(bytes_w, BUFFER)
        if again_w * bytes_w + bytes_i < again_i * bytes_i + bytes_w:
            rw = again_w
        else:
            ri = again_i
    moved = bytes_w * rw + bytes_i * ri + bytes_o
    dram = 8 * moved // 256
    return {
        "compute": compute,
        "total": max(compute, dram),
        "sram_rd": tiles * (Fraction(e_rd_w) + Fraction(e_rd_i)),
        "sram_wr": ceil(k * wr / 64) * n * b * Fraction(e64_w) * rw
        + up(16 * k_in, 64) * t * b * Fraction(e64_i) * ri
        + up(16 * n, 64) * t * b * Fraction(e64_i),
        "dram_pj": Fraction("18.75") * 8 * moved,
    }


def attention(rev, context, q, hidden, heads, kv_heads):
    """(b, N, K, T, K_in) of QK^T and PV."""
    d, g = hidden // heads, heads // kv_heads
    if rev == "J25":
        return (kv_heads, context, d, g * q, d), (kv_heads, d, context, g * q, context)
    return (1, q, hidden, heads * q, d * kv_heads), (1, heads * q, context, q, d * kv_heads)
