"""What becomes of NaN and of minus zero: policies by name, after the tools and machines that follow them."""

from __future__ import annotations

from .._checks import check_in

# name: (what it models, source, status)
POLICIES: dict[str, tuple[str, str, str]] = {
    "ap_fixed": (
        "fixed point only: NaN and infinities lie beyond every range, with their sign bit",
        "Xilinx/HLS_arbitrary_Precision_Types ap_fixed_base.h",
        "read",
    ),
    "default": ("one quiet NaN, sign cleared; refused where the format has no NaN", "numfmt", "verified"),
}


def check_policy(name: str | None) -> str:
    """The policy that `nan` names; None is the default one."""
    if name is None:
        return "default"
    check_in("nan", name, list(POLICIES))
    return name
