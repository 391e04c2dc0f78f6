"""What becomes of NaN, and of minus zero: policies by name, after the tools and machines that follow them."""

from __future__ import annotations

from .._checks import check_in

# name: (what it does, source, status)
POLICIES: dict[str, tuple[str, str, str]] = {
    "default": ("one quiet NaN, sign cleared; refused where the format has no NaN", "numfmt", "verified"),
    "ieee": (
        "NaN keeps its sign and the leading bits of its payload and becomes quiet; refused where the format has no NaN",
        "IEEE 754-2019 section 6.2.3; the F16C instruction of x86 in the tests",
        "verified",
    ),
    "h100_cvt": (
        "every bit below the sign set, sign cleared (from float64 the canonical quiet NaN); 0 for integers; tf32 under ties_away "
        "is truncated, so that a NaN may become an infinity",
        "words recorded from cvt instructions on an NVIDIA H100",
        "verified",
    ),
    "ml_dtypes": (
        "the canonical quiet NaN with the sign of the input; in formats without NaN a zero of the other sign; 0 for integers",
        "ml_dtypes 0.6, run in the tests",
        "verified",
    ),
    "torch": (
        "every bit below the sign set, with the sign of the input; every bit set for bfloat16; float16 as under ieee",
        "torch 2.13 on an x86 CPU, run in the tests",
        "verified",
    ),
    "ptx_satfinite": (
        "the largest finite value where the format has no NaN, else as h100_cvt",
        "PTX ISA, cvt with .satfinite to e2m1, e2m3 and e3m2",
        "recalled",
    ),
    "to_zero": ("NaN becomes +0", "numfmt", "verified"),
    "to_max": ("NaN becomes the largest finite value", "numfmt", "verified"),
    "positive_zero": ("as default, and every zero becomes +0", "numfmt", "verified"),
    "ap_fixed": (
        "fixed point only: NaN and infinities lie beyond every range, with their sign bit",
        "Xilinx/HLS_arbitrary_Precision_Types ap_fixed_base.h",
        "read",
    ),
}
_BY_FORMAT = ("default", "ap_fixed")  # what the formats do by themselves


def check_policy(name: str | None) -> str:
    """The policy that `nan` names; None is the default one."""
    if name is None:
        return "default"
    check_in("nan", name, list(POLICIES))
    return name


def handled_after(policy: str) -> bool:
    """Whether `Policed` applies the policy, after the format has encoded the numbers."""
    return policy not in _BY_FORMAT
