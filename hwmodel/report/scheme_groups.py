"""Which kind of scheme a scheme is, for colours and legends."""

from __future__ import annotations

from numfmt import Codebook, Fixed, Float, Scheme, scheme

# Name in the legend, place in the theme's series, mark.
GROUPS: dict[str, tuple[int, str]] = {
    "Integer": (0, "o"),
    "MX": (1, "s"),
    "NVFP4": (1, "D"),
    "BFP, MSFP, MX9/6/4": (4, "v"),
    "Codebook (NF4 …)": (2, "^"),
    "Mixed or searched types": (3, "P"),
    "1 and 2 bits": (5, "p"),
    "GGUF": (7, "X"),
    "Sparse, vectors": (6, "h"),
    "Float": (2, "d"),
}
_BY_FAMILY = {
    "nvfp4": "NVFP4",
    "micro": "BFP, MSFP, MX9/6/4",
    "bitsandbytes": "Codebook (NF4 …)",
    "gguf": "GGUF",
    "mean": "1 and 2 bits",
    "two_binaries": "1 and 2 bits",
    "partial": "1 and 2 bits",
    "pbllm": "1 and 2 bits",
    "dgq": "Integer",
    "nested": "Integer",
    "squeezellm": "Sparse, vectors",
    "kvquant": "Sparse, vectors",
    "vectors": "Sparse, vectors",
}


def group_of(made: Scheme) -> str:
    """The entry of GROUPS that a scheme belongs to."""
    if made.family in _BY_FAMILY:
        return _BY_FAMILY[made.family]
    if made.family == "shared":
        return "MX" if made.name.startswith("mx") else "BFP, MSFP, MX9/6/4"
    if made.family in ("scaled", "cast", "bitmod") and len(made.candidates) == 1:
        only = made.candidates[0]
        kinds = ((Fixed, "Integer"), (Float, "Float"), (Codebook, "Codebook (NF4 …)"))
        return next((name for kind, name in kinds if isinstance(only, kind)), "Float")
    return "Mixed or searched types"


def short_name(text: str) -> str:
    """The scheme without the granularity that its name alone means: `mxfp4` for `mxfp4/g32`."""
    made = scheme(text)
    bare = text.replace(f"/{made.granularity}", "", 1)
    try:
        return bare if "+" not in bare and scheme(bare) == made else _shorter(text, made)
    except ValueError:
        return text


def _shorter(text: str, made: Scheme) -> str:
    """With options, the granularity can go where the name alone means the same one."""
    return text.replace(f"/{made.granularity}", "", 1) if scheme(made.name).granularity == made.granularity else text
