"""Matrix units in plain integers and fractions: one output element at a time, no code shared with numfmt.

The rules are those measured on an NVIDIA H100 and published for other GPUs (see tests/vectors/README.md for the recorded words).
Words are Python ints. `None` as c means that the instruction has no accumulator input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

# name: (exponent bits, mantissa bits, bias, rule of the largest exponent)
FORMATS = {
    "f32": (8, 23, 127, "ieee"),
    "tf32": (8, 23, 127, "ieee"),  # a float32 word whose low 13 bits are cut first
    "f64": (11, 52, 1023, "ieee"),
    "f16": (5, 10, 15, "ieee"),
    "bf16": (8, 7, 127, "ieee"),
    "e5m2": (5, 2, 15, "ieee"),
    "e4m3": (4, 3, 7, "one_nan"),
    "e3m2": (3, 2, 3, "finite"),
    "e2m3": (2, 3, 1, "finite"),
    "e2m1": (2, 1, 1, "finite"),
}
NAN = {"f32": 0x7FFFFFFF, "f16": 0x7FFF}
INF = {"f32": 0x7F800000, "f16": 0x7C00}


@dataclass(frozen=True)
class Number:
    """(-1)**sign * significand * 2**(exponent - fraction), or a special: kind 'num', 'inf' or 'nan'."""

    kind: str
    sign: int = 0
    significand: int = 0
    exponent: int = 0
    fraction: int = 0

    @property
    def value(self) -> Fraction:
        return (-1) ** self.sign * Fraction(self.significand) * Fraction(2) ** (self.exponent - self.fraction)


def decode(word: int, fmt: str) -> Number:
    exponent_bits, man, bias, rule = FORMATS[fmt]
    if fmt == "tf32":
        word &= 0xFFFFE000
    sign = word >> (exponent_bits + man) & 1
    field = word >> man & ((1 << exponent_bits) - 1)
    fraction = word & ((1 << man) - 1)
    if field == (1 << exponent_bits) - 1:
        if rule == "ieee":
            return Number("nan") if fraction else Number("inf", sign)
        if rule == "one_nan" and fraction == (1 << man) - 1:
            return Number("nan")
    hidden = 1 << man if field else 0
    return Number("num", sign, hidden + fraction, max(field, 1) - bias, man)


def as_f16(x: Number) -> Number:
    """The same value with the exponent that float16 stores it with."""
    if x.kind != "num" or x.significand == 0:
        return x
    top = x.significand.bit_length() - 1 + x.exponent - x.fraction
    exponent = max(top, -14)
    significand = Fraction(x.significand) * Fraction(2) ** (x.exponent - x.fraction - exponent + 10)
    assert significand.denominator == 1
    return Number("num", x.sign, int(significand), exponent, 10)


def _round_even(value: Fraction) -> int:
    low = math.floor(value)
    rest = value - low
    return low + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2 == 1))


def to_word(value: Fraction, out: str) -> int:
    """The word of a sum: 'rz' float32 truncated, 'short' the same with 13 fraction bits, 'f16_rne', 'f32_rne', 'bf16_rne'."""
    if value == 0:
        return 0
    exponent_bits, man, bias, _ = FORMATS[{"rz": "f32", "short": "f32"}.get(out, out.removesuffix("_rne"))]
    kept = 13 if out == "short" else man
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    exponent = max(exponent, 1 - bias)
    scaled = size / Fraction(2) ** (exponent - kept)
    whole = math.floor(scaled) if out in ("rz", "short") else _round_even(scaled)
    if whole == 0:
        return 0
    if whole >= 2 << kept:
        whole, exponent = whole >> 1, exponent + 1
    sign = (value < 0) << (exponent_bits + man)
    if exponent > bias:
        return sign | ((1 << exponent_bits) - 1) << man
    whole <<= man - kept
    field = exponent + bias if whole >> man else 0
    return sign | field << man | (whole & ((1 << man) - 1))


def block_sum(products: list[tuple[Number, Number]], c: Number, frac_bits: int, floor: int | None, out: str) -> int:
    """One block: products and accumulator aligned to the largest exponent, cut, added, rounded."""
    result = "f16" if out == "f16_rne" else "f32"
    infinities = set()
    for a, b in products:
        if "nan" in (a.kind, b.kind):
            return NAN[result]
        if "inf" in (a.kind, b.kind):
            if (a.kind == "num" and a.significand == 0) or (b.kind == "num" and b.significand == 0):
                return NAN[result]
            infinities.add(a.sign ^ b.sign)
    if c.kind == "nan":
        return NAN[result]
    if c.kind == "inf":
        infinities.add(c.sign)
    if len(infinities) == 2:
        return NAN[result]
    if infinities:
        return INF[result] | infinities.pop() << (15 if result == "f16" else 31)
    terms = [
        (a.sign ^ b.sign, a.significand * b.significand, a.exponent + b.exponent, a.fraction + b.fraction) for a, b in products
    ]
    terms.append((c.sign, c.significand, c.exponent, c.fraction))
    terms = [t for t in terms if t[1]]
    if not terms:
        return 0
    top = max(t[2] for t in terms)
    if floor is not None:
        top = max(top, floor)
    total = 0
    for sign, significand, exponent, fraction in terms:
        shift = exponent - fraction - (top - frac_bits)
        cut = significand << shift if shift >= 0 else significand >> -shift
        total += -cut if sign else cut
    return to_word(Fraction(total) * Fraction(2) ** (top - frac_bits), out)


ZERO = Number("num")


def aligned(a: list[Number], b: list[Number], c: int, terms: int, frac_bits: int, floor: int | None, out: str) -> int:
    """Blocks of `terms` products in k order, each starting from the last one's rounded word."""
    fmt = "f16" if out == "f16_rne" else "f32"
    word = c
    for start in range(0, len(a), terms):
        block = list(zip(a[start : start + terms], b[start : start + terms], strict=True))
        word = block_sum(block, decode(word, fmt), frac_bits, floor, out)
    return word


