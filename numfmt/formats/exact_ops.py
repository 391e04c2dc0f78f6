"""Operations on exact fractions, one element at a time: for formats and operands that float64 cannot hold."""

from __future__ import annotations

from fractions import Fraction
from math import copysign, inf, isinf, isnan, isqrt, nan

import numpy as np

from .base import Format, Rounding
from .modes import Modes

Number = Fraction | float  # a float stands for NaN, an infinity or a signed zero
_ROOT_BITS = 400


def exact_results(name: str, values: list[np.ndarray], fmt: Format, modes: Modes) -> np.ndarray:
    """Codes of the operation on `values` (arrays of one shape), rounded once by `fmt.encode_exact`; flat, in the code dtype."""
    if name == "sqrt":
        check_roots(fmt)
    columns = [[as_number(v) for v in a.reshape(-1).tolist()] for a in values]
    random = modes.random.take(0, len(columns[0])) if modes.random else None
    codes = np.empty(len(columns[0]), fmt.code_dtype)
    down = modes.rounding is Rounding.DOWN
    for i, operands in enumerate(zip(*columns, strict=True)):
        codes[i] = fmt.encode_exact(exact(name, operands, down), modes, int(random[i]) if random is not None else 0)
    return codes


def check_roots(fmt: Format) -> None:
    """Refuse a format in which an irrational result can lie exactly on a decision point, where no digits would tell."""
    if not fmt.rational_decisions:
        raise ValueError(
            f"roots and elementary functions into {fmt} can fall exactly on its irrational decision points; compute into a wider "
            "float format and cast"
        )


def as_number(value: int | float | Fraction) -> Number:
    """An int, float or Fraction as an exact number."""
    if isinstance(value, float):
        return value if isnan(value) or isinf(value) or value == 0 else Fraction(value)
    return Fraction(value) if value else 0.0


def exact(name: str, operands: tuple[Number, ...], down: bool = False) -> Number:
    """Exact result (a root is exact to 400 bits with a sticky one below); `down`: exact cancellation gives -0."""
    if any(isinstance(v, float) and isnan(v) for v in operands):
        return nan
    x = operands[0]
    if name == "sqrt":
        return _sqrt(x)
    y = operands[1]
    if name in ("add", "subtract"):
        return _add(x, y if name == "add" else -y, down)
    if name == "multiply":
        return _multiply(x, y)
    if name == "divide":
        return _divide(x, y)
    if name == "fma":
        product = _multiply(x, y)
        return product if isinstance(product, float) and isnan(product) else _add(product, operands[2], down)
    return _remainder(x, y)


def _sign(x: Number) -> float:
    return copysign(1.0, x) if isinstance(x, float) else (1.0 if x > 0 else -1.0)


def _infinite(x: Number) -> bool:
    return isinstance(x, float) and isinf(x)


def _add(x: Number, y: Number, down: bool) -> Number:
    if _infinite(x) or _infinite(y):
        both = _infinite(x) and _infinite(y) and x != y
        return nan if both else (x if _infinite(x) else y)
    if x == 0 and y == 0:
        return x if _sign(x) == _sign(y) else (-0.0 if down else 0.0)
    total = Fraction(x) + Fraction(y)
    return total if total else (-0.0 if down else 0.0)


def _multiply(x: Number, y: Number) -> Number:
    sign = _sign(x) * _sign(y)
    if _infinite(x) or _infinite(y):
        return nan if x == 0 or y == 0 else sign * inf
    return sign * 0.0 if x == 0 or y == 0 else Fraction(x) * Fraction(y)


def _divide(x: Number, y: Number) -> Number:
    sign = _sign(x) * _sign(y)
    if _infinite(x) or y == 0:
        return nan if _infinite(y) or (y == 0 and x == 0) else sign * inf
    return sign * 0.0 if _infinite(y) or x == 0 else Fraction(x) / Fraction(y)


def _sqrt(x: Number) -> Number:
    if x == 0:
        return x
    if _sign(x) < 0:
        return nan
    if _infinite(x):
        return inf
    return sqrt_fraction(Fraction(x))


def sqrt_fraction(x: Fraction) -> Fraction:
    """The root of a positive fraction: exact where it is rational, else to 400 bits with a sticky one below."""
    shift = 2 * _ROOT_BITS + 2 * x.denominator.bit_length()
    scaled = (x.numerator << shift) // x.denominator
    root = isqrt(scaled)
    if root * root != scaled or scaled * x.denominator != x.numerator << shift:
        return Fraction(2 * root + 1, 1 << (shift // 2 + 1))  # strictly between two neighbours
    return Fraction(root, 1 << (shift // 2))


def _remainder(x: Number, y: Number) -> Number:
    if _infinite(x) or y == 0:
        return nan
    if _infinite(y) or x == 0:
        return x
    rest = Fraction(x) - Fraction(y) * round(Fraction(x) / Fraction(y))  # round: ties to even
    return rest if rest else _sign(x) * 0.0
