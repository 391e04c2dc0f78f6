"""Straight-line programs: what a function unit computes, step by step in a format, and how far it is from the function.

A program is a list of lines `name = a + b`, with + - * / and the functions min, max, abs, neg, fma and those of `nf.elementary`
(exp, tanh, sqrt, ...) over the argument `x`, constants and earlier names; the last line is the result. Polynomials, rational
approximations, the polynomial kernels of I-BERT (Kim et al., arXiv 2101.01321) and the programs that AutoNumerics-Zero evolves
(arXiv 2312.08472) are of this kind.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .arithmetic import operate
from .base import Format, Rounding
from .cast import cast
from .elementary import elementary
from .functions import FUNCTIONS
from .ieee import maximum, minimum
from .parse import parse

_BINARY = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
_CALLS = {"min": 2, "max": 2, "abs": 1, "neg": 1, "fma": 3} | dict.fromkeys(FUNCTIONS, 1)
ROUNDED = ("add", "subtract", "multiply", "divide", "fma", *FUNCTIONS)


@dataclass(frozen=True)
class Step:
    """One operation: its operands are "x", a constant (a float) or the name of an earlier step."""

    name: str
    operation: str
    operands: tuple[str | float, ...]


@dataclass(frozen=True)
class Program:
    """Steps in order; the last one is the result."""

    steps: tuple[Step, ...]

    @staticmethod
    def parse(text: str) -> Program:
        """The program that lines `name = expression` write, separated by newlines or semicolons; one operation or more a line.

        Raises ValueError for anything but + - * /, min, max, abs, neg, fma, the functions of `nf.elementary`, numbers, x and
        earlier names.
        """
        if not isinstance(text, str):
            raise ValueError(f"text={text!r} is not a program; write lines such as 'y = x * x + 1'")
        steps: list[Step] = []
        try:
            lines = ast.parse("\n".join(line.strip() for line in text.replace(";", "\n").splitlines())).body
        except SyntaxError as error:
            raise ValueError(f"program line {error.lineno} is not of the form name = expression: {error.text!r}") from None
        for line in lines:
            if not isinstance(line, ast.Assign) or len(line.targets) != 1 or not isinstance(line.targets[0], ast.Name):
                raise ValueError(f"program line {ast.unparse(line)!r} is not of the form name = expression")
            if line.targets[0].id == "x":
                raise ValueError("a program cannot assign to x, its argument; choose another name")
            result = _operand(line.value, steps)
            if steps and result == steps[-1].name and not isinstance(line.value, ast.Name):
                steps[-1] = Step(line.targets[0].id, steps[-1].operation, steps[-1].operands)
            else:
                steps.append(Step(line.targets[0].id, "copy", (result,)))
        if not steps:
            raise ValueError("a program needs at least one line name = expression")
        return Program(tuple(steps))

    @staticmethod
    def polynomial(coefficients: Sequence[float]) -> Program:
        """Horner's rule; coefficients from the constant term upward, two or more."""
        if len(coefficients) < 2:
            raise ValueError(f"coefficients has {len(coefficients)} entries; a polynomial program needs two or more")
        lines = [f"t = {float(coefficients[-1])!r} * x"]
        for c in coefficients[-2:0:-1]:
            lines += [f"t = t + {float(c)!r}", "t = t * x"]
        return Program.parse("\n".join([*lines, f"y = t + {float(coefficients[0])!r}"]))

    def operations(self) -> dict[str, int]:
        """How often each operation occurs: what the unit must do, or what hardware must hold if it is unrolled."""
        return dict(Counter(step.operation for step in self.steps if step.operation != "copy"))

    def __call__(self, x: Any, fmt: Format | str, *, rounding: Rounding | str | None = None) -> Any:
        """The result for every argument, as values of `fmt`: argument and constants are rounded to it, then every step.

        x: array of values. Raises ValueError where a step gives NaN and the format has none.
        """
        fmt = parse(fmt)
        array, restore = to_numpy(x)
        known: dict[str, np.ndarray] = {"x": cast(array, fmt)}
        for step in self.steps:
            operands = [known[o] if isinstance(o, str) else cast(np.float64(o), fmt) for o in step.operands]
            known[step.name] = np.asarray(_step(step.operation, operands, fmt, rounding))
        return restore(np.broadcast_to(known[self.steps[-1].name], array.shape).copy())

    def __str__(self) -> str:
        return "\n".join(_line(step) for step in self.steps)


def _step(operation: str, operands: list[np.ndarray], fmt: Format, rounding: Rounding | str | None) -> Any:
    match operation:
        case "min":
            return minimum(operands[0], operands[1], fmt)
        case "max":
            return maximum(operands[0], operands[1], fmt)
        case "abs":
            return cast(np.abs(operands[0]), fmt)
        case "neg":
            return cast(np.negative(operands[0]), fmt)
        case "copy":
            return operands[0]
    if operation in FUNCTIONS:
        return elementary(operation, operands[0], fmt, source=fmt if fmt.bits <= 16 else None, rounding=rounding)
    return operate(operation, operands, fmt, None, rounding=rounding)


def _operand(node: ast.expr, steps: list[Step]) -> str | float:
    """A name or a constant; an inner operation becomes a step of its own."""
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return float(node.value)  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -float(number)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _new(steps, "neg", _operand(inner, steps))
        case ast.Name(id=name):
            if name != "x" and name not in {step.name for step in steps}:
                raise ValueError(f"program uses {name!r} before it is assigned; known: x, {', '.join(s.name for s in steps)}")
            return name
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _new(steps, _BINARY[type(op)], _operand(left, steps), _operand(right, steps))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if _CALLS.get(name) == len(args):
            return _new(steps, name, *(_operand(a, steps) for a in args))
    raise ValueError(
        f"program holds {ast.unparse(node)!r}; use + - * /, min, max, abs, neg, fma, functions, numbers, x, earlier names"
    )


def _new(steps: list[Step], operation: str, *operands: str | float) -> str:
    name = f"_{len(steps)}"
    steps.append(Step(name, operation, operands))
    return name


def _line(step: Step) -> str:
    signs = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
    words = [repr(o) if isinstance(o, float) else o for o in step.operands]
    if step.operation in signs:
        return f"{step.name} = {words[0]} {signs[step.operation]} {words[1]}"
    return f"{step.name} = {words[0]}" if step.operation == "copy" else f"{step.name} = {step.operation}({', '.join(words)})"
