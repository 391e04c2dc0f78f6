"""What units compute: numfmt's kernel of the datapath, or the function of a component."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import numfmt as nf
from hwmodel._checks import unknown
from numfmt.arith.aligned import Instruction
from numfmt.blocks import QuantizedTensor

if TYPE_CHECKING:
    from hwmodel.units.unit import Unit

Parameters = dict[str, Any]


def compute(unit: Unit, a: Any, b: Any, c: Any, options: dict[str, Any]) -> Any:
    """See `Unit.compute`."""
    if unit.datapath is not None:
        if b is None:
            raise ValueError(f"{unit} multiplies two matrices; give a (M, K) and b (K, N)")
        operands = _operand(a, unit.activation, unit, False), _operand(b, unit.weight, unit, True)
        return nf.matmul(*operands, unit.datapath, c=c, **options)
    if options:
        raise ValueError(f"{unit} takes no options ({', '.join(options)}); give its operands alone")
    if unit.kind not in FUNCTIONS:
        raise unknown("function of component", unit.kind, FUNCTIONS)
    given = [x for x in (a, b, c) if x is not None]
    function, count = FUNCTIONS[unit.kind]
    if len(given) != count:
        raise ValueError(f"{unit} takes {count} operand{'s' * (count > 1)}, {len(given)} are given")
    made = function(dict(unit.parameters), *given)
    return made if unit.kind in FLOATS else _plain(made)


def _operand(x: Any, spec: str, unit: Unit, right: bool) -> Any:
    """The operand in the unit's format; rows of a scaled right operand run along k."""
    if isinstance(x, QuantizedTensor):
        return x
    if isinstance(unit.datapath.inner if unit.datapath else None, Instruction) and np.asarray(x).dtype.kind not in "fiu":
        return x  # ml_dtypes arrays name their format
    if right:
        return nf.quantize(np.ascontiguousarray(np.asarray(x).T), spec).T
    return nf.quantize(x, spec)


def _ints(x: Any) -> np.ndarray:
    array = np.asarray(x)
    if array.dtype.kind not in "iubO":
        raise ValueError(f"operands have dtype {array.dtype}; integer components take integers")
    return array.astype(object)


def _plain(x: Any) -> Any:
    """Integers as int64 where they fit, else as Python's."""
    array = np.asarray(x, object)
    return array.astype(np.int64) if not array.size or -(2**63) <= array.min() <= array.max() < 2**63 else array


def _wrap(x: np.ndarray, bits: int, signed: bool = True) -> Any:
    low = 1 << (bits - 1) if signed else 0
    return (x + low) % (1 << bits) - low


def _held(x: Any, bits: int, signed: bool, name: str) -> np.ndarray:
    array = _ints(x)
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if array.size and not (low <= array.min() and array.max() <= high):
        raise ValueError(f"{name} runs from {array.min()} to {array.max()}; {bits} bits hold {low} to {high}")
    return array


def _float(p: Parameters, name: str = "") -> nf.Float:
    """The unit's float format: IEEE bias; results saturate. Exact products take the highest exponent as a number."""
    e, m = p["E" + name], p["M" + name]
    return nf.Float(e, m, (1 << (e - 1)) - 1, "none" if name or not m else "ieee")


def _binary(operation: Callable[..., Any]) -> Callable[..., Any]:
    def run(p: Parameters, a: Any, b: Any) -> Any:
        flags = {"ftz": True, "daz": True} if p.get("FTZ") else {}
        return operation(a, b, _float(p), overflow="saturate", **flags)

    return run


def _dot(p: Parameters, a: Any, b: Any, c: Any) -> Any:
    x, y = _held(a, p["A"], True, "a"), _held(b, p["W"], True, "b")
    return _wrap(_held(c, p["K"], True, "c") + (x * y).sum(-1), p["K"])


def _signs(p: Parameters, a: Any, b: Any, c: Any, digits: tuple[int, ...]) -> Any:
    y = _ints(b)
    if not np.isin(y.astype(np.int64), digits).all():
        raise ValueError(f"b holds other values than {', '.join(map(str, digits))}")
    return _wrap(_held(c, p["K"], True, "c") + (_held(a, p["A"], True, "a") * y).sum(-1), p["K"])


def _shift(p: Parameters, a: Any, b: Any) -> Any:
    n = p["N"]
    places = _held(b, max(n - 1, 1).bit_length(), False, "b")
    if p.get("AR"):
        return _held(a, n, True, "a") >> places
    return _wrap(_held(a, n, False, "a") << places, n, False)


def _leading_zeros(p: Parameters, a: Any) -> Any:
    x = _held(a, p["N"], False, "a")
    return np.frompyfunc(lambda v: p["N"] - int(v).bit_length(), 1, 1)(x)


