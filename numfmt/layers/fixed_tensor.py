"""What fixed-point layers pass on: unscaled quantized tensors of code words, and the types that hls4ml writes for them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..arith import fixed_rule
from ..arith.fixed_steps import fixed_type
from ..blocks import QuantizedTensor, scheme
from ..formats import Fixed, Format, parse

CHUNK = 1 << 16  # elements computed at a time in int64

_HLS4ML = re.compile(r"(?:ap_|ac_)?(u?)(fixed|int)\s*<([^<>]*)>", re.IGNORECASE)


def hls4ml_type(text: str | Format) -> Fixed:
    """The type that a precision of an hls4ml configuration names: `fixed<16,6>`, `ap_ufixed<8,0,RND,SAT>`, `int<8>`.

    Without modes it truncates and wraps, unlike numfmt's own `fixed<16,6>`. ac_fixed types are taken as hls4ml's `ac_` reader does
    not: write them as ap_fixed. Raises ValueError for anything else.
    """
    if isinstance(text, Fixed):
        return text
    match = _HLS4ML.fullmatch(str(text).strip())
    if not match or str(text).lower().startswith("ac_"):
        raise ValueError(f"precision {str(text)!r} is no fixed-point type of hls4ml; write ap_fixed<W,I[,Q[,O[,N]]]>, or 'auto'")
    fields = [f.strip() for f in match[3].split(",")]
    modes = [f if f.isdecimal() or f.upper().startswith("AP_") else f"AP_{f}" for f in fields[2:]]
    name = f"ap_{match[1].lower()}{match[2].lower()}<{','.join([*fields[:2], *modes])}>"
    return layer_type(name, "precision")


def layer_type(text: str | Format, what: str) -> Fixed:
    """A fixed-point type of a layer, as `nf.parse` reads it. Raises ValueError for other formats and more than 62 bits."""
    made = parse(text)
    if not isinstance(made, Fixed):
        raise ValueError(f"{what}={text} is no fixed-point type; write for example 'ap_fixed<16,6>'")
    fixed_rule.addends(made.rounding, 1)
    return fixed_rule.fits(made, what)


def words_of(x: Any, what: str = "x") -> tuple[np.ndarray, Fixed]:
    """Code words and type of an unscaled fixed-point tensor. Raises ValueError for anything else."""
    fmt = fixed_type(x, what)
    return np.asarray(x.codes), fmt


def raw_of(x: Any, what: str) -> tuple[np.ndarray, Fixed]:
    """As `words_of`, as raw integers (int64)."""
    words, fmt = words_of(x, what)
    return fixed_rule.raw_integers(words, fmt), fmt


def tensor(words: np.ndarray, fmt: Fixed) -> QuantizedTensor:
    """Code words, which the caller knows to be those of `fmt`, as a tensor with its last axis as rows."""
    rows = np.ascontiguousarray(words, fmt.code_dtype).reshape(-1, words.shape[-1])
    return QuantizedTensor(scheme(fmt), tuple(words.shape), words.ndim - 1, {"codes": rows})


def empty(shape: tuple[int, ...], fmt: Fixed) -> np.ndarray:
    """Room for the code words of a result."""
    return np.empty(shape, fmt.code_dtype)


def store(raw: np.ndarray, frac_bits: int, fmt: Fixed, out: np.ndarray) -> None:
    """out = the code words of the numbers raw * 2**-frac_bits assigned to type `fmt`. raw (int64 or Python integers) is used up."""
    out[...] = fixed_rule.encode_raw(fixed_rule.assigned(raw, frac_bits, fmt), fmt)
