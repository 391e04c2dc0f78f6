"""Codes of a format times the scale of their group: the general family, with zero points and mixtures of formats."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from ..formats import Codebook, Fixed, Float, Format, decode, parse
from ..formats.base import decode_table
from . import fast
from .bitsandbytes import NAMES as BLOCKWISE
from .bitsandbytes import joins as in_blocks
from .engine import quantize_groups
from .family import (
    Family,
    Given,
    Part,
    SchemeEntry,
    Stored,
    code_part,
    group_part,
    scale_part,
    scale_values,
    scale_words,
)
from .grid import Granularity, Grid
from .rules import POWERS, refuse_specials, rounded
from .scheme import Arith, Scheme

_BITMOD = {b: tuple(f"fp{b}_{kind}_{sign}" for kind in ("er", "ea") for sign in ("pos", "neg")) for b in (3, 4)}
_BITMOD_NAMES = ("bitmod3", "bitmod4")
_ARITH = {"fp16": "float16", "fp32": "float32", "fp64": "float64"} | {a: a for a in get_args(Arith)}
_SEL = {"fp16": "fp16", "float16": "fp16", "float64": "float64", "fp64": "float64"}


class Scaled(Family):
    """A value is (code's value - zero point) * scale, exactly. Source of the rules: see `nf.quantize`."""

    name = "scaled"
    plain = True
    flags = {"divide": ("quotient", "divide"), "reciprocal": ("quotient", "reciprocal")}
    keyed = {
        "zp": ("awq", "gptq", "omniquant"),
        "eps": ("0", "1e-8", "1e-5"),
        "round": (
            "own",
            "ties_even",
            "ties_away",
            "ties_zero",
            "ties_up",
            "ties_down",
            "toward_zero",
            "up",
            "down",
            "away",
            "to_odd",
        ),
    }

    def reciprocal(self, made: Scheme) -> bool:
        """Whether elements are multiplied by the rounded reciprocal of the scale, as bitsandbytes (NF4), HAWQ and torch do."""
        return made.name == "nf4" or made.param("quotient") == "reciprocal"

    def zero_scale(self, made: Scheme) -> bool:
        """Whether an all-zero group stores a scale of zero, as bitsandbytes does."""
        return made.name == "nf4"

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, scales, and where the scheme has them zero points and choices."""
        parts = {"codes": code_part(made, grid), "scales": scale_part(made, grid)}
        if made.rule == "range":
            if made.param("zp") == "omniquant":  # beyond the codes, with a sign
                parts["zero_points"] = Part(grid.shape, np.dtype(np.int16), 16, None, grid.height)
            else:
                parts["zero_points"] = group_part(grid, made.zero_point_bits, dtype=np.int32)
        if len(made.candidates) > 1:
            parts["choice"] = group_part(grid, made.choice_bits, len(made.candidates) - 1, np.uint8)
        return parts

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """A fused kernel on the groups of `rows` where one fits the scheme, else the general engine: the same bits."""
        assert made.scale is not None
        found = None
        if rows.dtype == np.float32 or made.arith == "float32":
            with np.errstate(over="ignore"):
                found = fast.quantize_groups(grid.gather(rows.astype(np.float32, copy=False)), made, given)
        if found is None:  # the kernels notice NaN and infinities on their way
            refuse_specials(rows)
            found = quantize_groups(grid.gather(in_arithmetic(rows, made)), made, given)
        codes, scales, zeros, chosen = found
        stored = {"codes": grid.scatter(codes), "scales": scale_words(scales, made.scale).reshape(grid.shape)}
        if zeros is not None:
            dtype = np.int16 if made.param("zp") == "omniquant" else np.int32
            stored["zero_points"] = zeros.reshape(grid.shape).astype(dtype)
        if chosen is not None:
            stored["choice"] = chosen.reshape(grid.shape)
        return stored

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values of the codes, zero points subtracted."""
        codes = stored["codes"]
        if "choice" not in stored:
            values: np.ndarray = decode(codes, made.candidates[0])
        else:
            tables = [decode_table(f) for f in made.candidates]
            size = max(t.size for t in tables)
            stacked = np.stack([np.pad(t, (0, size - t.size), constant_values=np.nan) for t in tables])
            values = stacked[grid.spread(stored["choice"]), codes]
        if "zero_points" in stored:
            values = values - grid.spread(stored["zero_points"]).astype(values.dtype)
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """The stored scales as values."""
        assert made.scale is not None
        return scale_values(stored["scales"], made.scale)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Scales must be finite and above zero, codes within their tables."""
        check_scales(self.scales(made, grid, stored), made)
        if any(isinstance(f, Codebook) for f in made.candidates) and np.isnan(self.code_values(made, grid, stored)).any():
            raise ValueError(f"codes hold a code beyond the entries of {made}")

    def check_scales(self, scales: np.ndarray, made: Scheme) -> None:
        """See the function of this name."""
        check_scales(scales, made)

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """asym, full, scale=, arith=, sel=, the rules of the scale, and round=."""
        integer = all(isinstance(f, Fixed) and f.signed for f in made.candidates)
        single = made.candidates[0]
        key, _, value = option.partition("=")
        if option == "asym" and integer and len(made.candidates) == 1 and not made.full:
            if made.rule not in ("absmax", "range") or {"eps", "round"} & dict(made.params).keys():
                return None
            return replace(made, rule="range", candidates=(Fixed(single.bits, single.bits, signed=False),))
        if option == "full" and integer and len(made.candidates) == 1:
            return replace(made, full=True)
        if option in POWERS and made.rule in ("absmax", option) and str(made.scale or "e8m0") == "e8m0":
            return replace(made, rule=option, scale=parse("e8m0"))
        if option == "dq" and made.name in BLOCKWISE:
            return replace(made, family="bitsandbytes").with_param("dq", "yes")
        if option in ("s8", "s8=own", "s8=published") and made.arith == "float16":
            return replace(made, family="bitmod").with_param("s8", option[3:] or "own")
        if option == "mse" and made.rule == "absmax":
            return replace(made, rule="mse")
        if key == "percentile" and made.rule in ("absmax", "percentile"):
            return _percentile(made, option, value)
        if key == "arith":
            if value not in _ARITH:
                raise ValueError(f"scheme of {made.name}: arith={value!r} is unknown; use float16, float32, float64 or exact")
            if _ARITH[value] == "float16" and {"eps", "quotient"} & dict(made.params).keys():
                return None
            return replace(made, arith=_ARITH[value])
        if key == "sel" and len(made.candidates) > 1:
            if value not in _SEL:
                raise ValueError(f"scheme of {made.name}: sel={value!r} is unknown; use float64 or fp16")
            return replace(made, sel=_SEL[value])  # type: ignore[arg-type]
        if key == "scale":
            return replace(made, scale=scale_format(made, value))
        if key == "zp" and made.rule != "range":
            return None
        if (key == "eps" or option in self.flags) and (made.arith == "float16" or (key == "eps" and made.rule == "range")):
            return None
        if key == "round" and (isinstance(single, Codebook) or made.rule == "range"):
            return None
        return super().option(made, option)

    def default(self, key: str) -> str:
        """What an option means that is not written."""
        return "99.9" if key == "percentile" else super().default(key)

    def option_texts(self, made: Scheme) -> list[str]:
        """The options that differ from what the name alone means."""
        options = []
        if made.rule == "range":
            options.append("asym")
        if made.full:
            options.append("full")
        if made.rule in ("mse", *POWERS):
            options.append(made.rule)
        if made.rule == "percentile":
            options.append(f"percentile={made.param('percentile')}")
        if made.arith != ("float16" if made.name in _BITMOD_NAMES else "float32"):
            options.append(f"arith={made.arith}")
        if made.scale != default_scale(made) and not (made.rule in POWERS and str(made.scale) == "e8m0"):
            options.append(f"scale={made.scale}")
        if made.sel != "float64":
            options.append(f"sel={made.sel}")
        return [*options, *(t for t in super().option_texts(made) if not t.startswith("percentile="))]

    def option_help(self) -> str:
        """The options that the family knows, for messages."""
        return (
            "asym, full (signed integers), scale=FORMAT such as float16, arith=float16|float32|float64|exact, sel=float64|fp16 "
            "(mixtures), floor|ceil|rceil|even (scales that are powers of two), mse, percentile=P, round=MODE, "
            "zp=awq|gptq|omniquant (asym), eps=0|1e-8|1e-5 (least largest magnitude), reciprocal, s8 (arith=float16: "
            "8-bit multiples of one scale a channel)"
        )

    def finish(self, text: str, made: Scheme) -> Scheme:
        """Default scale filled in; combinations that make no sense refused; flat codebooks handed to bitsandbytes' family."""
        if in_blocks(made):
            made = replace(made, family="bitsandbytes")
            return made.way.finish(text, made)
        if any(isinstance(f, Fixed) and f.max == 0 for f in made.candidates):
            raise ValueError(f"scheme {text!r}: {made.name} has no value above zero to scale to; use int2 or wider, or uint1")
        if wide := [f for f in made.candidates if f.value_dtype != "float32"]:
            raise ValueError(
                f"scheme {text!r}: {wide[0]} has values that float32 does not hold, so code times scale would not be exact; "
                "use an element of at most 24 significant bits within float32, or the bare format without scale"
            )
        if made.rule == "even" and not all(isinstance(f, Float) for f in made.candidates):
            raise ValueError(f"scheme {text!r}: even rounds to the fraction bits of a float element; use floor, ceil or rceil")
        if made.rule in POWERS and str(made.scale or "e8m0") != "e8m0":
            raise ValueError(f"scheme {text!r}: {made.rule} makes powers of two, stored as e8m0; leave scale={made.scale} out")
        if made.rule == "mse" and len(made.candidates) > 1 and made.sel == "fp16":
            raise ValueError(f"scheme {text!r}: the mse search compares in float64; leave sel=fp16 out")
        return made if made.scale is not None else replace(made, scale=default_scale(made))

    def entries(self) -> list[SchemeEntry]:
        """Presets of the general family."""
        return [
            SchemeEntry(
                "int4/g128", "symmetric integers -7..7, float32 absmax scale", "textbook rule; BitMoD's quant_weight.py", "read"
            ),
            SchemeEntry("int4/g128+full+eps=1e-5", "symmetric, all codes used", "llm-awq, quantizer.py (zero_point=False)", "read"),
            SchemeEntry(
                "int4/g128+asym", "asymmetric with a zero point a group", "AWQ, arXiv 2306.00978; llm-awq, quantizer.py", "read"
            ),
            SchemeEntry(
                "int4/g128+asym+zp=gptq", "asymmetric, zero always in the range", "GPTQ, arXiv 2210.17323; gptq, quant.py", "read"
            ),
            SchemeEntry(
                "int4/g128+asym+zp=omniquant", "zero points beyond the codes", "OmniQuant, arXiv 2308.13137; quantizer.py", "read"
            ),
            SchemeEntry("int4/g128+arith=float16", "BitMoD's float16 arithmetic", "BitMoD, quant_weight.py", "measured"),
            SchemeEntry("int5/g128+arith=float16", "BitMoD's lossy five bits", "BitMoD, quant_weight.py", "read"),
            SchemeEntry("int6/g128+arith=float16", "BitMoD's lossless six bits", "BitMoD, quant_weight.py", "measured"),
            SchemeEntry("int4/channel+eps=1e-8+reciprocal", "HAWQ-V3's weights", "HAWQ, quant_utils.py", "read"),
            SchemeEntry("int8/token", "one scale a token", "ZeroQuant, arXiv 2206.01861", "recalled"),
            SchemeEntry(
                "int8/tensor", "one scale a tensor (static activations: scales= from nf.observers)", "textbook rule", "read"
            ),
            SchemeEntry("int8/b16x16", "2-D blocks", "textbook rule", "read"),
            SchemeEntry(
                "nf4/g64", "NormalFloat codebook, float32 absmax scale", "QLoRA, arXiv 2305.14314; bitsandbytes 0.50", "measured"
            ),
            SchemeEntry(
                "bitmod4/g128", "FP4 with one of four special values a group", "BitMoD, arXiv 2411.11745, algorithm 1", "measured"
            ),
            SchemeEntry(
                "bitmod3/g128", "FP3 with one of four special values a group", "BitMoD, arXiv 2411.11745, algorithm 1", "measured"
            ),
            SchemeEntry(
                "mixed<int4,flint4>/g128", "any formats, the one of least squared error a group", "BitMoD, section III", "read"
            ),
        ]


def in_arithmetic(rows: np.ndarray, made: Scheme) -> np.ndarray:
    """`rows` in float64, rounded to the precision of the rule. Raises ValueError beyond its range."""
    work = rows.astype(np.float64)
    if made.arith == "exact" and rows.dtype != np.float32 and not np.array_equal(work.astype(np.float32), work):
        raise ValueError(
            f"x holds values that float32 does not hold; {made} proves its decisions for float32 values: use arith=float64"
        )
    rounded(work, made.arith)
    if not np.isfinite(work).all():
        raise ValueError(
            f"x reaches {float(np.abs(rows).max()):g}, beyond the range of the {made.arith} arithmetic of {made}; scale it down"
        )
    return work


def check_scales(scales: np.ndarray, made: Scheme) -> None:
    """Refuse scales that are not finite and above zero, or that the scale format of the scheme does not hold exactly.

    Zero is the scale of an all-zero group where the scheme multiplies by its reciprocal (nf4, as in bitsandbytes).
    """
    assert made.scale is not None
    zero = made.name == "nf4"
    positive = scales >= 0 if zero else scales > 0
    if not (np.isfinite(scales).all() and positive.all()):
        raise ValueError(f"scales must be finite and above zero for {made}")
    from ..formats import cast

    with np.errstate(over="ignore"):
        if not np.array_equal(cast(scales[scales > 0], made.scale), scales[scales > 0]):
            raise ValueError(
                f"scales hold values that {made.scale} does not hold exactly, the scale format of {made}; "
                f"round them with nf.cast(scales, '{made.scale}') first"
            )


def default_scale(made: Scheme) -> Format:
    """The scale format of a scheme that names none."""
    if made.rule in POWERS:
        return parse("e8m0")
    return parse("float16" if made.arith == "float16" else "float32")


def scale_format(made: Scheme, text: str) -> Format:
    """The format that scale= names: any with values above zero within float32; `dyadicN`: an N-bit integer times a power of two."""
    if match := re.fullmatch(r"dyadic(\d+)", text):
        bits = int(match[1])
        if not 2 <= bits <= 24:
            raise ValueError(f"scheme of {made.name}: scale=dyadic{bits} is not allowed; use 2 to 24 bits")
        return parse(f"ufloat<8,{bits - 1},ieee>")
    fmt = parse("ufloat<4,3,fn>" if text == "ue4m3" else text)  # NVFP4's name for E4M3 without its sign
    if (
        fmt.value_dtype != np.float32
        or fmt.max <= 0
        or not isinstance(fmt, (Float, Fixed))
        or (isinstance(fmt, Fixed) and fmt.frac_bits == 0)
    ):
        raise ValueError(
            f"scheme of {made.name}: scale={text!r} is not allowed; use float32, float16, bfloat16, e8m0, e4m3fn, dyadic16 or "
            "another float within float32"
        )
    return fmt


def _percentile(made: Scheme, option: str, value: str) -> Scheme:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number <= 100:
        raise ValueError(f"scheme of {made.name}: {option!r} must name a percentage above 0 and up to 100, as in percentile=99.9")
    return replace(made, rule="percentile").with_param("percentile", f"{number:g}")


def from_format(text: str, name: str) -> Scheme:
    """A format as an element: no granularity yet."""
    fmt = parse(name)
    return Scheme(str(fmt), (fmt,), Granularity("none"), None)


def _nf4(match: re.Match[str], text: str) -> Scheme:
    return Scheme("nf4", (parse("nf4"),), Granularity("group", 64), None)


def _bitmod(match: re.Match[str], text: str) -> Scheme:
    bits = int(match[1])
    if bits not in _BITMOD:
        raise ValueError(f"scheme {text!r}: BitMoD defines mixtures of 3 and 4 bits; write bitmod3, bitmod4, or int{bits}/g128")
    return Scheme(f"bitmod{bits}", tuple(map(parse, _BITMOD[bits])), Granularity("group", 128), None, arith="float16")


def _mixed(match: re.Match[str], text: str) -> Scheme:
    names = [p.strip() for p in re.split(r",(?![^<]*>)", match[1]) if p.strip()]
    if len(names) < 2:
        raise ValueError(f"scheme {text!r}: mixed<...> needs two or more candidate formats, as in mixed<int4,flint4>")
    if len(names) > 256:
        raise ValueError(f"scheme {text!r}: mixed<...> takes at most 256 candidate formats, not {len(names)}")
    formats = tuple(map(parse, names))
    return Scheme(f"mixed<{','.join(map(str, formats))}>", formats, Granularity("none"), None)


_SCALED = Scaled()
_SCALED.specials = True  # its quantize refuses them itself, so that no pass over x is spent on that alone
FAMILIES = (_SCALED,)
RULES: list[tuple[str, Any]] = [
    ("nf4", _nf4),
    (r"bitmod(\d+)", _bitmod),
    (r"mixed<(.*)>", _mixed),
]