def add_words(x: int, y: int, fmt: str) -> int:
    """IEEE addition to nearest even of two float32 or float16 words; NaN is the canonical one."""
    p, q = decode(x, fmt), decode(y, fmt)
    if "nan" in (p.kind, q.kind) or (p.kind == q.kind == "inf" and p.sign != q.sign):
        return NAN[fmt]
    if p.kind == "inf" or q.kind == "inf":
        return INF[fmt] | (p if p.kind == "inf" else q).sign << (15 if fmt == "f16" else 31)
    total = p.value + q.value
    if total == 0:
        return (p.sign & q.sign) << (15 if fmt == "f16" else 31)
    return to_word(total, fmt + "_rne")


def emulated_fp8(a: list[Number], b: list[Number], c: int, k: int, out: str) -> int:
    """mma.sync with FP8 operands on sm_90 and sm_100: two float16 matrix instructions from zero, then c is added."""
    fmt = "f16" if out == "f16_rne" else "f32"
    a, b = [as_f16(x) for x in a], [as_f16(x) for x in b]
    floor = -21 if out == "f16_rne" else -133
    word = c
    for start in range(0, len(a), k):
        inner = 0
        for group in ((0, 1), (2, 3)):
            picked = [i for i in range(start, min(start + k, len(a))) if (i - start) % 4 in group]
            inner = block_sum([(a[i], b[i]) for i in picked], decode(inner, fmt), 25, floor, out)
        word = add_words(word, inner, fmt)
    return word


def integer(a: list[int], b: list[int], c: int, saturate: bool, k: int = 32) -> int:
    """8-bit integers: the exact sum of an instruction and c, modulo 2**32 or clamped once. Words of s32."""
    total = c - (c >> 31 << 32)
    for start in range(0, len(a), k):
        total += sum(x * y for x, y in zip(a[start : start + k], b[start : start + k], strict=True))
        total = min(max(total, -(2**31)), 2**31 - 1) if saturate else (total + 2**31) % 2**32 - 2**31
    return total % 2**32


def double_chain(a: list[int], b: list[int], c: int) -> int:
    """float64: fused multiply-adds in k order. NaN: b first, then the accumulator, then a, made quiet."""
    word = c
    for x, y in zip(a, b, strict=True):
        p, q, r = decode(x, "f64"), decode(y, "f64"), decode(word, "f64")
        nan = next((w for w, n in ((y, q), (word, r), (x, p)) if n.kind == "nan"), None)
        if nan is not None:
            word = nan | 1 << 51
            continue
        sign = p.sign ^ q.sign
        if "inf" in (p.kind, q.kind):
            zero = any(n.kind == "num" and n.significand == 0 for n in (p, q))
            word = 0xFFF8000000000000 if zero or (r.kind == "inf" and r.sign != sign) else sign << 63 | 0x7FF << 52
        elif r.kind == "inf":
            pass
        else:
            total = p.value * q.value + r.value
            word = to_word(total, "f64_rne") if total else (sign & r.sign) << 63
    return word


# -- block-scaled types of Blackwell (published models; seven public words) ----------------------------------------------------


def scale_ue8m0(word: int) -> Number:
    return Number("nan") if word == 255 else Number("num", 0, 1, word - 127, 0)


def scale_ue4m3(word: int) -> Number:
    return Number("nan") if word & 127 == 127 else decode(word & 127, "e4m3")


def mxf8f6f4(a: list[Number], b: list[Number], c: int, scales: list[tuple[int, int]]) -> int:
    """k32 steps with one ue8m0 pair for 32 products: every product's exponent is raised by both scale exponents."""
    word = c
    for step, (sa, sb) in enumerate(scales):
        p, q = scale_ue8m0(sa), scale_ue8m0(sb)
        if "nan" in (p.kind, q.kind):
            word = NAN["f32"]
            continue
        raised = [
            Number(x.kind, x.sign, x.significand, x.exponent + p.exponent + q.exponent, x.fraction)
            for x in a[32 * step : 32 * step + 32]
        ]
        word = block_sum(list(zip(raised, b[32 * step : 32 * step + 32], strict=True)), decode(word, "f32"), 25, None, "rz")
    return word


