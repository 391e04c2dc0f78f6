"""Which NaN an operation returns: rules of processors, on the codes of IEEE-style formats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._checks import check_in
from .floats import Float

# name: (what it does, source, status)
NAN_RULES: dict[str, tuple[str, str, str]] = {
    "riscv": (
        "one canonical quiet NaN: sign clear, top mantissa bit set",
        "RISC-V unprivileged ISA, F extension, section 'NaN generation and propagation'",
        "recalled",
    ),
    "x86": (
        "the first NaN operand, quieted; a new NaN has its sign set",
        "Intel SDM volume 1, table 4-7 (SSE); two operands of SoftFloat's 8086-SSE words in the tests",
        "verified",
    ),
    "arm": (
        "the first signalling NaN operand, else the first quiet one, quieted; a new NaN is positive",
        "Arm Architecture Reference Manual, FPProcessNaNs with FPCR.DN = 0",
        "recalled",
    ),
    "propagate": (
        "the first NaN operand, quieted; a new NaN is positive",
        "IEEE 754-2019 section 6.2.3",
        "recalled",
    ),
    "nvidia": (
        "one NaN with every bit below the sign set",
        "words recorded on an H100: 0x7FFF and 0x7FFFFFFF",
        "verified",
    ),
}


def check_rule(name: str | None) -> str:
    """The rule that `nan` names; None is "riscv", the canonical NaN that `encode` writes too."""
    if name is None:
        return "riscv"
    check_in("nan", name, list(NAN_RULES))
    return name


def is_nan_code(codes: np.ndarray, fmt: Float) -> np.ndarray:
    """Which codes are NaN."""
    magnitude = codes.astype(np.uint64) & np.uint64((1 << (fmt.exp_bits + fmt.man_bits)) - 1)
    if fmt.specials == "none":
        return np.zeros(codes.shape, bool)
    if fmt.specials == "fnuz":
        return codes == fmt.nan_code
    return magnitude > np.uint64(fmt.inf_code if fmt.has_inf else fmt.max_magnitude_code)


def is_signalling(codes: np.ndarray, fmt: Float) -> np.ndarray:
    """Which codes are signalling NaNs: the top mantissa bit is clear (IEEE 754-2019 section 6.2.1); IEEE-style formats only."""
    if fmt.specials != "ieee" or fmt.man_bits < 2:
        return np.zeros(codes.shape, bool)
    quiet = np.uint64(1 << (fmt.man_bits - 1))
    return is_nan_code(codes, fmt) & ((codes.astype(np.uint64) & quiet) == 0)


def nan_results(operands: Sequence[np.ndarray], fmt: Float, rule: str) -> np.ndarray:
    """The NaN code of each element where an operation on these operand codes (all in `fmt`) gives NaN; uint64."""
    shape = operands[0].shape
    top = np.uint64((1 << (fmt.exp_bits + fmt.man_bits)) - 1)
    if rule == "nvidia":
        return np.full(shape, top if fmt.specials != "fnuz" else fmt.nan_code, np.uint64)
    sign = np.uint64(1 << (fmt.bits - 1)) if fmt.signed and fmt.specials != "fnuz" and rule == "x86" else np.uint64(0)
    result = np.full(shape, np.uint64(fmt.nan_code) | sign, np.uint64)
    if rule == "riscv":
        return result
    quiet = np.uint64(1 << (fmt.man_bits - 1)) if fmt.specials == "ieee" else np.uint64(0)
    for codes in reversed(operands):
        result = np.where(is_nan_code(codes, fmt), codes.astype(np.uint64) | quiet, result)
    if rule == "arm":
        for codes in reversed(operands):
            result = np.where(is_signalling(codes, fmt), codes.astype(np.uint64) | quiet, result)
    return result