def _power_of_two(p: Parameters, a: Any, b: Any, c: Any) -> Any:
    """b: codes of W bits, sign then place; place 0 is zero, p stands for 2**(p - 1)."""
    code = _held(b, p["W"], False, "b")
    place, negative = code % (1 << (p["W"] - 1)), code >> (p["W"] - 1)
    power = np.frompyfunc(lambda v: 0 if v == 0 else 1 << (int(v) - 1), 1, 1)(place)
    return _wrap(_held(c, p["K"], True, "c") + _held(a, p["A"], True, "a") * power * (1 - 2 * negative), p["K"])


def _requant(p: Parameters, a: Any, b: Any, c: Any) -> Any:
    """a times the multiplier b, rounded half up by c places, clipped to O bits."""
    product = _held(a, p["A"], True, "a") * _held(b, p["MB"], False, "b")
    places = _held(c, p["SB"], False, "c")
    half = np.frompyfunc(lambda s: (1 << int(s)) >> 1, 1, 1)(places)
    top = 1 << (p["O"] - 1)
    return np.clip((product + half) >> places, -top, top - 1)


def _terms(p: Parameters, a: Any, b: Any, c: Any) -> Any:
    """b: codes of a term: bit X + 1 the sign, bits 1 to X the place, bit 0 the mantissa."""
    code = _held(b, p["X"] + 2, False, "b")
    value = (code & 1) * np.frompyfunc(lambda v: 1 << int(v), 1, 1)((code >> 1) % (1 << p["X"]))
    return _wrap(_held(c, p["K"], True, "c") + _held(a, p["A"], True, "a") * value * (1 - 2 * (code >> (p["X"] + 1))), p["K"])


def _fused(p: Parameters, a: Any, b: Any, c: Any) -> Any:
    x, y = nf.cast(a, _float(p, "1")), nf.cast(b, _float(p, "2"))
    return nf.fma(x, y, nf.cast(c, _float(p)), _float(p), overflow="saturate")


def _divide(p: Parameters, a: Any, b: Any) -> Any:
    return _held(a, p["W"], False, "a") // _held(b, p["A"], False, "b")


FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "int_add": (lambda p, a, b: _held(a, p["N"], False, "a") + _held(b, p["N"], False, "b"), 2),
    "int_mul": (lambda p, a, b: _held(a, p["A"], bool(p["S"]), "a") * _held(b, p["W"], bool(p["S"]), "b"), 2),
    "int_square": (lambda p, a: _held(a, p["A"], bool(p["S"]), "a") ** 2, 1),
    "constant_mul": (lambda p, a: _held(a, p["A"], True, "a") * p["C"], 1),
    "int_div": (_divide, 2),
    "int_mac": (
        lambda p, a, b, c: _wrap(_held(c, p["K"], True, "c") + _held(a, p["A"], True, "a") * _held(b, p["W"], True, "b"), p["K"]),
        3,
    ),
    "int_dot": (_dot, 3),
    "adder_tree": (lambda p, a: _held(a, p["N"], bool(p["S"]), "a").sum(-1), 1),
    "shifter": (_shift, 2),
    "lzc": (_leading_zeros, 1),
    "maximum": (lambda p, a: _held(a, p["N"], False, "a").max(-1), 1),
    "xnor_popcount": (lambda p, a, b: p["N"] - _ones(_held(a, p["N"], False, "a") ^ _held(b, p["N"], False, "b")), 2),
    "popcount": (lambda p, a: _ones(_held(a, p["N"], False, "a")), 1),
    "tern_mac": (lambda p, a, b, c: _signs(p, a, b, c, (-1, 0, 1)), 3),
    "bin_mac": (lambda p, a, b, c: _signs(p, a, b, c, (-1, 1)), 3),
    "shift_mac": (_power_of_two, 3),
    "bitserial_int": (_terms, 3),
    "requant": (_requant, 3),
    "lmul": (lambda p, a, b: nf.lmul(a, b, nf.Float(p["E"], p["M"], (1 << (p["E"] - 1)) - 1, "none")), 2),
    "fp_add": (_binary(nf.add), 2),
    "fp_mul": (_binary(nf.multiply), 2),
    "fp_div": (_binary(nf.divide), 2),
    "fp_mac_float": (_fused, 3),
    "fp_mul_exact": (lambda p, a, b: np.multiply(nf.cast(a, _float(p, "1")), nf.cast(b, _float(p, "2")), dtype=np.float64), 2),
}
FLOATS = ("lmul", "fp_add", "fp_mul", "fp_div", "fp_mac_float", "fp_mul_exact")


def _ones(x: np.ndarray) -> np.ndarray:
    return np.frompyfunc(lambda v: int(v).bit_count(), 1, 1)(x)
