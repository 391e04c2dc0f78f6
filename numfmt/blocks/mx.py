"""Blocks under a shared power of two: OCP Microscaling formats, and block floating point (`bfp.py` names its presets)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from .._threads import in_groups
from ..formats import Fixed, Float, Format, decode, encode, parse
from ..kernels import block_power as k
from .family import Family, Given, Part, SchemeEntry, Stored, code_part, scale_part, scale_values
from .grid import Granularity, Grid
from .rules import POWERS
from .scaled import check_scales
from .scheme import Scheme

ELEMENTS = {
    "mxfp4": "e2m1",
    "mxfp6_e2m3": "e2m3",
    "mxfp6_e3m2": "e3m2",
    "mxfp8_e4m3": "e4m3fn",
    "mxfp8_e5m2": "e5m2",
    "mxint8": "fixed<8,2>",
}
_RULES = {"floor": k.FLOOR, "ceil": k.CEIL, "rceil": k.RCEIL, "even": k.EVEN}
_SPECIAL = {"refuse": k.REFUSE, "block": k.BLOCK, "torchao": k.SATURATE}
# What torchao 0.18 makes of a NaN: its conversions to FP6 and FP4, which have none, read the bits as a number.
_TORCHAO_NAN = {"e2m1": 3, "e2m3": 12, "e3m2": 14, "e4m3fn": 0x7F, "e5m2": 0x7F}
_E8M0_NAN = 255


class Shared(Family):
    """Elements of one format under one power of two a group, stored as E8M0: a value is element * 2**(scale code - 127).

    rule: how the power follows from the largest magnitude a of a group, M the largest magnitude of the element format:
    floor: 2**(floor(log2 a) - floor(log2 M)) (OCP MX v1.0 section 6.3); ceil: the same with ceil(log2 a); even: floor(log2) after a
    was rounded to the element's fraction bits, half up; rceil: the smallest power not below float32(a * float32(1 / M)).
    All exactly on the bits, codes clipped to 0 .. 254; a group of zeros has code 0. Elements: x divided by the power, rounded to
    nearest even, magnitudes above M clipped (integers to -M .. M), the sign of a zero kept where the format has one.

    nan=refuse: NaN and infinities are refused. nan=block: they make the scale NaN (code 255), and with it the whole group (OCP
    allows it; microxcaling, and torchao from 36027d8 on). nan=torchao, as torchao 0.18: a NaN makes the scale NaN; an infinity in a
    group without NaN counts as 2**128 in the rule (254 for rceil), and the elements are clipped.
    """

    name = "shared"
    plain = True
    keyed = {"nan": tuple(_SPECIAL)}
    specials = True

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes and E8M0 scales."""
        return {"codes": code_part(made, grid), "scales": scale_part(made, grid)}

    def by_rows(self, made: Scheme) -> bool:
        """2-D blocks are gathered some rows at a time; all others are quantized where they lie."""
        return made.granularity.kind == "block"

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Codes and scale codes. Raises ValueError for NaN and infinities under nan=refuse, and for values beyond float32."""
        groups = grid.gather(single(rows))
        codes = np.empty(groups.shape, made.candidates[0].code_dtype)
        scales, rule = power_words(made, grid, given)
        facts, reals = arguments(made, rule)

        def work(start: int, stop: int) -> int:
            found: int = k.quantize_power(groups[start:stop], codes[start:stop], scales[start:stop], facts, reals)
            return found

        bad = in_groups(groups.shape, work)
        if bad and made.param("nan") == "refuse":
            refuse(rows, "; nan=block makes the scale of their block NaN")
        return {"codes": grid.scatter(codes), "scales": scales.reshape(grid.shape)}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values of the elements."""
        values: np.ndarray = decode(stored["codes"], made.candidates[0])
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Powers of two, NaN for code 255."""
        assert made.scale is not None
        return scale_values(stored["scales"], made.scale)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """A NaN scale only where the scheme has one."""
        if made.param("nan") == "refuse" and (stored["scales"] == _E8M0_NAN).any():
            raise ValueError(f"scales must be finite and above zero for {made}")

    def check_scales(self, scales: np.ndarray, made: Scheme) -> None:
        """Imposed scales must be powers of two that E8M0 holds."""
        check_scales(scales, made)

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """The four rules beside nan=."""
        if option in POWERS:
            return replace(made, rule=option)
        return super().option(made, option)

    def option_texts(self, made: Scheme) -> list[str]:
        """The rule unless it is OCP's, and nan=."""
        return [*([made.rule] if made.rule != "floor" else []), *super().option_texts(made)]

    def option_help(self) -> str:
        """The options that the family knows, for messages."""
        return f"floor, ceil, rceil, even, {super().option_help()}"

    def finish(self, text: str, made: Scheme) -> Scheme:
        """torchao's rule for NaN belongs to the formats that torchao has."""
        if made.param("nan") == "torchao" and (made.name == "mxint8" or made.name not in ELEMENTS):
            raise ValueError(f"scheme {text!r}: torchao has no {made.name}, so nan=torchao says nothing; use nan=block")
        return made

    def entries(self) -> list[SchemeEntry]:
        """The OCP formats, and the other rules by one example each."""
        spec = "OCP Microscaling Formats v1.0 sections 5.2 and 6.3"
        torchao = "torchao 0.18.0 prototype/mx_formats/mx_tensor.py"
        peer = "microsoft/microxcaling@7bc4195"
        floats = [n for n in ELEMENTS if n != "mxint8"]
        return [
            *(
                SchemeEntry(f"{n}/g32", "OCP MX, power-of-two scale by floor(log2)", f"{spec}; {torchao}", "measured")
                for n in floats
            ),
            SchemeEntry("mxint8/g32", "OCP MX 8-bit integers of -127..127 in units of 2**-6", f"{spec}; {peer}", "measured"),
            SchemeEntry("mxfp4/g32+ceil", "OCP MX with ceil(log2)", torchao, "measured"),
            SchemeEntry("mxfp8_e4m3/g32+rceil", "OCP MX, no element clipped: cuBLAS and TransformerEngine", torchao, "measured"),
            SchemeEntry("mxfp4/g32+even", "OCP MX, maximum rounded first: AMD Quark's rule", torchao, "measured"),
            SchemeEntry("mxfp8_e4m3/g32+nan=torchao", "OCP MX, NaN and infinities kept as torchao 0.18 does", torchao, "measured"),
            SchemeEntry(
                "mxfp8_e4m3/g32+nan=block",
                "OCP MX, a NaN or an infinity makes its block NaN",
                f"{peer}; pytorch/ao@36027d8 prototype/mx_formats/mx_tensor.py",
                "measured",
            ),
        ]


