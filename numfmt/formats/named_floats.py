"""The floats of the standards and of the field, by name."""

from __future__ import annotations

from .entry import Entry
from .floats import Float

_IEEE = "IEEE 754-2019 section 3.6"
_MLD = "ml_dtypes 0.6 (jax-ml/ml_dtypes README)"
_OFP8 = "OCP 8-bit Floating Point v1.0 section 5"
_MX = "OCP Microscaling Formats v1.0 section 5.3"

# Names that stand for several formats in the field: refused, with the candidates.
AMBIGUOUS = {
    "e4m3": ("e4m3fn", "float8_e4m3", "float8_e4m3fnuz", "float8_e4m3b11fnuz"),
    "fp8": ("e4m3fn", "e5m2"),
    "float8": ("e4m3fn", "e5m2"),
    "e3m4": ("float8_e3m4", "float<3,4,bias=3,fn>"),
    "fp6": ("e2m3", "e3m2"),
}


def entries() -> list[Entry]:
    """Catalogue rows."""
    return [
        Entry("float64", Float(11, 52, 1023), _IEEE, "verified", ("fp64", "double", "f64", "binary64")),
        Entry("float32", Float(8, 23, 127), _IEEE, "verified", ("fp32", "single", "f32", "binary32")),
        Entry("float16", Float(5, 10, 15), _IEEE, "verified", ("fp16", "half", "f16", "binary16")),
        Entry("bfloat16", Float(8, 7, 127), _MLD, "verified", ("bf16",)),
        Entry("tf32", Float(8, 10, 127), "NVIDIA A100 whitepaper; 19 bits kept of a float32", "read"),
        Entry("e5m2", Float(5, 2, 15), _OFP8, "verified", ("float8_e5m2", "fp8_e5m2")),
        Entry("e4m3fn", Float(4, 3, 7, "fn"), _OFP8, "verified", ("float8_e4m3fn", "fp8_e4m3", "e4m3_fn")),
        Entry("float8_e4m3", Float(4, 3, 7), _MLD, "verified", ("e4m3_ieee",)),
        Entry("float8_e3m4", Float(3, 4, 3), _MLD, "verified", ("e3m4_ieee",)),
        Entry("float8_e4m3fnuz", Float(4, 3, 8, "fnuz"), _MLD, "verified", ("e4m3fnuz",)),
        Entry("float8_e5m2fnuz", Float(5, 2, 16, "fnuz"), _MLD, "verified", ("e5m2fnuz",)),
        Entry("float8_e4m3b11fnuz", Float(4, 3, 11, "fnuz"), _MLD, "verified", ("e4m3b11fnuz",)),
        Entry("e2m1", Float(2, 1, 1, "none"), _MX, "verified", ("float4_e2m1fn", "e2m1fn", "fp4")),
        Entry("e2m3", Float(2, 3, 1, "none"), _MX, "verified", ("float6_e2m3fn", "e2m3fn", "fp6_e2m3")),
        Entry("e3m2", Float(3, 2, 3, "none"), _MX, "verified", ("float6_e3m2fn", "e3m2fn", "fp6_e3m2")),
        Entry("e8m0", Float(8, 0, 127, "fn", signed=False, zero=False), _MX, "verified", ("float8_e8m0fnu", "e8m0fnu")),
    ]
