"""The blocks of llama.cpp's GGUF files (ggml): elements, bytes and fields, and the ways between values and bytes.

A row of K elements is K / `elements` blocks of `size` bytes, one behind the other. Sources: ggml-org/ggml (d99724f2),
src/ggml-common.h for the fields, src/ggml-quants.c for the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..kernels import gguf as simple
from ..kernels import gguf_bits as trits
from ..kernels import gguf_fp4 as fp4
from ..kernels import gguf_k as supers
from ..kernels import gguf_nl as table
from ..kernels import gguf_words as words

IQ4_TABLE = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)


@dataclass(frozen=True)
class Field:
    """A field beside the codes: `count` entries of `bits` bits a block, stored as `dtype`; at byte `at` unless packed (-1)."""

    name: str
    at: int
    count: int
    bits: int
    dtype: str


@dataclass(frozen=True)
class Kind:
    """One type of block.

    name: as the gguf package names the type. elements, size: of a block, in elements and bytes. group: elements that share a scale.
    code_bits: of a code. flip: what turns the file's code into a word of the element format (codes with an offset of 2**(b-1)
    differ from two's complement in the top bit). runs, half, head: the nibbles lie behind `head` bytes, in `runs` runs of 2 *
    `half` codes, the first half in the low nibbles. fields: the rest.
    """

    name: str
    elements: int
    size: int
    group: int
    code_bits: int
    flip: int
    head: int
    runs: int
    half: int
    fields: tuple[Field, ...]

    @property
    def codes(self) -> int:
        """Entries of "codes" a block: one an element, but bytes of five digits for TQ1_0."""
        return 52 if self.name == "TQ1_0" else self.elements


def _half(name: str, at: int) -> Field:
    return Field(name, at, 1, 16, "<u2")


_D, _M2 = _half("d", 0), _half("m", 2)
KINDS = {
    kind.name.lower(): kind
    for kind in (
        Kind("Q4_0", 32, 18, 32, 4, 8, 2, 1, 16, (_D,)),
        Kind("Q4_1", 32, 20, 32, 4, 0, 4, 1, 16, (_D, _M2)),
        Kind("Q5_0", 32, 22, 32, 5, 16, 6, 1, 16, (_D,)),
        Kind("Q5_1", 32, 24, 32, 5, 0, 8, 1, 16, (_D, _M2)),
        Kind("Q8_0", 32, 34, 32, 8, 0, 2, 0, 0, (_D,)),
        Kind("Q8_1", 32, 36, 32, 8, 0, 4, 0, 0, (_D, _half("s", 2))),
        Kind(
            "Q4_K", 256, 144, 32, 4, 0, 16, 4, 32, (_D, _half("dmin", 2), Field("sc", -1, 8, 6, "u1"), Field("mn", -1, 8, 6, "u1"))
        ),
        Kind("Q6_K", 256, 210, 16, 6, 32, 0, 0, 0, (_half("d", 208), Field("sc", 192, 16, 8, "u1"))),
        Kind("IQ4_NL", 32, 18, 32, 4, 0, 2, 1, 16, (_D,)),
        Kind("MXFP4", 32, 17, 32, 4, 0, 1, 1, 16, (Field("e", 0, 1, 8, "u1"),)),
        Kind("TQ1_0", 256, 54, 256, 8, 0, 0, 0, 0, (_half("d", 52),)),
        Kind("TQ2_0", 256, 66, 256, 2, 0, 0, 0, 0, (_half("d", 64),)),
        Kind("Q1_0", 128, 18, 128, 1, 0, 2, 0, 0, (_D,)),
        Kind("NVFP4", 64, 36, 16, 4, 0, 4, 4, 8, (Field("d", 0, 4, 8, "u1"),)),
    )
}


@lru_cache(maxsize=1)
def log2_rises() -> np.ndarray:
    """int32 (277,): for x = (1 + m / 2**23) * 2**E, E from -149 on, the m from which on float32's nearest to log2(x) is E + 1.

    The floor of log2f is then one more than the exponent. At the middle of two floats no x lies: the logarithm is irrational there.
    """
    found = []
    for k in range(-148, 129):
        step = np.spacing(np.nextafter(np.float32(k), np.float32(0))) if k > 0 else np.spacing(np.float32(-k))
        found.append(int(np.ceil((2.0 * 2.0 ** (-float(step) / 2) - 1) * 2**23)) if k else 1 << 23)
    return np.array(found, np.int32)


_ENCODE: dict[str, Callable[[np.ndarray, np.ndarray], None]] = {
    "q4_0": lambda x, out: simple.encode_signed(x, out, 8, 18, False),
    "q5_0": lambda x, out: simple.encode_signed(x, out, 16, 22, True),
    "q4_1": lambda x, out: simple.encode_ranged(x, out, 15, 20, False),
    "q5_1": lambda x, out: simple.encode_ranged(x, out, 31, 24, True),
    "q8_0": lambda x, out: simple.encode_bytes(x, out, 2, 34, 16),
    "q8_1": lambda x, out: simple.encode_bytes(x, out, 4, 36, 16),
    "q4_k": supers.encode_q4_k,
    "q6_k": supers.encode_q6_k,
    "iq4_nl": lambda x, out: table.encode_iq4_nl(x, out, IQ4_TABLE, 7),
    "iq4_nl+ref": lambda x, out: table.encode_iq4_nl(x, out, IQ4_TABLE, -1),
    "mxfp4": lambda x, out: fp4.encode_mxfp4(x, out, log2_rises()),
    "nvfp4": lambda x, out: fp4.encode_nvfp4(x, out, 8),
    "tq1_0": trits.encode_tq1,
    "tq2_0": trits.encode_tq2,
    "q1_0": trits.encode_q1,
}
_DECODE: dict[str, Callable[[np.ndarray, np.ndarray], None]] = {
    "q4_0": lambda data, out: simple.decode_signed(data, out, 8, 18, False, 16),
    "q5_0": lambda data, out: simple.decode_signed(data, out, 16, 22, True, 16),
    "q4_1": lambda data, out: simple.decode_ranged(data, out, 20, False, 16),
    "q5_1": lambda data, out: simple.decode_ranged(data, out, 24, True, 16),
    "q8_0": lambda data, out: simple.decode_bytes(data, out, 2, 34, 16),
    "q8_1": lambda data, out: simple.decode_bytes(data, out, 4, 36, 16),
    "q4_k": supers.decode_q4_k,
    "q6_k": supers.decode_q6_k,
    "iq4_nl": lambda data, out: table.decode_table(data, out, IQ4_TABLE, 18),
    "mxfp4": lambda data, out: fp4.decode_mxfp4(data, out, 16),
    "nvfp4": lambda data, out: fp4.decode_nvfp4(data, out, 8),
    "tq1_0": trits.decode_tq1,
    "tq2_0": trits.decode_tq2,
    "q1_0": trits.decode_q1,
}


def encode_into(x: np.ndarray, out: np.ndarray, kind: str) -> None:
    """Bytes of flat float32 values into a flat uint8 array; both contiguous, whole blocks."""
    _ENCODE[kind](x, out)


def decode_into(data: np.ndarray, out: np.ndarray, kind: str) -> None:
    """Values of flat bytes into a flat float32 array; both contiguous, whole blocks."""
    _DECODE[kind](data, out)


def encode_blocks(x: np.ndarray, kind: str) -> np.ndarray:
    """Bytes (blocks, size) of float32 values, any shape whose rows are whole blocks. kind: a key of KINDS, or "iq4_nl+ref"."""
    made = KINDS[kind.partition("+")[0]]
    out = np.empty((x.size // made.elements, made.size), np.uint8)
    encode_into(np.ascontiguousarray(x, np.float32).reshape(-1), out.reshape(-1), kind)
    return out


def decode_blocks(data: np.ndarray, kind: str) -> np.ndarray:
    """float32 values (blocks, elements) of bytes (blocks, size), in ggml's own float32 arithmetic."""
    made = KINDS[kind]
    out = np.empty((data.size // made.size, made.elements), np.float32)
    decode_into(np.ascontiguousarray(data).reshape(-1), out.reshape(-1), kind)
    return out


def split(data: np.ndarray, kind: Kind) -> dict[str, np.ndarray]:
    """The fields of blocks (blocks, size): "codes" (blocks, elements), words of the element format; others (blocks, count).

    TQ1_0: codes are its 52 bytes of digits, as no whole number of bits holds one.
    """
    codes = np.empty((len(data), kind.codes), np.uint8)
    data = np.ascontiguousarray(data)
    if kind.name == "Q6_K":
        low, high = data[:, :128].reshape(-1, 2, 2, 32), data[:, 128:192].reshape(-1, 2, 32)
        quarters = codes.reshape(-1, 2, 4, 32)
        for k in range(4):
            quarters[:, :, k] = low[:, :, k % 2] >> 4 * (k // 2) & 15 | (high >> 2 * k & 3) << 4
    elif kind.name == "TQ2_0":
        for k in range(4):
            codes.reshape(-1, 2, 4, 32)[:, :, k] = data[:, :64].reshape(-1, 2, 32) >> 2 * k & 3
    elif kind.name == "Q1_0":
        codes = np.unpackbits(data[:, 2:], axis=1, bitorder="little")
    elif kind.runs:
        words.split_nibbles(data.reshape(-1), codes.reshape(-1), kind.size, kind.head, kind.runs, kind.half)
        if kind.code_bits == 5:
            at = kind.head - 4
            codes |= np.unpackbits(data[:, at : at + 4], axis=1, bitorder="little") << 4
    else:
        codes[:] = data[:, kind.head : kind.head + kind.codes]
    if kind.flip:
        codes ^= np.uint8(kind.flip)
    found = {"codes": codes}
    for part in kind.fields:
        if part.at >= 0:
            width = part.count * np.dtype(part.dtype).itemsize
            found[part.name] = np.ascontiguousarray(data[:, part.at : part.at + width]).view(part.dtype)
    if kind.name == "Q4_K":
        first, second, third = (data[:, a : a + 4] for a in (4, 8, 12))
        found["sc"] = np.hstack([first & 63, third & 15 | first >> 6 << 4])
        found["mn"] = np.hstack([second & 63, third >> 4 | second >> 6 << 4])
    return found


def join(fields: dict[str, np.ndarray], kind: Kind) -> np.ndarray:
    """The bytes (blocks, size) of fields as `split` gives them."""
    codes = np.ascontiguousarray(fields["codes"])
    if kind.flip:
        codes = codes ^ np.uint8(kind.flip)
    out = np.empty((len(codes), kind.size), np.uint8)
    if kind.name == "Q6_K":
        quarters = codes.reshape(-1, 2, 4, 32)
        low = out[:, :128].reshape(-1, 2, 2, 32)
        for k in range(2):
            low[:, :, k] = quarters[:, :, k] & 15 | quarters[:, :, k + 2] << 4
        out[:, :128] = low.reshape(-1, 128)
        high = quarters >> 4
        out[:, 128:192] = (high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6).reshape(-1, 64)
    elif kind.name == "TQ2_0":
        quarters = codes.reshape(-1, 2, 4, 32)
        packed = quarters[:, :, 0] | quarters[:, :, 1] << 2 | quarters[:, :, 2] << 4 | quarters[:, :, 3] << 6
        out[:, :64] = packed.reshape(-1, 64)
    elif kind.name == "Q1_0":
        out[:, 2:] = np.packbits(codes, axis=1, bitorder="little")
    elif kind.runs:
        words.join_nibbles(codes.reshape(-1), out.reshape(-1), kind.size, kind.head, kind.runs, kind.half)
        if kind.code_bits == 5:
            out[:, kind.head - 4 : kind.head] = np.packbits(codes >> 4, axis=1, bitorder="little")
    else:
        out[:, kind.head : kind.head + kind.codes] = codes
    for part in kind.fields:
        if part.at >= 0:
            width = part.count * np.dtype(part.dtype).itemsize
            out[:, part.at : part.at + width] = (
                np.ascontiguousarray(fields[part.name], part.dtype).view(np.uint8).reshape(-1, width)
            )
    if kind.name == "Q4_K":
        sc, mn = fields["sc"], fields["mn"]
        out[:, 4:8] = sc[:, :4] | sc[:, 4:] >> 4 << 6
        out[:, 8:12] = mn[:, :4] | mn[:, 4:] >> 4 << 6
        out[:, 12:16] = sc[:, 4:] & 15 | (mn[:, 4:] & 15) << 4
    return out
