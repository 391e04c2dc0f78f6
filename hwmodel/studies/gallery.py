"""Every scheme on the user's own tensors: stored bits an element against the error that it leaves."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

import numfmt as nf
from numfmt import Format, Scheme, quantize, scheme
from numfmt._arrays import to_float64, to_numpy

ALL = "all"  # the row that sums a network's tensors
COLUMNS = (
    "network",
    "tensor",
    "scheme",
    "elements",
    "share",
    "bits_per_element",
    "sqnr_db",
    "max_abs_error",
    "seconds",
    "note",
)


@dataclass
class _Sums:
    """What is added up over the tensors of one network under one scheme."""

    elements: int = 0
    bits: int = 0
    signal: float = 0.0
    noise: float = 0.0
    worst: float = 0.0
    seconds: float = 0.0
    padded: int = 0
    skipped: int = 0

    def add(self, other: _Sums) -> None:
        """Take in one more tensor."""
        for name in ("elements", "bits", "signal", "noise", "seconds", "padded", "skipped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.worst = max(self.worst, other.worst)


def scheme_gallery(
    tensors: Mapping[str, Any],
    schemes: Iterable[str | Scheme | Format] | str | Scheme | Format | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Bits and error of every scheme on every tensor, and on all tensors of a network together.

    tensors: name -> array, or network -> (name -> array). The first axis of an array is its outputs, the others are flattened to
    the row that is reduced: (out, in), (out, in, height, width); a vector is one row. Groups run along these rows.
    schemes: strings, Schemes or Formats; None means all of `nf.schemes()`. progress: show a bar.

    Where a scheme does not take a tensor's shape, the option `pad` is tried (rows end in zeros, which are stored and counted);
    where that fails too the tensor is skipped for the scheme, and `note` says why. `note` is empty where nothing was done.

    Columns: network ("" if none is named), tensor ("all": the sum over the network), scheme (as it was written), elements (of
    the tensor; in "all" of those measured), share (of the network's elements measured, in "all" rows; 1 or 0 else),
    bits_per_element (stored bits, all overheads and padding counted, over elements), sqnr_db (10 log10 of sum x**2 over
    sum (x - y)**2, float64; inf where y is x), max_abs_error (in the tensor's unit), seconds (quantize and dequantize; a scheme's
    first tensor includes loading its kernels), note. What was skipped has NaN.

    Raises ValueError for no or empty tensors, for NaN, infinities and arrays that are not real numbers (named), for a tensor
    called "all", and for unknown schemes.
    """
    networks = _networks(tensors)
    made = _schemes(schemes)
    total = len(made) * sum(len(held) for held in networks.values())
    rows: list[dict[str, Any]] = []
    with _bar(progress, total) as step:
        for network, held in networks.items():
            matrices = {name: _matrix(array, name) for name, array in held.items()}
            size = sum(m.size for m in matrices.values())
            for text, one in made.items():
                sums = _Sums()
                for name, matrix in matrices.items():
                    found, note = _measure(matrix, one)
                    rows.append(_row(network, name, text, found, matrix.size, matrix.size, note))
                    sums.add(found)
                    step(f"{text} {name}")
                rows.append(_row(network, ALL, text, sums, sums.elements, size, _summary(sums, len(matrices))))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _networks(tensors: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    if not isinstance(tensors, Mapping) or not tensors:
        raise ValueError(f"tensors is {type(tensors).__name__} with nothing to measure; give a dict: name -> array")
    nested = [isinstance(value, Mapping) for value in tensors.values()]
    if any(nested) and not all(nested):
        raise ValueError("tensors mixes arrays with networks; give name -> array, or network -> (name -> array)")
    networks = {str(k): dict(v) for k, v in tensors.items()} if all(nested) else {"": dict(tensors)}
    for network, held in networks.items():
        if not held:
            raise ValueError(f"network {network!r} holds no tensors; leave it out")
        if ALL in held:
            raise ValueError(f"a tensor is called {ALL!r}, which names the sum over all tensors; rename it")
    return networks


def _schemes(schemes: Any) -> dict[str, Scheme]:
    """Each scheme under the string that the caller wrote."""
    if schemes is None:
        schemes = nf.schemes()["scheme"]
    elif isinstance(schemes, (str, Scheme, Format)):
        schemes = [schemes]
    made = {one.strip() if isinstance(one, str) else str(scheme(one)): scheme(one) for one in schemes}
    if not made:
        raise ValueError("schemes is empty; name at least one, or leave it out for all of nf.schemes()")
    return made


def _matrix(array: Any, name: str) -> np.ndarray:
    """Outputs by reduced elements, float32 or float64. Raises ValueError naming the tensor."""
    what = f"tensor {name!r}"
    held = to_numpy(array, what)[0]
    if held.size == 0 or held.ndim == 0:
        raise ValueError(f"{what} has shape {held.shape}; give at least one row with one element")
    wide = to_float64(held.reshape(-1)).reshape(held.shape)
    if not np.isfinite(wide).all():
        raise ValueError(f"{what} holds NaN or infinite values; SQNR needs finite ones")
    kept = wide if held.dtype.itemsize > 4 else wide.astype(np.float32)
    return np.ascontiguousarray(kept.reshape(1 if kept.ndim == 1 else len(kept), -1))


def _measure(matrix: np.ndarray, made: Scheme) -> tuple[_Sums, str]:
    """Sums of one tensor under a scheme, padded where that is needed and allowed; and what was done."""
    why = ""
    for tried in dict.fromkeys((made, replace(made, pad=True))):
        start = time.perf_counter()
        try:
            y = quantize(matrix, tried).dequantize()
        except ValueError as refusal:
            why = why or str(refusal)
            continue
        seconds = time.perf_counter() - start
        x = matrix.astype(np.float64)
        error = np.abs(x - y.reshape(x.shape))
        padded = tried.pad and not made.pad
        sums = _Sums(
            matrix.size,
            tried.stored_bits(*matrix.shape),
            float((x * x).sum()),
            float((error * error).sum()),
            float(error.max()),
            seconds,
            int(padded),
        )
        return sums, f"padded: rows of {matrix.shape[1]} end in stored zeros" if padded else ""
    return _Sums(skipped=1), f"skipped: {why}"


def _row(network: str, name: str, text: str, sums: _Sums, elements: int, size: int, note: str) -> dict[str, Any]:
    measured = sums.elements > 0
    return {
        "network": network,
        "tensor": name,
        "scheme": text,
        "elements": elements,
        "share": sums.elements / size,
        "bits_per_element": sums.bits / sums.elements if measured else math.nan,
        "sqnr_db": decibel(sums.signal, sums.noise) if measured else math.nan,
        "max_abs_error": sums.worst if measured else math.nan,
        "seconds": sums.seconds if measured else math.nan,
        "note": note,
    }


def _summary(sums: _Sums, count: int) -> str:
    parts = [f"{n} of {count} tensors {what}" for n, what in ((sums.padded, "padded"), (sums.skipped, "skipped")) if n]
    return "; ".join(parts)


def decibel(signal: float, noise: float) -> float:
    """10 log10 of a ratio of sums of squares: inf without noise, NaN without both."""
    if noise == 0:
        return math.inf if signal else math.nan
    return 10 * math.log10(signal / noise) if signal else -math.inf


@contextmanager
def _bar(shown: bool, total: int) -> Iterator[Any]:
    if not shown:
        yield lambda what: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("measuring", total=total)
        yield lambda what: bar.update(task, advance=1, description=what[-40:])
