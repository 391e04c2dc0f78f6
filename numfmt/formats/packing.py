"""Dense storage of codes: widths that are no power of two, and the nibble orders of the field."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .._arrays import restore_like, to_numpy
from .._checks import check_in, check_int_range, plain_int
from .._threads import ALIGN, in_pieces
from ..kernels import packing as kernels
from ..kernels.tables import look_up_all, look_up_groups, look_up_halves, look_up_nibbles, look_up_nibbles_high
from .base import Format, decode_table
from .edges import apart, as_codes, check_out
from .floats import Float
from .parse import parse

ORDERS = ("low_first", "high_first", "ggml")
_BLOCK = 1 << 14


def pack(codes: Any, bits: int, order: str = "low_first", block: int = 32, out: Any = None) -> Any:
    """Codes of `bits` bits each, packed without gaps. Returns uint8, 1-D, ceil(n * bits / 8) bytes, n the number of codes.

    codes: unsigned integers below 2**bits of any shape, read in C order. bits: 1 to 64. order:

    - "low_first": one stream of bits, the low bits of each byte first; with 4 bits, the even index in the low nibble
      (TransformerEngine, torchao and modelopt store NVFP4 and MXFP4 so). Any width.
    - "high_first": the first code in the high bits of a byte (bitsandbytes' NF4 and FP4). 1, 2, 4 and 8 bits.
    - "ggml": in blocks of `block` codes, byte j holds code j (low nibble) and code j + block / 2 (high nibble), as llama.cpp's
      Q4_0, IQ4_NL and MXFP4 do with 32, and its NVFP4 with 16. 4 bits; n a multiple of `block`.

    The last byte is filled with zero bits. Raises ValueError for codes out of range and for widths or lengths an order lacks.
    """
    bits = plain_int(bits)
    _check_order(bits, order, block)
    array = as_codes(codes, bits, f"a width of {bits} bits")
    if order == "ggml" and array.size % block:
        raise ValueError(f"codes has {array.size} elements; order='ggml' takes a multiple of block={block}")
    flat = np.ascontiguousarray(array).reshape(-1)
    target = check_out(out, (packed_size(array.size, bits),), np.dtype(np.uint8))
    flat = apart(flat, target)
    if order == "ggml":
        kernels.pack_halves(flat, block // 2, target)
    elif bits == 4:
        kernels.pack_nibbles(flat, order == "low_first", target)
    elif 8 % bits == 0:
        kernels.pack_in_bytes(flat, bits, order == "low_first", target)
    else:
        kernels.pack_low(flat, bits, target)
    return restore_like(codes, target) if out is None else out


def unpack(packed: Any, bits: int, count: int, order: str = "low_first", block: int = 32, out: Any = None) -> Any:
    """The first `count` codes that `pack` wrote: 1-D, in the smallest unsigned dtype of `bits` bits."""
    bits, count = plain_int(bits), plain_int(count)
    _check_order(bits, order, block)
    flat = _packed(packed, bits, count, order, block)
    dtype = np.min_scalar_type((1 << bits) - 1)
    target = check_out(out, (count,), dtype)
    flat = apart(flat, target)
    _unpack(flat, bits, order, block, 0, target)
    return restore_like(packed, target) if out is None else out


def decode_packed(packed: Any, fmt: Format | str, count: int, order: str = "low_first", block: int = 32, out: Any = None) -> Any:
    """The values of `count` packed codes, decode(unpack(packed, ...)) without the codes in between. Returns a 1-D array."""
    fmt, count = parse(fmt), plain_int(count)
    _check_order(fmt.bits, order, block)
    flat = _packed(packed, fmt.bits, count, order, block)
    values = check_out(out, (count,), fmt.value_dtype)
    flat = apart(flat, values)
    if fmt.value_dtype.kind == "O":
        codes = np.empty(count, fmt.code_dtype)
        _unpack(flat, fmt.bits, order, block, 0, codes)
        values[...] = [fmt.decode_exact(int(code)) for code in codes]
        return restore_like(packed, values) if out is None else out
    done = _by_bytes(flat, fmt, count, order, block, values)

    def piece(start: int, stop: int) -> int:
        codes = np.empty(min(_BLOCK, stop - start), fmt.code_dtype)
        for i in range(start, stop, _BLOCK):
            j = min(i + _BLOCK, stop)
            _unpack(flat, fmt.bits, order, block, i, codes[: j - i])
            fmt.decode_array(codes[: j - i], values[i:j])
        return 0

    if done < count:
        if done:
            piece(done, count)
        elif _BLOCK % block == 0:
            in_pieces(count, piece)
        else:  # pieces would cut the blocks of the order
            codes = np.empty(count, fmt.code_dtype)
            _unpack(flat, fmt.bits, order, block, 0, codes)
            fmt.decode_array(codes, values)
    return restore_like(packed, values) if out is None else out


def packed_size(count: int, bits: int) -> int:
    """Bytes of `count` packed codes."""
    return -(-count * bits // 8)


def _by_bytes(flat: np.ndarray, fmt: Format, count: int, order: str, block: int, values: np.ndarray) -> int:
    """Decode the whole bytes by a table of 256 groups where the width divides 8; how many values that made."""
    if fmt.bits not in (1, 2, 4) or not _is_plain(fmt):
        return 0
    if order == "ggml":
        entries = decode_table(fmt)

        def blocks(i: int, j: int) -> int:  # pieces begin at multiples of ALIGN, or there is one piece
            look_up_halves(flat[i // 2 : j // 2], entries, block // 2, values[i:j])
            return 0

        if ALIGN % block == 0:
            in_pieces(count, blocks)
        else:
            blocks(0, count)
        return count
    per = 8 // fmt.bits
    whole = count // per
    if fmt.bits == 4:
        entries = decode_table(fmt)
        loop = look_up_nibbles if order == "low_first" else look_up_nibbles_high

        def nibbles(i: int, j: int) -> int:
            loop(flat[i:j], entries, values[2 * i : 2 * j])
            return 0

        in_pieces(whole, nibbles)
        return 2 * whole
    table = _group_table(fmt, order)
    if table.itemsize * per == 8:  # two float32: one 64-bit store
        table, target = table.view(np.uint64), values[: whole * per].view(np.uint64).reshape(-1, 1)
    else:
        target = values[: whole * per].reshape(-1, per)

    def piece(i: int, j: int) -> int:
        if table.shape[1] == 1:
            look_up_all(flat[i:j], table[:, 0], target[i:j, 0])
        else:
            look_up_groups(flat[i:j], table, target[i:j])
        return 0

    in_pieces(whole, piece)
    return whole * per


def _is_plain(fmt: Format) -> bool:
    """Whether every code stands for something (a codebook may have fewer entries than codes)."""
    return isinstance(fmt, Float) or not bool(np.isnan(decode_table(fmt)).any())


@lru_cache(maxsize=256)
def _group_table(fmt: Format, order: str) -> np.ndarray:
    """(256, 8 / bits): the values in each byte."""
    per = 8 // fmt.bits
    codes = np.empty((256, per), np.uint8)
    for byte in range(256):
        kernels.unpack_in_bytes(np.array([byte], np.uint8), fmt.bits, order == "low_first", 0, codes[byte])
    return decode_table(fmt)[codes]


def _unpack(flat: np.ndarray, bits: int, order: str, block: int, first: int, codes: np.ndarray) -> None:
    if order == "ggml":
        kernels.unpack_halves(flat, block // 2, first, codes)
    elif 8 % bits == 0:
        kernels.unpack_in_bytes(flat, bits, order == "low_first", first, codes)
    else:
        kernels.unpack_low(flat, bits, first, codes)


def _packed(packed: Any, bits: int, count: int, order: str, block: int) -> np.ndarray:
    check_int_range("count", count, 0, 2**62)
    array, _ = to_numpy(packed, "packed")
    if array.dtype != np.uint8:
        raise ValueError(f"packed has dtype {array.dtype}; packed codes are bytes (uint8): use nf.pack to make them")
    if array.size < packed_size(count, bits):
        raise ValueError(
            f"packed holds {array.size} bytes; count={count} codes of {bits} bits take {packed_size(count, bits)}: "
            f"pass count <= {array.size * 8 // bits}"
        )
    if order == "ggml" and count % block:
        raise ValueError(f"count={count} is not allowed; order='ggml' takes a multiple of block={block}")
    return np.ascontiguousarray(array).reshape(-1)


def _check_order(bits: int, order: str, block: int) -> None:
    check_int_range("bits", bits, 1, 64)
    check_in("order", order, ORDERS)
    if order == "ggml":
        check_int_range("block", block, 2, 1 << 20)
        if bits != 4 or block % 2:
            raise ValueError(f"order='ggml' takes 4-bit codes and an even block, not bits={bits}, block={block}; use 'low_first'")
    elif order == "high_first" and 8 % bits:
        raise ValueError(f"order='high_first' takes 1, 2, 4 or 8 bits, not {bits}; use 'low_first'")
