"""A scheme says how a tensor becomes codes: element formats, granularity, scale, zero point, and the arithmetic of the rule."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from ..formats import Fixed, Float, Format
from .family import Family
from .grid import Granularity, Grid, parse_granularity

_POWERS = ("floor", "ceil", "rceil", "even")  # rules of the scale that exclude one another
Arith = Literal["float16", "float32", "float64", "exact"]


@dataclass(frozen=True)
class Scheme:
    """How a tensor becomes codes. Build one with `nf.scheme("int4/g128")`.

    name: the element part of the string ("int4", "nf4", "bitmod4", "mxfp4", ...).
    candidates: the element formats; more than one means that each group takes the one of least squared error.
    granularity: which elements share a scale.
    scale: format in which the scale of a group is stored; None for a plain cast and for families that store other things.
    rule: how the scale of a group follows from its elements: "absmax" (largest magnitude over `limit`), "range" (asymmetric:
    max - min over the code range), "floor", "ceil", "rceil", "even" (powers of two), "mse", "percentile", or a family's own.
    arith: precision in which scales, quotients and products of the rule are rounded; "exact" rounds only what is stored.
    sel: precision of the squared error that chooses among candidates: "float64" or "fp16" (the published BitMoD code).
    full: whether a symmetric integer uses its most negative code.
    family: the way of mapping (`numfmt.blocks.registry`). params: its further options, as (key, value) pairs in order of keys.
    pad: whether rows end in zeros up to a whole group (stored and counted) where the group does not divide them.
    """

    name: str
    candidates: tuple[Format, ...]
    granularity: Granularity
    scale: Format | None
    rule: str = "absmax"
    arith: Arith = "float32"
    sel: Literal["float64", "fp16"] = "float64"
    full: bool = False
    family: str = "scaled"
    params: tuple[tuple[str, str], ...] = ()
    pad: bool = False

    @property
    def way(self) -> Family:
        """The family that carries the scheme out."""
        from .registry import family

        return family(self.family)

    def grid(self, rows: int, columns: int) -> Grid:
        """The groups of a matrix whose rows are reduced. Raises ValueError where they do not divide it."""
        return Grid(self.granularity, rows, columns, self.pad)

    def param(self, key: str) -> str:
        """The value of a family's option."""
        for name, value in self.params:
            if name == key:
                return value
        return self.way.default(key)

    def with_param(self, key: str, value: str) -> Scheme:
        """The scheme with an option of its family set; a default leaves no trace."""
        kept = [(name, held) for name, held in self.params if name != key]
        if value != self.way.default(key):
            kept.append((key, value))
        return replace(self, params=tuple(sorted(kept)))

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
        """Whether values are more than a cast: codes with a scale, or what a family makes of them."""
        return self.granularity.kind != "none"

    def limit(self, candidate: int = 0) -> float:
        """The magnitude that the largest element of a group is mapped to."""
        fmt = self.candidates[candidate]
        return fmt.max if isinstance(fmt, Fixed) else fmt.largest_magnitude

    def bits_per_element(self, shape: tuple[int, ...]) -> float:
        """Stored bits an element of a tensor of `shape` (..., K), grouped along its last axis, all overheads counted."""
        rows = 1
        for n in shape[:-1]:
            rows *= n
        return self.stored_bits(rows, shape[-1]) / (rows * shape[-1])

    def stored_bits(self, rows: int, columns: int) -> int:
        """Bits that a matrix of (rows, columns) takes in dense storage."""
        return sum(part.count * part.bits for part in self.way.parts(self, self.grid(rows, columns)).values())

    def __str__(self) -> str:
        from .registry import default_granularity

        if not self.scaled:  # "none" where the bare name means a scheme with scales
            return f"{self.name}/none" if default_granularity(self.name) else self.name
        options = [*self.way.option_texts(self), *(["pad"] if self.pad else [])]
        return f"{self.name}/{self.granularity}" + "".join(f"+{o}" for o in options)


