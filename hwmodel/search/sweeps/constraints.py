"""Conditions on the points of a space, such as "height * width <= 4096": read by Python's parser, computed on columns."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from hwmodel._checks import unknown

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_CALLS: dict[str, tuple[int, Callable[..., Any]]] = {  # name -> least number of arguments
    "min": (2, lambda *a: np.minimum.reduce(np.broadcast_arrays(*a))),
    "max": (2, lambda *a: np.maximum.reduce(np.broadcast_arrays(*a))),
    "abs": (1, np.abs),
    "log2": (1, np.log2),
    "sqrt": (1, np.sqrt),
    "floor": (1, np.floor),
    "ceil": (1, np.ceil),
}
_LONGEST = 2000  # characters
_DEEPEST = 200  # operations within each other
_ALLOWED = f"names of axes, numbers, texts, + - * / // % **, comparisons, in, and, or, not, {', '.join(_CALLS)}"


class Constraint:
    """A condition that holds for a point or does not. `names` are the axes and fixed values in it."""

    def __init__(self, text: Any, known: Iterable[str]) -> None:
        """Raises ValueError where the text is no such condition or names something unknown."""
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"constraint {text!r} is no text; write for example 'height * width <= 4096'")
        self.text = text.strip()
        if len(self.text) > _LONGEST:
            raise ValueError(
                f"constraint {self.text[:40]!r}... has {len(self.text)} characters; give several of at most {_LONGEST}"
            )
        try:
            self._tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(f"constraint {self.text!r} cannot be read: {error}; use {_ALLOWED}") from error
        self.names: set[str] = set()
        self._check(self._tree, tuple(known))

    def __str__(self) -> str:
        return self.text

    def holds(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Which rows fulfil it; columns are arrays of one length, or single values. Numbers are computed in float64.

        Raises ValueError for a division by 0, for numbers beyond float64, for texts in arithmetic, and where the result is no true
        or false.
        """
        try:
            with np.errstate(divide="raise", invalid="raise", over="raise"):
                found = self._value(self._tree, columns)
        except (FloatingPointError, OverflowError) as error:
            raise ValueError(
                f"constraint {self.text!r} has no value at some point ({error}); rewrite it, without division for example"
            ) from error
        except TypeError as error:
            raise ValueError(f"constraint {self.text!r} mixes texts with numbers: {error}") from error
        found = np.asarray(found)
        if found.dtype != np.bool_:
            raise ValueError(f"constraint {self.text!r} is neither true nor false; compare with something")
        return found

    def _check(self, node: ast.AST, known: tuple[str, ...], depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise ValueError(f"constraint {self.text[:40]!r}... is nested too deeply; give several shorter ones")
        if isinstance(node, ast.Name):
            if node.id not in known:
                raise unknown(f"name in constraint {self.text!r}", node.id, known)
            self.names.add(node.id)
            return
        if isinstance(node, ast.Constant):
            if node.value is not None and not isinstance(node.value, str | int | float):
                raise self._refused(node)
            return
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in _CALLS or node.keywords:
                raise self._refused(node)
            least = _CALLS[node.func.id][0]
            if len(node.args) < least or (least == 1 and len(node.args) > 1):
                raise ValueError(
                    f"constraint {self.text!r}: {node.func.id} takes {'one argument' if least == 1 else 'two or more'}"
                )
            parts: list[ast.AST] = list(node.args)
        elif isinstance(node, ast.Compare):
            for op, right in zip(node.ops, node.comparators, strict=True):
                inside = isinstance(op, ast.In | ast.NotIn)
                if inside and not isinstance(right, ast.Tuple | ast.List | ast.Set):
                    raise ValueError(f"constraint {self.text!r}: behind `in` stands a list such as (16, 32)")
                if not inside and type(op) not in _COMPARE:
                    raise self._refused(node)
            parts = [node.left]
            for op, right in zip(node.ops, node.comparators, strict=True):
                parts += right.elts if isinstance(op, ast.In | ast.NotIn) else [right]  # type: ignore[attr-defined]
        elif isinstance(node, ast.BoolOp):
            parts = list(node.values)
        elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            parts = [node.left, node.right]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.UAdd):
            parts = [node.operand]
        else:
            raise self._refused(node)
        for part in parts:
            self._check(part, known, depth + 1)

    def _refused(self, node: ast.AST) -> ValueError:
        return ValueError(f"constraint {self.text!r}: {ast.unparse(node)!r} is not allowed; use {_ALLOWED}")

    def _value(self, node: ast.AST, columns: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.Name):
            return _plain(columns[node.id])
        if isinstance(node, ast.Constant):
            return _plain(node.value)
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            return _CALLS[node.func.id][1](*(_number(self._value(a, columns)) for a in node.args))
        if isinstance(node, ast.Compare):
            return self._compared(node, columns)
        if isinstance(node, ast.BoolOp):
            found = self._truth(node.values[0], columns)
            for part in node.values[1:]:
                other = self._truth(part, columns)
                found = found & other if isinstance(node.op, ast.And) else found | other
            return found
        if isinstance(node, ast.BinOp):
            left, right = (_number(self._value(part, columns)) for part in (node.left, node.right))
            return _BINARY[type(node.op)](left, right)
        assert isinstance(node, ast.UnaryOp)
        if isinstance(node.op, ast.Not):
            return ~self._truth(node.operand, columns)
        value = self._value(node.operand, columns)
        return -_number(value) if isinstance(node.op, ast.USub) else _number(value)

    def _truth(self, node: ast.AST, columns: Mapping[str, Any]) -> np.ndarray:
        found = np.asarray(self._value(node, columns))
        if found.dtype != np.bool_:
            raise ValueError(f"constraint {self.text!r}: {ast.unparse(node)!r} is neither true nor false; compare with something")
        return found

    def _compared(self, node: ast.Compare, columns: Mapping[str, Any]) -> np.ndarray:
        left, out = self._value(node.left, columns), np.asarray(True)
        for op, other in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                assert isinstance(other, ast.Tuple | ast.List | ast.Set)
                each = [np.asarray(left == self._value(e, columns), dtype=np.bool_) for e in other.elts]
                found = np.logical_or.reduce(np.broadcast_arrays(*each)) if each else np.zeros(np.shape(left), np.bool_)
                out = out & (~found if isinstance(op, ast.NotIn) else found)
            else:
                right = self._value(other, columns)
                out = out & np.asarray(_COMPARE[type(op)](left, right), dtype=np.bool_)
                left = right
        return out


def _plain(value: Any) -> Any:
    """Numbers as float64, so that products do not wrap; booleans and objects as they are."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    found = np.asarray(value, dtype=object) if value is None or isinstance(value, str) else np.asarray(value)
    return found.astype(np.float64) if found.dtype.kind in "iu" else found


def _number(value: Any) -> np.ndarray:
    """An operand as float64. TypeError for texts and None: numpy would repeat or format a text."""
    found = np.asarray(value)
    if found.dtype.kind == "O" and (bad := next((v for v in found.flat if not isinstance(v, int | float)), 0)) != 0:
        raise TypeError(f"{bad!r} is no number")
    return found.astype(np.float64)
