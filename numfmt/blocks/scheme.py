"""A scheme says how a tensor becomes codes: element formats, granularity, scale, zero point, and the arithmetic of the rule."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from .._checks import nearest
from ..formats import Fixed, Float, Format, catalogue, parse

Kind = Literal["none", "tensor", "channel", "token", "group"]


@dataclass(frozen=True)
class Granularity:
    """Which elements share a scale. `size` is the group length along the reduction axis, 0 for the other kinds."""

    kind: Kind
    size: int = 0

    def __str__(self) -> str:
        return f"g{self.size}" if self.kind == "group" else self.kind

    def groups(self, rows: int, columns: int) -> tuple[int, int, int]:
        """(scale rows, scales a row, elements a scale spans in a row) for a matrix whose rows are reduced.

        Raises ValueError where the group length does not divide the row.
        """
        if self.kind in ("none", "tensor"):
            return 1, 1, columns
        if self.kind in ("channel", "token"):
            return rows, 1, columns
        if columns % self.size:
            fits = [g for g in (256, 128, 64, 32, 16, 8) if columns % g == 0]
            allowed = f"use {' or '.join(f'g{g}' for g in fits)}" if fits else "use channel"
            raise ValueError(f"group size {self.size} does not divide the row length {columns}: {allowed}, or pad the row yourself")
        return rows, columns // self.size, self.size


@dataclass(frozen=True)
class Scheme:
    """How a tensor becomes codes. Build one with `nf.scheme("int4/g128")`.

    name: the element part of the string ("int4", "nf4", "bitmod4", "mxfp4", ...).
    candidates: the element formats; more than one means that each group takes the one of least squared error.
    granularity: which elements share a scale.
    scale: format in which the scale is stored; None for a plain cast.
    rule: "absmax" (largest magnitude over `limit`), "range" (asymmetric: max-min over the code range) or "floor" (OCP MX).
    arith: precision in which scales, quotients and products of the rule are rounded: "float32" or "float16".
    sel: precision of the squared error that chooses among candidates: "float64" or "fp16" (the published code).
    full: whether a symmetric integer uses its most negative code.
    """

    name: str
    candidates: tuple[Format, ...]
    granularity: Granularity
    scale: Format | None
    rule: Literal["absmax", "range", "floor"] = "absmax"
    arith: Literal["float32", "float16"] = "float32"
    sel: Literal["float64", "fp16"] = "float64"
    full: bool = False

    @property
    def element_bits(self) -> int:
        """Bits of one stored code."""
        return max(f.bits for f in self.candidates)

    @property
    def scale_bits(self) -> int:
        """Bits of one stored scale; 0 for a plain cast."""
        return 0 if self.scale is None else self.scale.bits

    @property
    def zero_point_bits(self) -> int:
        """Bits of one stored zero point."""
        return self.element_bits if self.rule == "range" else 0

    @property
    def choice_bits(self) -> int:
        """Bits that say which candidate a group took."""
        return (len(self.candidates) - 1).bit_length()

    @property
    def scaled(self) -> bool:
        """Whether values are codes times a scale."""
        return self.scale is not None

    def limit(self, candidate: int = 0) -> float:
        """The magnitude that the largest element of a group is mapped to."""
        fmt = self.candidates[candidate]
        return fmt.max if isinstance(fmt, Fixed) else fmt.largest_magnitude

    @property
    def reciprocal(self) -> bool:
        """Whether elements are multiplied by the rounded reciprocal of the scale, as bitsandbytes does for NF4."""
        return self.name == "nf4"

    def bits_per_element(self, shape: tuple[int, ...]) -> float:
        """Stored bits an element of a tensor of `shape` (..., K), grouped along its last axis, all overheads counted."""
        columns = shape[-1]
        rows = 1
        for n in shape[:-1]:
            rows *= n
        if not self.scaled:
            return float(self.element_bits)
        scale_rows, per_row, _ = self.granularity.groups(rows, columns)
        overhead = self.scale_bits + self.zero_point_bits + self.choice_bits
        return self.element_bits + overhead * scale_rows * per_row / (rows * columns)

    def __str__(self) -> str:
        if not self.scaled:  # "none" where the bare name means a scheme with scales
            return f"{self.name}/none" if self.name in _DEFAULT_GRANULARITY else self.name
        return f"{self.name}/{self.granularity}" + "".join(f"+{o}" for o in self._options())

    def _options(self) -> list[str]:
        """The options that differ from what the name alone means."""
        bitmod = self.name in _BITMOD_NAMES
        options = []
        if self.rule == "range":
            options.append("asym")
        if self.full:
            options.append("full")
        if self.arith != ("float16" if bitmod else "float32"):
            options.append(f"arith={self.arith}")
        if self.scale != _default_scale(self.name, self.arith):
            options.append(f"scale={self.scale}")
        if self.sel != "float64":
            options.append(f"sel={self.sel}")
        return options


_MX = {"mxfp4": "e2m1", "mxfp6_e2m3": "e2m3", "mxfp6_e3m2": "e3m2", "mxfp8_e4m3": "e4m3fn", "mxfp8_e5m2": "e5m2"}
_DEFAULT_GRANULARITY = {"nf4": "g64", "bitmod3": "g128", "bitmod4": "g128", **dict.fromkeys(_MX, "g32")}
_BITMOD_NAMES = ("bitmod3", "bitmod4")
_BITMOD = {b: tuple(f"fp{b}_{kind}_{sign}" for kind in ("er", "ea") for sign in ("pos", "neg")) for b in (3, 4)}


def scheme_names() -> list[str]:
    """Element names that `scheme` knows, beside every format name, `intN` and `mixed<...>`."""
    return ["bitmod3", "bitmod4", *_MX, "mixed<int4,flint4>"]


def scheme(spec: str | Scheme | Format) -> Scheme:
    """The scheme that a string names: `ELEMENT/GRANULARITY[+option...]`, or a bare format for a plain cast without scale.

    Elements: every format (`int4`, `e4m3fn`, `nf4`, ...), `bitmod3`, `bitmod4`, `mxfp4`, `mxfp6_e2m3`, `mxfp6_e3m2`,
    `mxfp8_e4m3`, `mxfp8_e5m2`, `mixed<A,B,...>` (each group takes the candidate of least squared error).
    Granularities: `tensor`, `channel`, `token`, `gN`; `none` is the bare format (a plain cast of `nf4`, whose bare name means g64).
    Options: `asym` (integers: zero point), `full` (integers: use the most negative code), `scale=FORMAT`,
    `arith=float16|float32`, `sel=fp16|float64` (mixtures), `floor` (MX: OCP's rule, the default).

    Raises ValueError for anything else, naming the nearest known words.
    """
    if isinstance(spec, Scheme):
        return spec
    if isinstance(spec, Format):
        return Scheme(str(spec), (spec,), Granularity("none"), None)
    if not isinstance(spec, str):
        raise ValueError(f"scheme {spec!r} is not a string, a Format or a Scheme; write for example 'int4/g128'")
    return _parse_scheme(spec.strip())


@lru_cache(maxsize=4096)
def _parse_scheme(text: str) -> Scheme:
    match = re.fullmatch(r"((?:[^/+<>]|<[^<>]*(?:<[^<>]*>[^<>]*)*>)+)(?:/([^/+]+))?((?:\+[^/+]+)*)", text)
    if not match:
        raise ValueError(f"scheme {text!r} is not ELEMENT/GRANULARITY[+option...]; write for example 'int4/g128+asym'")
    name, grain = match[1].strip().lower(), match[2]
    options = tuple(o.strip().lower() for o in match[3].split("+") if o.strip())
    candidates, mx = _elements(text, name)
    grain = grain.strip().lower() if grain else _DEFAULT_GRANULARITY.get(name)
    if grain is None:
        if options:
            raise ValueError(f"scheme {text!r} has options but no granularity; write for example '{name}/g128+{options[0]}'")
        if len(candidates) > 1:
            raise ValueError(f"scheme {text!r} needs a granularity: the choice is made for each group; write '{name}/g128'")
        return Scheme(str(candidates[0]), candidates, Granularity("none"), None)
    if grain == "none":
        if options or mx or len(candidates) > 1:
            raise ValueError(f"scheme {text!r}: granularity none is a plain cast to one format; write '{name}/g128'")
        return Scheme(str(candidates[0]), candidates, Granularity("none"), None)
    if name.startswith("mixed<"):
        name = f"mixed<{','.join(map(str, candidates))}>"
    elif len(candidates) == 1 and not mx:
        name = str(candidates[0])
    if any(isinstance(f, Fixed) and f.max == 0 for f in candidates):
        raise ValueError(f"scheme {text!r}: {name} has no value above zero to scale to; use int2 or wider, or uint1")
    if wide := [f for f in candidates if f.value_dtype != "float32"]:
        raise ValueError(
            f"scheme {text!r}: {wide[0]} has values that float32 does not hold, so code times scale would not be exact; "
            "use an element of at most 24 significant bits within float32, or the bare format without scale"
        )
    arith: Literal["float16", "float32"] = "float16" if name in _BITMOD_NAMES else "float32"
    made = Scheme(name, candidates, _granularity(text, grain), None, "floor" if mx else "absmax", arith)
    for option in options:
        made = _apply_option(text, made, option, mx)
    return made if made.scaled else replace(made, scale=_default_scale(name, made.arith))


def _default_scale(name: str, arith: str) -> Format:
    if name in _MX:
        return parse("e8m0")
    return parse("float16" if arith == "float16" else "float32")


def _elements(text: str, name: str) -> tuple[tuple[Format, ...], bool]:
    if name in _MX:
        return (parse(_MX[name]),), True
    if match := re.fullmatch(r"bitmod(\d+)", name):
        bits = int(match[1])
        if bits not in _BITMOD:
            raise ValueError(f"scheme {text!r}: BitMoD defines mixtures of 3 and 4 bits; write bitmod3, bitmod4, or int{bits}/g128")
        return tuple(parse(f) for f in _BITMOD[bits]), False
    if match := re.fullmatch(r"mixed<(.*)>", name):
        parts = [p.strip() for p in re.split(r",(?![^<]*>)", match[1]) if p.strip()]
        if len(parts) < 2:
            raise ValueError(f"scheme {text!r}: mixed<...> needs two or more candidate formats, as in mixed<int4,flint4>")
        if len(parts) > 256:
            raise ValueError(f"scheme {text!r}: mixed<...> takes at most 256 candidate formats, not {len(parts)}")
        return tuple(parse(p) for p in parts), False
    try:
        return (parse(name),), False
    except ValueError as error:
        if "ambiguous" in str(error) or "<" in name or re.fullmatch(r"u?int\d+", name):
            raise
        known = [*scheme_names(), *catalogue()["name"], "int4", "int8"]
        close = nearest(name, known) or known[:8]
        raise ValueError(f"unknown scheme {text!r}: no element named {name!r}; did you mean {', '.join(close)}?") from None


def _granularity(text: str, grain: str) -> Granularity:
    if grain in ("tensor", "channel", "token"):
        return Granularity(grain)  # type: ignore[arg-type]
    if match := re.fullmatch(r"g(\d+)", grain):
        size = int(match[1])
        if size < 1:
            raise ValueError(f"scheme {text!r}: group size {size} is not allowed; it must be 1 or more")
        return Granularity("group", size)
    raise ValueError(f"scheme {text!r}: granularity {grain!r} is unknown; use tensor, channel, token or gN such as g128")


def _apply_option(text: str, made: Scheme, option: str, mx: bool) -> Scheme:
    integer = all(isinstance(f, Fixed) and f.signed for f in made.candidates)
    single = made.candidates[0]
    if option == "asym" and integer and len(made.candidates) == 1 and not made.full:
        return replace(made, rule="range", candidates=(Fixed(single.bits, single.bits, signed=False),))
    if option == "full" and integer and len(made.candidates) == 1:
        return replace(made, full=True)
    if option == "floor" and mx:
        return made
    if not mx and option.startswith("arith="):
        value = {"float16": "float16", "fp16": "float16", "float32": "float32", "fp32": "float32"}.get(option[6:])
        if value is None:
            raise ValueError(f"scheme {text!r}: arith={option[6:]!r} is unknown; use float32 or float16")
        return replace(made, arith=value)  # type: ignore[arg-type]
    if option.startswith("sel=") and len(made.candidates) > 1:
        value = {"fp16": "fp16", "float16": "fp16", "float64": "float64", "fp64": "float64"}.get(option[4:])
        if value is None:
            raise ValueError(f"scheme {text!r}: sel={option[4:]!r} is unknown; use float64 or fp16")
        return replace(made, sel=value)  # type: ignore[arg-type]
    if not mx and option.startswith("scale="):
        fmt = parse(option[6:])
        if (
            not isinstance(fmt, Float)
            or not fmt.signed
            or fmt.exp_bits < 5
            or fmt not in map(parse, ("float32", "float16", "bfloat16"))
        ):
            raise ValueError(f"scheme {text!r}: scale={option[6:]!r} is not allowed; use float32, float16 or bfloat16")
        return replace(made, scale=fmt)
    raise ValueError(
        f"scheme {text!r}: option {option!r} is unknown or does not apply to {made.name}; "
        "options are asym, full (signed integers), scale=float32|float16|bfloat16, arith=float32|float16, "
        "sel=float64|fp16 (mixtures), floor (MX)"
    )


def is_plain_float(s: Scheme) -> bool:
    """Whether the scheme is a cast to one float format without scale."""
    return not s.scaled and isinstance(s.candidates[0], Float)
