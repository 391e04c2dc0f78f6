"""The ways of mapping a tensor to codes: what each stores, how it quantizes, and what its codes stand for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formats import Format, decode, encode
from ..formats.base import decode_table
from .grid import Grid

if TYPE_CHECKING:
    from .scheme import Scheme

Stored = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """One stored array of a quantized tensor.

    shape, dtype: of the array unpacked. bits: of one entry in dense storage (below the dtype's for codes). top: the largest
    allowed code; None where every word is allowed. height: rows of the matrix that one entry of the first axis serves (1 for the
    codes, 16 for the scales of 16x16 blocks); 0 where the whole tensor shares the array, so that slicing keeps it; -1 where it
    runs over all rows in one piece, so that it cannot be sliced.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bits: int
    top: int | None = None
    height: int = 1

    @property
    def count(self) -> int:
        """Entries of the array."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Given:
    """What the caller imposes on `quantize`, in the layout of the stored rows; None where the scheme decides."""

    scales: np.ndarray | None = None  # effective scales, (scale rows, scales a row), float64
    zero_points: np.ndarray | None = None
    choice: np.ndarray | None = None
    stored: Stored = field(default_factory=dict)  # stored arrays of another tensor (`like=`), without its codes
    weights: np.ndarray | None = None  # what the error of each element counts, (rows, columns) float64

    @property
    def empty(self) -> bool:
        """Whether nothing is imposed."""
        given = (self.scales, self.zero_points, self.choice, self.weights)
        return not self.stored and all(value is None for value in given)


@dataclass(frozen=True)
class SchemeEntry:
    """A row of `nf.schemes()`: the scheme's string, what it is, its source, and how well it is known.

    status: "measured" (compared with words of the source), "read" (rule read in the source), "recalled" or "inferred" (no claim
    of parity).
    """

    name: str
    what: str
    source: str
    status: str


class Family(ABC):
    """One way of mapping a tensor to codes; stateless.

    flags: option words and what they set: {"te": ("stack", "te"), ...}; the first value of a key is its default.
    keyed: options written key=value and the values allowed, the default first.
    """

    name: str = ""
    flags: Mapping[str, tuple[str, str]] = {}
    keyed: Mapping[str, Sequence[str]] = {}
    specials: bool = False  # whether quantize takes NaN and infinities
    weighted: bool = False  # whether it learns from x with weights
    plain: bool = False  # whether an element's code (and its group's choice) alone gives the value that the scale multiplies

    @abstractmethod
    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Every stored array, "codes" first."""

    @abstractmethod
    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """The stored arrays of a (rows, columns) matrix: float32 or float64, finite unless `specials`."""

    @abstractmethod
    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values of the codes before the scale, (stored rows, stored columns), float32 or float64, exact."""

    @abstractmethod
    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray | None:
        """Effective scale of each group, `grid.shape`, float32 (float64 where that is not exact); None where values have none."""

    def dequantize(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values, float32, (stored rows, stored columns): the exact product of value and scale, rounded once."""
        scales = self.scales(made, grid, stored)
        if self.plain and scales is not None:
            from .values import products

            found = products(made, grid, stored, scales)
            if found is not None:
                return found
        values = self.code_values(made, grid, stored)
        with np.errstate(over="ignore", invalid="ignore"):
            if scales is not None:
                values = values.astype(np.float64) * grid.spread(scales)
            return values.astype(np.float32)

    def by_rows(self, made: Scheme) -> bool:
        """Whether rows (of blocks) may be quantized some at a time, each without knowing the others."""
        return made.granularity.kind in ("channel", "token", "group", "block")

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:  # noqa: B027 (most families have nothing to add)
        """Refuse stored arrays that no quantization gives (beyond dtype, shape and largest code). Raises ValueError."""

    def check_scales(self, scales: np.ndarray, made: Scheme) -> None:
        """Refuse effective scales that the scheme cannot store. Raises ValueError."""
        raise ValueError(f"scales cannot be imposed on {made} by value; pass like= with a tensor of the same scheme and shape")

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """The scheme with one more option; None where the option is unknown or does not apply."""
        if option in self.flags:
            return made.with_param(*self.flags[option])
        key, equals, value = option.partition("=")
        if equals and value in self.keyed.get(key, ()):
            return made.with_param(key, value)
        return None

    def default(self, key: str) -> str:
        """What an option means that is not written."""
        if key in self.keyed:
            return self.keyed[key][0]
        return next(value for name, value in self.flags.values() if name == key)

    def option_texts(self, made: Scheme) -> list[str]:
        """The options as the scheme's string shows them: those that differ from what the name alone means."""
        words = {pair: word for word, pair in self.flags.items()}
        return [words.get((key, value), f"{key}={value}") for key, value in made.params]

    def option_help(self) -> str:
        """The options that the family knows, for messages."""
        return ", ".join([*self.flags, *(f"{key}={'|'.join(values)}" for key, values in self.keyed.items())])

    def finish(self, text: str, made: Scheme) -> Scheme:
        """The scheme with all options applied, checked as a whole. Raises ValueError."""
        return made

    def entries(self) -> list[SchemeEntry]:
        """Rows of the catalogue of schemes."""
        return []


def code_part(made: Scheme, grid: Grid) -> Part:
    """The codes of a scheme: one a stored element."""
    dtype = np.result_type(*(f.code_dtype for f in made.candidates))
    height = -1 if grid.granularity.kind == "flat" else 1
    return Part(grid.stored, np.dtype(dtype), made.element_bits, (1 << made.element_bits) - 1, height)


def scale_part(made: Scheme, grid: Grid) -> Part:
    """The scales of a scheme, one a group, as codes of the scale format; float32 scales as themselves."""
    assert made.scale is not None
    return Part(grid.shape, scale_dtype(made.scale), made.scale.bits, None, grid.height)


def group_part(grid: Grid, bits: int, top: int | None = None, dtype: Any = None) -> Part:
    """Small integers, one a group (zero points, choices, second-level scales)."""
    made = np.dtype(dtype) if dtype is not None else np.min_scalar_type((1 << bits) - 1)
    return Part(grid.shape, made, bits, (1 << bits) - 1 if top is None else top, grid.height)


def single(rows: np.ndarray, made: Scheme) -> np.ndarray:
    """`rows` rounded to float32, contiguous. Raises ValueError for finite values beyond its range."""
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(rows, np.float32)
    if rows.dtype != np.float32 and not np.isfinite(narrow).all():
        raise ValueError(f"x reaches {float(np.abs(rows).max()):g}, beyond float32, the arithmetic of {made}; scale it down")
    return narrow


def check_float32_scales(scales: np.ndarray, made: Scheme) -> None:
    """Refuse imposed scales that are no float32 numbers above zero."""
    if not (np.isfinite(scales).all() and (scales > 0).all() and np.array_equal(scales.astype(np.float32), scales)):
        raise ValueError(f"scales must be finite float32 numbers above zero for {made}")


def scale_dtype(fmt: Format) -> np.dtype[Any]:
    """What holds scales of a format: float32 itself, codes of any other."""
    return np.dtype(np.float32) if str(fmt) == "float32" else np.dtype(fmt.code_dtype)


def scale_words(values: np.ndarray, fmt: Format) -> np.ndarray:
    """Scale values that the format holds, as they are stored."""
    if str(fmt) == "float32":
        return values.astype(np.float32)
    words: np.ndarray = encode(values, fmt)
    return words


def scale_values(words: np.ndarray, fmt: Format) -> np.ndarray:
    """Stored scales as values: float32, or float64 where float32 does not hold them."""
    if str(fmt) == "float32":
        return words
    if fmt.bits <= 8:
        return np.asarray(decode_table(fmt))[words]
    values: np.ndarray = decode(words, fmt)
    return values
