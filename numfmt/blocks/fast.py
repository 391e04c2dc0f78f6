"""Groups by fused kernels, where one fits the scheme: the same bits as `engine.quantize_groups`, which is the general way.

Every function returns None where it does not apply or meets a value to refuse; the general engine then does the work or says why.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..formats import Codebook, Fixed, Float, Format, Rounding, parse
from ..kernels import group_codebook, group_int, group_mixture
from . import fast_tables
from .bitsandbytes import table4
from .family import Given
from .scheme import Scheme

Result = tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]
Facts = tuple[np.int64, np.int64, np.float64, np.float32]

_INFINITE = 0x7F800000
_HALF_OVER = 0x477FF000  # 65520: rounds beyond float16
_WORD_BITS = 16


def quantize_groups(groups: np.ndarray, made: Scheme, given: Given) -> Result | None:
    """Codes, scales, zero points and choices of (count, size) float32 values, or None."""
    if groups.dtype != np.float32 or made.arith not in ("float32", "float16") or made.scale is None or given.stored:
        return None
    facts = _scale_facts(made.scale)
    if facts is None or made.family != "scaled" or made.params or not _half_scales(made, given):
        return None
    groups = np.ascontiguousarray(groups)
    if made.rule == "range":
        return _asymmetric(groups, made, given, facts)
    if made.rule != "absmax":
        return None
    if len(made.candidates) == 1 and _plain_integer(made.candidates[0]):
        return _symmetric(groups, made, given, facts)
    special = _special_grid(made.candidates)
    if special is not None and made.arith == "float16" and given.empty:
        return _special(groups, made, special, facts)
    if made.name == "nf4" and str(made.scale) == "float32" and given.empty and groups.shape[1] % 2 == 0:
        return _normal_float(groups)
    found = fast_tables.choose(groups, made, given, facts)
    if found is None or _beyond(found[3], made) or not np.isfinite(found[1]).all():
        return None
    return found[0], found[1], None, found[2] if len(made.candidates) > 1 else None


@lru_cache(maxsize=64)
def _scale_facts(fmt: Format) -> Facts | None:
    """Fraction bits, least normal exponent, least magnitude that overflows and smallest value of a scale format."""
    if str(fmt) not in ("float32", "float16", "bfloat16"):
        return None
    assert isinstance(fmt, Float)
    emin = int(np.frexp(fmt.min_normal)[1]) - 1
    over = (fmt.max + 2.0 ** float(np.frexp(fmt.max)[1])) / 2  # halfway to the next power of two
    return np.int64(fmt.man_bits), np.int64(emin), np.float64(over), np.float32(fmt.min_positive)


def _half_scales(made: Scheme, given: Given) -> bool:
    """Whether imposed scales suit float16 arithmetic in float32 lanes: scales of float16, so that a quotient rounds once."""
    if made.arith != "float16" or given.scales is None:
        return True
    with np.errstate(over="ignore"):
        return bool((given.scales == given.scales.astype(np.float16)).all())


def _plain_integer(fmt: Format) -> bool:
    return isinstance(fmt, Fixed) and fmt.frac_bits == 0 and fmt.bits <= _WORD_BITS and fmt.rounding == Rounding.TIES_EVEN


def _beyond(worst: int, made: Scheme) -> bool:
    return worst >= (_HALF_OVER if made.arith == "float16" else _INFINITE)


def _given_scales(groups: np.ndarray, given: Given) -> np.ndarray:
    if given.scales is None:
        return np.empty(groups.shape[0], np.float32)
    return np.ascontiguousarray(given.scales.reshape(-1).astype(np.float32))


def _symmetric(groups: np.ndarray, made: Scheme, given: Given, facts: Facts) -> Result | None:
    fmt = made.candidates[0]
    low = np.float32(fmt.min if made.full or not fmt.signed else -fmt.max)  # type: ignore[attr-defined]
    codes, scales = np.empty(groups.shape, fmt.code_dtype), _given_scales(groups, given)
    mask = np.int32((1 << fmt.bits) - 1)
    half, limit = made.arith == "float16", np.float32(fmt.max)
    worst = group_int.symmetric(groups, codes, scales, limit, low, limit, mask, half, given.scales is not None, facts)
    if _beyond(worst, made) or not np.isfinite(scales).all():
        return None
    return codes, scales, None, None


def _asymmetric(groups: np.ndarray, made: Scheme, given: Given, facts: Facts) -> Result | None:
    if made.element_bits > _WORD_BITS - 1:
        return None
    codes, scales = np.empty(groups.shape, made.candidates[0].code_dtype), _given_scales(groups, given)
    zeros = np.empty(groups.shape[0], np.int32)
    if given.zero_points is not None:
        zeros[:] = given.zero_points.reshape(-1)
    steps, half = np.float32((1 << made.element_bits) - 1), made.arith == "float16"
    taken = given.scales is not None, given.zero_points is not None
    worst = group_int.asymmetric(groups, codes, scales, zeros, steps, half, *taken, facts)
    if _beyond(worst, made) or not np.isfinite(scales).all():
        return None
    return codes, scales, zeros, None


def _normal_float(groups: np.ndarray) -> Result | None:
    thresholds, pairs = table4("nf4")
    packed, scales = np.empty((groups.shape[0], groups.shape[1] // 2), np.uint8), np.empty(groups.shape[0], np.float32)
    if group_codebook.pack4(groups, thresholds, pairs, packed, scales) >= _INFINITE:
        return None
    codes = np.empty(groups.shape, np.uint8)
    group_codebook.spread4(packed.reshape(-1), codes.reshape(-1))
    return codes, scales, None, None


@lru_cache(maxsize=64)
def _special_grid(candidates: tuple[Format, ...]) -> tuple[np.ndarray, np.ndarray, int, int, np.float32, int] | None:
    """What `group_mixture.choose_special` needs of four candidates, where they are BitMoD's."""
    for bits, (fraction, emin) in {3: (0, 0), 4: (1, 1)}.items():
        names = [f"fp{bits}_{kind}_{sign}" for kind in ("er", "ea") for sign in ("pos", "neg")]
        if candidates != tuple(map(parse, names)):
            continue
        table = np.empty((4, 3), np.float32)
        limits = np.empty(2, np.float32)
        for index, fmt in enumerate(candidates):
            assert isinstance(fmt, Codebook)
            value = fmt.table[1 << (bits - 1)]
            place = int(np.searchsorted(fmt.grid, value))
            edges = np.concatenate([[-np.inf], fmt.midpoints, [np.inf]])
            table[index] = edges[place], edges[place + 1], value
            limits[index // 2] = fmt.largest_magnitude
        top = np.float32(max(abs(v) for v in candidates[0].table[: 1 << (bits - 1)]))  # type: ignore[attr-defined]
        return limits, table, fraction, emin, top, bits
    return None


def _special(groups: np.ndarray, made: Scheme, special: tuple, facts: Facts) -> Result | None:
    codes = np.empty(groups.shape, np.uint8)
    scales, choice = np.empty(groups.shape[0], np.float32), np.empty(groups.shape[0], np.uint8)
    worst = group_mixture.choose_special(groups, codes, scales, choice, *special, made.sel == "fp16", facts)
    if _beyond(worst, made) or not np.isfinite(scales).all():
        return None
    return codes, scales, None, choice