def single(rows: np.ndarray) -> np.ndarray:
    """`rows` rounded to float32. Raises ValueError for finite values beyond its range."""
    if rows.dtype == np.float32:
        return np.ascontiguousarray(rows)
    with np.errstate(over="ignore"):
        made = rows.astype(np.float32)
    if (np.isinf(made) & np.isfinite(rows)).any():
        raise ValueError(f"x reaches {float(np.nanmax(np.abs(rows))):g}, beyond the range of float32; scale it down")
    return made


def refuse(rows: np.ndarray, remedy: str = "") -> None:
    """Raise the ValueError for NaN and infinities."""
    bad = int((~np.isfinite(rows)).sum())
    raise ValueError(f"x holds {bad} NaN or infinite value(s); replace them before quantizing{remedy}")


def power_words(made: Scheme, grid: Grid, given: Given) -> tuple[np.ndarray, int]:
    """Room for the scale codes and the kernel's rule: the given codes, or the scheme's rule."""
    if "scales" in given.stored:
        return np.array(given.stored["scales"], np.uint8).reshape(-1), k.GIVEN
    if given.scales is not None:
        assert made.scale is not None
        words: np.ndarray = encode(given.scales.reshape(-1), made.scale)
        return words, k.GIVEN
    return np.empty(grid.count, np.uint8), _RULES[made.rule]


def arguments(made: Scheme, rule: int) -> tuple[np.ndarray, np.ndarray]:
    """`facts` and `reals` of the kernels of `block_power`."""
    fmt = made.candidates[0]
    man_bits, _, most, _ = element_facts(fmt)
    facts = format_facts(fmt)
    if made.param("nan") == "torchao":
        facts[k.E_NAN] = _TORCHAO_NAN[str(fmt)]
    facts[k.S_RULE], facts[k.S_TOP] = rule, int(np.frexp(most)[1]) - 1
    facts[k.S_HALF], facts[k.S_SPECIAL] = 1 << (22 - man_bits), _SPECIAL[made.param("nan")]
    return facts, np.array([most, np.float32(1) / np.float32(most)], np.float32)


def format_facts(fmt: Format) -> np.ndarray:
    """`facts` of an element format, those of the scale rule empty."""
    man_bits, emin, _, nan = element_facts(fmt)
    twos = isinstance(fmt, Fixed)
    facts = np.zeros(11, np.int32)
    facts[k.E_EMIN], facts[k.E_SHIFT], facts[k.E_CODE_SHIFT] = (emin + 127) << 23, (23 - man_bits) << 23, 23 - man_bits
    facts[k.E_SIGN], facts[k.E_SIGN_SHIFT] = (1 << fmt.bits) - 1 if twos else 1 << (fmt.bits - 1), 32 - fmt.bits
    facts[k.E_TWOS], facts[k.E_NAN] = twos, nan
    return facts


def element_facts(fmt: Format) -> tuple[int, int, float, int]:
    """(fraction bits, least normal exponent, largest magnitude, NaN code or 0) of a float, or of a fixed-point number below 2."""
    if isinstance(fmt, Fixed):
        return fmt.frac_bits, 0, float(fmt.max), 0
    assert isinstance(fmt, Float)
    return fmt.man_bits, fmt.emin, float(fmt.max), fmt.nan_code if fmt.has_nan else 0


def shared(name: str, element: str | Format, granularity: Granularity) -> Scheme:
    """A scheme of this family."""
    fmt = parse(element) if isinstance(element, str) else element
    return Scheme(name, (fmt,), granularity, parse("e8m0"), "floor", family="shared")


def _mx(match: re.Match[str], text: str) -> Scheme:
    return shared(match[0], ELEMENTS[match[0]], Granularity("group", 32))


FAMILIES = (Shared(),)
RULES: list[tuple[str, Any]] = [("|".join(ELEMENTS), _mx)]
