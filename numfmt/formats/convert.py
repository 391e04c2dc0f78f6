"""Codes of one format to codes of another, rounded once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .base import Format
from .cast import decode, encode
from .edges import check_out
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
    random = options.get("rounding") in STOCHASTIC
    if source.bits <= _TABLE_BITS and array.size >= _WORTH_A_TABLE and not random:
        table = _table(source, target, tuple(sorted((k, v) for k, v in options.items() if v is not None)))
        if table is not None:
            decode(array.reshape(-1)[:0], source)
            if array.size and not 0 <= int(array.min()) <= int(array.max()) < 1 << source.bits:
                raise ValueError(f"codes hold words outside 0..{(1 << source.bits) - 1}, the codes of {source}")
            result = np.empty(array.shape, target.code_dtype) if out is None else check_out(out, array.shape, target.code_dtype)
            np.take(table, array, out=result, mode="clip")
            return restore(result) if out is None else out
    converted = encode(decode(array, source), target, out=out, **options)
    return restore(converted) if out is None else out


@lru_cache(maxsize=128)
def _table(source: Format, target: Format, options: tuple[tuple[str, Any], ...]) -> np.ndarray | None:
    """The target code of every source code; None where some source code has none (then elements are converted one by one)."""
    try:
        return encode(decode(np.arange(1 << source.bits, dtype=source.code_dtype), source), target, **dict(options))
    except ValueError:
        return None