def scheme(spec: str | Scheme | Format) -> Scheme:
    """The scheme that a string names: `ELEMENT/GRANULARITY[+option...]`, or a bare format for a plain cast without scale.

    Elements: every format (`int4`, `e4m3fn`, `nf4`, ...), `mixed<A,B,...>` (each group takes the candidate of least squared
    error), and the presets that `nf.schemes()` lists (`mxfp4`, `nvfp4`, `bitmod4`, ...).
    Granularities: `tensor`, `channel`, `token`, `gN` (groups along the reduction axis), `bHxW` (2-D blocks), `flatN` (blocks of
    the flattened tensor); `none` is the bare format (a plain cast of `nf4`, whose bare name means g64).
    Options of every scheme: `pad` (rows end in zeros up to a whole group). Of formats: `asym` (integers: zero point), `full`
    (integers: use the most negative code), `scale=FORMAT`, `arith=float16|float32|float64|exact`, `sel=fp16|float64` (mixtures),
    `floor`, `ceil`, `rceil`, `even` (power-of-two scales), `mse`, `percentile=P`, `round=MODE`. Presets have their own: the error
    message for a wrong one lists them.

    Raises ValueError for anything else, naming the nearest known words.
    """
    if isinstance(spec, Scheme):
        return spec
    if isinstance(spec, Format):
        return Scheme(str(spec), (spec,), Granularity("none"), None, family="cast")
    if not isinstance(spec, str):
        raise ValueError(f"scheme {spec!r} is not a string, a Format or a Scheme; write for example 'int4/g128'")
    return _parse_scheme(spec.strip())


@lru_cache(maxsize=4096)
def _parse_scheme(text: str) -> Scheme:
    from .registry import lookup

    match = re.fullmatch(r"((?:[^/+<>]|<[^<>]*(?:<[^<>]*>[^<>]*)*>)+)(?:/([^/+]+))?((?:\+[^/+]+)*)", text)
    if not match:
        raise ValueError(f"scheme {text!r} is not ELEMENT/GRANULARITY[+option...]; write for example 'int4/g128+asym'")
    name, grain = match[1].strip().lower(), match[2]
    options = tuple(o.strip().lower() for o in match[3].split("+") if o.strip())
    made = lookup(text, name)
    grain = grain.strip().lower() if grain else None
    if grain is None and not made.scaled:
        if options:
            raise ValueError(f"scheme {text!r} has options but no granularity; write for example '{name}/g128+{options[0]}'")
        if len(made.candidates) > 1:
            raise ValueError(f"scheme {text!r} needs a granularity: the choice is made for each group; write '{name}/g128'")
        return scheme(made.candidates[0])
    if grain == "none":
        if options or made.family != "scaled" or len(made.candidates) > 1:
            raise ValueError(f"scheme {text!r}: granularity none is a plain cast to one format; write '{name}/g128'")
        return scheme(made.candidates[0])
    if grain is not None:
        made = replace(made, granularity=parse_granularity(text, grain))
    _refuse_repeats(text, options)
    for option in options:
        if option == "pad":
            changed: Scheme | None = replace(made, pad=True)
        else:
            changed = made.way.option(made, option)
        if changed is None:
            known = ", ".join(filter(None, [made.way.option_help(), "pad"]))
            raise ValueError(f"scheme {text!r}: option {option!r} is unknown or does not apply to {made.name}; options are {known}")
        made = changed
    if made.pad and made.granularity.kind not in ("group", "block"):
        raise ValueError(f"scheme {text!r}: pad ends rows in zeros for groups (gN) and blocks (bHxW); leave it out")
    return made.way.finish(text, made)


def _refuse_repeats(text: str, options: tuple[str, ...]) -> None:
    keys = [option.partition("=")[0] for option in options]
    rules = [key for key in keys if key in _POWERS]
    if twice := next((key for key in keys if keys.count(key) > 1), ""):
        raise ValueError(f"scheme {text!r} gives {twice} twice; write it once")
    if len(rules) > 1:
        raise ValueError(f"scheme {text!r} gives {' and '.join(rules)}, which exclude each other; write one")


def is_plain_float(s: Scheme) -> bool:
    """Whether the scheme is a cast to one float format without scale."""
    return not s.scaled and isinstance(s.candidates[0], Float)
