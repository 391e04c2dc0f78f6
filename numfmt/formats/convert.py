"""Codes of one format to codes of another, rounded once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._threads import in_pieces
from ..kernels import tables
from .base import Format
from .cast import decode, encode
from .edges import apart, as_codes, check_out
from .fixed import Fixed
from .fixed_ops import convert_fixed
from .modes import STOCHASTIC
from .parse import parse

_TABLE_BITS = 16
_WORTH_A_TABLE = 1 << 12


def convert(codes: Any, source: Format | str, target: Format | str, *, out: np.ndarray | None = None, **options: Any) -> Any:
    """Codes of `source` as codes of `target`, each rounded once from its exact value.

    codes: integers of any shape; options as in `nf.encode` (rounding, overflow, nan, random_bits, random_width, seed).
    Sources of up to 16 bits go through a table of all their codes. Raises ValueError as `decode` and `encode` do.
    """
    source, target = parse(source), parse(target)
    array, restore = to_numpy(codes, "codes")
    random = (options.get("rounding") or target.rounding) in STOCHASTIC or options.get("random_bits") is not None
    if source.bits <= _TABLE_BITS and array.size >= _WORTH_A_TABLE and not random:
        table = _table(source, target, tuple(sorted((k, v) for k, v in options.items() if v is not None)))
        if table is not None:
            words = np.ascontiguousarray(as_codes(array, source.bits, str(source))).reshape(-1)
            result = check_out(out, array.shape, target.code_dtype)
            words = apart(words.reshape(array.shape), result).reshape(-1)
            flat = result.reshape(-1)
            loop = tables.look_up_all if table.size == 1 << (8 * words.dtype.itemsize) else tables.look_up
            in_pieces(words.size, lambda a, b: int(loop(words[a:b], table, flat[a:b]) is None))
            return restore(result) if out is None else out
    if isinstance(source, Fixed) and isinstance(target, Fixed) and source.value_dtype.kind == "O" and not random:
        words = convert_fixed(
            as_codes(array, source.bits, str(source)), source, target, options.get("rounding"), options.get("overflow")
        )
        if out is None:
            return restore(words)
        check_out(out, array.shape, target.code_dtype)[...] = words
        return out
    converted = encode(decode(array, source), target, out=out, **options)
    return restore(converted) if out is None else out


@lru_cache(maxsize=128)
def _table(source: Format, target: Format, options: tuple[tuple[str, Any], ...]) -> np.ndarray | None:
    """The target code of every source code; None where some source code has none (then elements are converted one by one)."""
    try:
        table = encode(decode(np.arange(1 << source.bits, dtype=source.code_dtype), source), target, **dict(options))
    except ValueError:
        return None
    return np.resize(table, 256) if source.bits < 8 else table