def mxf4(a: list[Number], b: list[Number], c: int, scales: list[tuple[int, int]], kind: str) -> int:
    """k64 steps, MMA-Sim's rule: 16 products summed exactly times both scale significands are one term; 35 fraction bits."""
    read = scale_ue8m0 if kind == "ue8m0" else scale_ue4m3
    each = len(a) // len(scales)  # products that share a scale
    word = c
    for start in range(0, len(a), 64):
        acc = decode(word, "f32")
        terms = [(acc.value, acc.exponent)]
        nan = acc.kind == "nan"
        for block in range(start, start + 64, 16):
            p, q = (read(w) for w in scales[block // each])
            nan = nan or "nan" in (p.kind, q.kind)
            exact = sum(x.value * y.value for x, y in zip(a[block : block + 16], b[block : block + 16], strict=True))
            terms.append((exact * p.value * q.value, p.exponent + q.exponent))
        if nan or acc.kind == "inf":
            word = NAN["f32"] if nan else word
            continue
        terms = [t for t in terms if t[0]]
        if not terms:
            word = 0
            continue
        quantum = Fraction(2) ** (max(e for _, e in terms) - 35)
        word = to_word(sum(math.trunc(v / quantum) for v, _ in terms) * quantum, "rz")
    return word


# -- AMD (published models; no recorded words) ---------------------------------------------------------------------------------


def _flush(word: int) -> int:
    return word & 0x80000000 if word >> 23 & 255 == 0 else word


def _multiply(a: Number, b: Number) -> int:
    if "nan" in (a.kind, b.kind):
        return NAN["f32"]
    sign = (a.sign ^ b.sign) << 31
    if "inf" in (a.kind, b.kind):
        zero = any(n.kind == "num" and n.significand == 0 for n in (a, b))
        return NAN["f32"] if zero else sign | INF["f32"]
    value = a.value * b.value
    return to_word(value, "f32_rne") if value else sign


def cdna2(a: list[Number], b: list[Number], c: int, terms: int, flush: bool = True) -> int:
    """CDNA2: float32 products summed pairwise to nearest even, subnormals flushed, then added to c. CDNA1: no flush."""
    keep = _flush if flush else (lambda word: word)
    word = keep(c)
    for start in range(0, len(a), terms):
        level = []
        for x, y in zip(a[start : start + terms], b[start : start + terms], strict=True):
            if flush:
                x, y = (Number("num", n.sign) if n.kind == "num" and n.significand >> n.fraction == 0 else n for n in (x, y))
            level.append(keep(_multiply(x, y)))
        while len(level) > 1:
            level = [keep(add_words(*level[i : i + 2], "f32")) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
        word = keep(add_words(word, level[0], "f32"))
    return word


def cdna1_exact(a: list[Number], b: list[Number], c: int, terms: int) -> int:
    """CDNA1, the other reading: exact sum of the products and c, rounded once (finite operands)."""
    word = c
    for start in range(0, len(a), terms):
        part = sum(x.value * y.value for x, y in zip(a[start : start + terms], b[start : start + terms], strict=True))
        word = to_word(part + decode(word, "f32").value, "f32_rne")
    return word


def _floor_at(value: Fraction, exponent: int, bits: int) -> Fraction:
    quantum = Fraction(2) ** (exponent - bits)
    return math.floor(value / quantum) * quantum


def _trunc_sum(terms: list[tuple[Fraction, int]], bits: int) -> tuple[Fraction, int]:
    terms = [t for t in terms if t[0]]
    if not terms:
        return Fraction(0), -(10**6)
    top = max(e for _, e in terms)
    quantum = Fraction(2) ** (top - bits)
    return sum((math.trunc(v / quantum) for v, _ in terms), 0) * quantum, top


def cdna3(a: list[Number], b: list[Number], c: int, terms: int, fp8: bool = False) -> int:
    """CDNA3 (finite operands): products cut to 24 fraction bits at their largest exponent and summed; that sum (31 bits) and c (24)
    aligned to the larger exponent, rounded down; nearest even to float32. fp8: even and odd k apart, joined at 24 bits."""
    word = c
    for start in range(0, len(a), terms):
        products = [
            (x.value * y.value, x.exponent + y.exponent)
            for x, y in zip(a[start : start + terms], b[start : start + terms], strict=True)
        ]
        acc = decode(word, "f32")
        if fp8:
            (even, e0), (odd, e1) = _trunc_sum(products[0::2], 24), _trunc_sum(products[1::2], 24)
            top = max(e0, e1)
            part = _floor_at(even, top, 24) + _floor_at(odd, top, 24) if top > -(10**6) else Fraction(0)
        else:
            part, top = _trunc_sum(products, 24)
        both = max(top, acc.exponent if acc.significand else -(10**6))
        if both == -(10**6):
            word = 0
            continue
        held = _floor_at(acc.value, both, 24) if not (fp8 and both - acc.exponent >= 26) else Fraction(0)
        word = to_word(_floor_at(part, both, 31) + held, "f32_rne")
    return word
