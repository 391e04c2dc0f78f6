"""How others write fixed-point types: ap_fixed, ac_fixed, Q formats. Each becomes the arguments of `Fixed`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .base import Overflow, Rounding

Arguments = dict[str, Any]

# UG1399 (Vitis HLS), "Quantization Modes" and "Overflow Modes".
AP_ROUNDINGS = {
    "ap_trn": Rounding.DOWN,
    "ap_trn_zero": Rounding.TOWARD_ZERO,
    "ap_rnd": Rounding.TIES_UP,
    "ap_rnd_zero": Rounding.TIES_ZERO,
    "ap_rnd_min_inf": Rounding.TIES_DOWN,
    "ap_rnd_inf": Rounding.TIES_AWAY,
    "ap_rnd_conv": Rounding.TIES_EVEN,
}
AP_OVERFLOWS = {
    "ap_wrap": Overflow.WRAP,
    "ap_sat": Overflow.SATURATE,
    "ap_sat_zero": Overflow.SATURATE_ZERO,
    "ap_sat_sym": Overflow.SATURATE_SYMMETRIC,
    "ap_wrap_sm": Overflow.WRAP_SIGN_MAGNITUDE,
}
# Algorithmic C datatypes reference manual, "Quantization and overflow"; the names that it shares mean the same.
AC_ROUNDINGS = {"ac" + name[2:]: mode for name, mode in AP_ROUNDINGS.items()}
AC_OVERFLOWS = {"ac" + name[2:]: mode for name, mode in AP_OVERFLOWS.items() if name != "ap_wrap_sm"}

OWN_OVERFLOWS = (
    Overflow.SATURATE,
    Overflow.SATURATE_ZERO,
    Overflow.SATURATE_SYMMETRIC,
    Overflow.WRAP,
    Overflow.WRAP_SIGN_MAGNITUDE,
)
_WRAPS = (Overflow.WRAP, Overflow.WRAP_SIGN_MAGNITUDE)


def _fields(rest: str | None) -> list[str]:
    return [part.strip() for part in (rest or "").split(",") if part.strip()]


def _whole(what: str, text: str, spec: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise ValueError(f"{what} {text!r} of format {spec!r} is not an integer")
    return int(text)


def _mode(what: str, field: str, known: dict[str, Any], spec: str) -> Any:
    if field not in known:
        names = ", ".join(name.upper() for name in known)
        raise ValueError(f"{what} {field.upper()!r} of format {spec!r} is unknown; use one of {names}")
    return known[field]


def _own(match: re.Match[str], spec: str) -> Arguments:
    made: Arguments = {"width": int(match[2]), "int_bits": int(match[3]), "signed": not match[1]}
    for field in _fields(match[4]):
        if field in list(Rounding):
            key, value = "rounding", str(Rounding(field))
        elif field in OWN_OVERFLOWS:
            key, value = "overflow", str(Overflow(field))
        elif field.isdecimal():
            key, value = "sat_bits", field
        else:
            raise ValueError(
                f"option {field!r} of format {spec!r} is unknown; use a rounding ({', '.join(Rounding)}), an overflow "
                f"({', '.join(OWN_OVERFLOWS)}) or the number of saturation bits"
            )
        if key in made:
            raise ValueError(f"format {spec!r} names its {key} twice; write it once")
        made[key] = int(value) if key == "sat_bits" else value
    return made


def _integer(match: re.Match[str], spec: str) -> Arguments:
    return {"width": int(match[2]), "int_bits": int(match[2]), "signed": not match[1]}


def _ap_integer(match: re.Match[str], spec: str) -> Arguments:
    return {**_integer(match, spec), "rounding": Rounding.DOWN, "overflow": Overflow.WRAP}


def _ap_fixed(match: re.Match[str], spec: str) -> Arguments:
    fields = _fields(match[2])
    if not 2 <= len(fields) <= 5:
        raise ValueError(f"format {spec!r} has {len(fields)} parameter(s); write ap_fixed<W,I[,Q[,O[,N]]]>")
    overflow = _mode("overflow mode", fields[3], AP_OVERFLOWS, spec) if len(fields) > 3 else Overflow.WRAP
    sat_bits = _whole("N", fields[4], spec) if len(fields) > 4 else 0
    return {
        "width": _whole("W", fields[0], spec),
        "int_bits": _whole("I", fields[1], spec),
        "signed": not match[1],
        "rounding": _mode("quantization mode", fields[2], AP_ROUNDINGS, spec) if len(fields) > 2 else Rounding.DOWN,
        "overflow": overflow,
        "sat_bits": sat_bits if overflow in _WRAPS else 0,  # the header ignores N for the saturating modes
    }


def _boolean(field: str, spec: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if field not in values:
        raise ValueError(f"S={field!r} of format {spec!r} is not allowed; use true or false")
    return values[field]


def _ac_fixed(match: re.Match[str], spec: str) -> Arguments:
    fields = _fields(match[1])
    if not 2 <= len(fields) <= 5:
        raise ValueError(f"format {spec!r} has {len(fields)} parameter(s); write ac_fixed<W,I[,S[,Q[,O]]]>")
    if len(fields) > 3 and fields[3] == "ac_rnd_conv_odd":
        raise ValueError(
            f"quantization mode 'AC_RND_CONV_ODD' of format {spec!r} (nearest, ties to the odd neighbour) is not supported; "
            f"use one of {', '.join(name.upper() for name in AC_ROUNDINGS)}"
        )
    return {
        "width": _whole("W", fields[0], spec),
        "int_bits": _whole("I", fields[1], spec),
        "signed": _boolean(fields[2], spec) if len(fields) > 2 else True,
        "rounding": _mode("quantization mode", fields[3], AC_ROUNDINGS, spec) if len(fields) > 3 else Rounding.DOWN,
        "overflow": _mode("overflow mode", fields[4], AC_OVERFLOWS, spec) if len(fields) > 4 else Overflow.WRAP,
    }


def _ac_int(match: re.Match[str], spec: str) -> Arguments:
    fields = _fields(match[1])
    if not 1 <= len(fields) <= 2:
        raise ValueError(f"format {spec!r} has {len(fields)} parameter(s); write ac_int<W[,S]>")
    width = _whole("W", fields[0], spec)
    signed = _boolean(fields[1], spec) if len(fields) > 1 else True
    return {"width": width, "int_bits": width, "signed": signed, "rounding": Rounding.DOWN, "overflow": Overflow.WRAP}


def _q(match: re.Match[str], spec: str) -> Arguments:
    """Qm.n: m integer bits beside the sign (Texas Instruments); with `arm:` before it m counts the sign bit (ARM)."""
    unsigned, whole, frac = match[2], int(match[3]), int(match[4])
    int_bits = whole if unsigned or match[1] == "arm:" else whole + 1
    return {"width": int_bits + frac, "int_bits": int_bits, "signed": not unsigned}


DIALECTS: list[tuple[re.Pattern[str], Callable[[re.Match[str], str], Arguments]]] = [
    (re.compile(r"(u?)int(\d+)"), _integer),
    (re.compile(r"(u?)fixed<\s*(\d+)\s*,\s*(-?\d+)\s*((?:,[^>]*)?)>"), _own),
    (re.compile(r"ap_(u?)int\s*<\s*(\d+)\s*>"), _ap_integer),
    (re.compile(r"ap_(u?)fixed\s*<([^<>]*)>"), _ap_fixed),
    (re.compile(r"ac_fixed\s*<([^<>]*)>"), _ac_fixed),
    (re.compile(r"ac_int\s*<([^<>]*)>"), _ac_int),
    (re.compile(r"(arm:|ti:)?(u?)q(-?\d+)\.(-?\d+)"), _q),
]
