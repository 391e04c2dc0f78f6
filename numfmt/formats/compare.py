"""A scoreboard: which words of a result differ from the expected ones, of which kind, how far, and the first ones explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .base import Format
from .cast import decode, encode
from .fixed import Fixed
from .floats import Float
from .parse import parse

KINDS = ("value", "nan_code", "zero_sign", "special")


@dataclass(frozen=True)
class Case:
    """One differing element."""

    index: tuple[int, ...]
    kind: str
    got: str
    want: str
    ulp: int | None
    inputs: tuple[str, ...] = ()

    def __str__(self) -> str:
        given = f" of {', '.join(self.inputs)}" if self.inputs else ""
        far = "" if self.ulp is None else f", {self.ulp} ulp apart"
        return f"{list(self.index)} {self.kind}{given}: got {self.got}, want {self.want}{far}"


@dataclass(frozen=True)
class Comparison:
    """What `nf.compare` found. True where no word differs."""

    format: Format
    total: int
    differing: int
    by_kind: dict[str, int]
    max_ulp: int
    cases: tuple[Case, ...] = field(repr=False)

    def __bool__(self) -> bool:
        return self.differing == 0

    def __str__(self) -> str:
        head = f"{self.differing} of {self.total} words of {self.format} differ"
        if not self.differing:
            return head
        kinds = ", ".join(f"{count} by {kind}" for kind, count in self.by_kind.items() if count)
        return "\n".join([f"{head} ({kinds}); largest distance {self.max_ulp} ulp", *(f"  {case}" for case in self.cases)])

    def check(self) -> None:
        """AssertionError with the whole report where a word differs."""
        if self.differing:
            raise AssertionError(str(self))


def compare(got: Any, want: Any, fmt: Format | str, *, inputs: Sequence[Any] = (), show: int = 5) -> Comparison:
    """Compare two arrays of codes (unsigned integers) or of values (floats) of a format, word by word.

    got, want: arrays of one shape; values must be values of the format. inputs: arrays of the same shape that are printed beside
    the first `show` differing cases. Kinds of difference: "value" (two numbers), "nan_code" (two NaNs), "zero_sign", "special"
    (a NaN or an infinity against something else). ulp counts the values of the format between two numbers.

    Raises ValueError for arrays of different shapes and where nothing was compared (size zero).
    """
    fmt = parse(fmt)
    got_codes, want_codes = _codes(got, fmt, "got"), _codes(want, fmt, "want")
    if got_codes.shape != want_codes.shape:
        raise ValueError(f"got has shape {got_codes.shape}, want has shape {want_codes.shape}; they must be the same")
    if not got_codes.size:
        raise ValueError("nothing was compared: got and want hold no element; check the filter that made them")
    shape = got_codes.shape
    columns = [np.broadcast_to(to_numpy(a, "inputs")[0], shape).reshape(-1) for a in inputs]
    flat_got, flat_want = got_codes.reshape(-1), want_codes.reshape(-1)
    places = np.flatnonzero(flat_got != flat_want)
    a, b = flat_got[places], flat_want[places]
    kinds = _kinds(a, b, fmt)
    ranks = [_rank(c, fmt).astype(object if fmt.bits > 62 else np.int64) for c in (a, b)]  # a distance may take 64 bits
    distance = np.where(kinds == "value", np.abs(ranks[0] - ranks[1]), 0)
    repeated = (kinds == "value") & (distance == 0)  # two codes of one value
    cases = tuple(
        Case(
            tuple(int(i) for i in np.unravel_index(places[i], shape)),
            str(kinds[i]),
            describe_code(int(a[i]), fmt),
            describe_code(int(b[i]), fmt),
            int(distance[i]) if kinds[i] == "value" else None,
            tuple(repr(column[places[i]].item()) for column in columns),
        )
        for i in range(min(show, len(places)))
    )
    counts = {kind: int(np.sum((kinds == kind) & ~repeated)) for kind in KINDS}
    if repeated.any():
        counts["same_value"] = int(repeated.sum())
    return Comparison(fmt, got_codes.size, len(places), counts, int(distance.max(initial=0)), cases)


def _codes(array: Any, fmt: Format, what: str) -> np.ndarray:
    values, _ = to_numpy(array, what)
    if values.dtype.kind in "iu":
        if values.size and not 0 <= int(values.min()) <= int(values.max()) < 1 << fmt.bits:
            raise ValueError(f"{what} holds codes outside 0..{(1 << fmt.bits) - 1}, the codes of {fmt}")
        return values.astype(fmt.code_dtype)
    codes = encode(values, fmt)
    back = decode(codes, fmt)
    same = (back == values) | ((back != back) & (values != values))
    if not np.all(same):
        first = np.asarray(values).reshape(-1)[int(np.flatnonzero(~np.asarray(same).reshape(-1))[0])]
        raise ValueError(f"{what} holds {first!r}, which is no value of {fmt}; cast it first, or compare codes")
    return codes


def _kinds(a: np.ndarray, b: np.ndarray, fmt: Format) -> np.ndarray:
    if fmt.value_dtype.kind == "O":
        x = np.array([_as_float(fmt.decode_exact(int(c))) for c in a], dtype=np.float64)
        y = np.array([_as_float(fmt.decode_exact(int(c))) for c in b], dtype=np.float64)
    else:
        x, y = decode(a, fmt), decode(b, fmt)
    nan = np.isnan(x).astype(int) + np.isnan(y)
    special = (nan == 1) | (np.isinf(x) != np.isinf(y)) | (np.isinf(x) & np.isinf(y) & (x != y))
    zeros = (x == 0) & (y == 0) & (np.signbit(x) != np.signbit(y))
    return np.select([nan == 2, special, zeros], ["nan_code", "special", "zero_sign"], default="value")


def _as_float(value: Fraction | float) -> float:
    """Class of a value as a float: its size does not matter."""
    return value if isinstance(value, float) else (1.0 if value > 0 else -1.0 if value < 0 else 0.0)


def _rank(codes: np.ndarray, fmt: Format) -> np.ndarray:
    """Place of each code's value in the ascending list of values; int64."""
    if isinstance(fmt, Fixed):
        words = codes.astype(np.uint64).view(np.int64)
        if fmt.width == 64:
            return words if fmt.signed else codes
        return np.where(words > fmt.max_int, words - (1 << fmt.width), words) if fmt.signed else words
    if isinstance(fmt, Float):
        size = np.uint64((1 << (fmt.exp_bits + fmt.man_bits)) - 1)
        magnitude = (codes.astype(np.uint64) & size).astype(np.int64)
        return np.where(codes.astype(np.uint64) > size, -magnitude, magnitude) if fmt.signed else magnitude
    if fmt.bits <= 16:
        values = fmt.values()
        if values.dtype.kind == "O":  # P3109: sign and magnitude
            half = 1 << (fmt.bits - 1)
            words = codes.astype(np.int64)
            return np.where((words > half) & (fmt.min < 0), half - words, words)
        return np.searchsorted(np.unique(values[np.isfinite(values)]), values[codes])
    half = 1 << (fmt.bits - 1)  # posits and takums: ordered as two's complement integers
    words = codes.astype(np.uint64).view(np.int64)
    return np.where(words >= half, words - 2 * half, words) if fmt.bits < 64 else words


def describe_code(code: int, fmt: Format) -> str:
    """A code with its fields and exact value: `0x42 = 0 1000 010 (2.5)`."""
    bits = f"{code:0{fmt.bits}b}"
    if isinstance(fmt, Float):
        cut = int(fmt.signed)
        parts = [bits[:cut], bits[cut : cut + fmt.exp_bits], bits[cut + fmt.exp_bits :]]
        bits = " ".join(part for part in parts if part)
    value = fmt.decode_exact(code)
    text = str(value) if isinstance(value, float) or value.denominator == 1 else _short(value)
    return f"0x{code:0{-(-fmt.bits // 4)}x} = {bits} ({text})"


def _short(value: Fraction) -> str:
    number = float(value) if abs(value) < Fraction(2) ** 1000 else None
    if number is not None and Fraction(number) == value:
        return repr(number)
    return f"{value.numerator}/2**{value.denominator.bit_length() - 1}"
