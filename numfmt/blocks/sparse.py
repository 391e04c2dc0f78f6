"""Dense and sparse: codes of a learned codebook, and the outliers kept as they are in compressed sparse rows."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formats import learn_codebook, parse
from ..kernels.encode import encode_table
from .family import Family, Given, Part, SchemeEntry, Stored, single
from .grid import Granularity, Grid
from .scheme import Scheme

if TYPE_CHECKING:
    import scipy.sparse

    from .tensor import QuantizedTensor


class DenseSparse(Family):
    """Shared storage: codes, codebooks (float32), outliers as row pointers, columns and float32 values (CSR).

    The values of outliers are exact and stand in place of their codes (which are those of the entry nearest to zero, or to the
    middle of the range).
    """

    weighted = True

    @abstractmethod
    def outlier_count(self, made: Scheme, grid: Grid) -> int:
        """How many outliers the tensor keeps."""

    @abstractmethod
    def tables(self, made: Scheme, grid: Grid) -> int:
        """How many codebooks."""

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, codebooks and the CSR arrays."""
        rows, columns = grid.stored
        bits, count = made.element_bits, self.outlier_count(made, grid)
        index = np.dtype(np.uint16 if columns <= 1 << 16 else np.uint32)
        tables = self.tables(made, grid)
        return {
            "codes": Part((rows, columns), np.dtype(np.uint8), bits, (1 << bits) - 1),
            "centroids": Part((tables, 1 << bits), np.dtype(np.float32), 32, None, 0 if tables == 1 else 1),
            "outlier_rows": Part((rows + 1,), np.dtype(np.uint32), 32, count, -1),
            "outlier_columns": Part((count,), index, 8 * index.itemsize, columns - 1, -1),
            "outlier_values": Part((count,), np.dtype(np.float32), 32, None, -1),
        }

    def by_rows(self, made: Scheme) -> bool:
        """Outliers are stored for the whole tensor."""
        return False

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Values come from the codebooks: no scale."""

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """Row pointers that ascend over all outliers; finite numbers."""
        pointers = stored["outlier_rows"].astype(np.int64)
        if pointers[0] != 0 or pointers[-1] != len(stored["outlier_values"]) or (np.diff(pointers) < 0).any():
            raise ValueError(f"outlier_rows of {made} do not ascend from 0 to the number of outliers")
        if not all(np.isfinite(array).all() for array in stored.values()):
            raise ValueError(f"it holds NaN or infinities, which {made} does not")

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """outliers=PERCENT."""
        match = re.fullmatch(r"outliers=(\d{1,2}(?:\.\d{1,4})?)", option)
        return made.with_param("outliers", f"{float(match[1]):g}") if match else None

    def option_help(self) -> str:
        """For messages."""
        return "outliers=PERCENT (below 100)"

    def finish(self, text: str, made: Scheme) -> Scheme:
        """Whole rows only."""
        if made.granularity.kind not in ("channel", "token"):
            raise ValueError(f"scheme {text!r}: codebooks and ranges serve whole rows; write {made.name}/channel or /token")
        return made


def csr(mask: np.ndarray, values: np.ndarray, made: Scheme, grid: Grid) -> dict[str, np.ndarray]:
    """The CSR arrays of the masked values."""
    parts = made.way.parts(made, grid)
    pointers = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return {
        "outlier_rows": pointers.astype(np.uint32),
        "outlier_columns": np.nonzero(mask)[1].astype(parts["outlier_columns"].dtype),
        "outlier_values": values[mask].astype(np.float32),
    }


def put_outliers(values: np.ndarray, stored: Stored) -> np.ndarray:
    """`values` with the outliers in their places."""
    values[_row_numbers(stored), stored["outlier_columns"].astype(np.int64)] = stored["outlier_values"]
    return values


def _row_numbers(stored: Stored) -> np.ndarray:
    """The row of each outlier."""
    pointers = stored["outlier_rows"].astype(np.int64)
    return np.repeat(np.arange(len(pointers) - 1), pointers[1:] - pointers[:-1])


def _table(x: np.ndarray, bits: int, weights: np.ndarray | None, bins: int) -> np.ndarray:
    """2**bits ascending entries; fewer distinct values repeat the last one."""
    if not x.size:
        return np.zeros(1 << bits, np.float32)
    if weights is not None and not weights.any():
        weights = None
    table = np.array(learn_codebook(x, bits, weights, bins).table, np.float32)
    return np.pad(table, (0, (1 << bits) - len(table)), mode="edge")


def _codes(x: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Ranks of the nearest entries, ties to the lower one, midpoints in float32."""
    distinct = np.unique(table)
    points = ((distinct[1:].astype(np.float64) + distinct[:-1]) / 2).astype(np.float32)
    codes = np.empty(x.size, np.uint8)
    encode_table(np.ascontiguousarray(x.reshape(-1)), codes, points, np.arange(len(distinct), dtype=np.uint8), False)
    return codes.reshape(x.shape)


class SqueezeLlm(DenseSparse):
    """A codebook of 2^bits entries a row, by (weighted) k-means solved exactly over 1024 bins; the largest magnitudes kept sparse.

    Outliers are the round(N * percent / 100) elements of largest magnitude, the first of equal ones (0.45 % by default);
    codebooks are learned from the others, with weights= as their sensitivity. Source: SqueezeLLM, ICML 2024, arXiv 2306.07629
    (recalled; its removal of sensitive weights is not part of it).
    """

    name = "squeezellm"
    keyed = {"outliers": ("0.45", "0", "1")}

    def outlier_count(self, made: Scheme, grid: Grid) -> int:
        """A share of the tensor."""
        return round(grid.stored[0] * grid.stored[1] * float(made.param("outliers")) / 100)

    def tables(self, made: Scheme, grid: Grid) -> int:
        """One a row."""
        return grid.stored[0]

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Outliers, codebooks, codes."""
        w = single(rows, made)
        count = self.outlier_count(made, grid)
        mask = np.zeros(w.shape, bool)
        mask.reshape(-1)[np.argsort(-np.abs(w).reshape(-1), kind="stable")[:count]] = True
        if given.stored:
            tables, mask = given.stored["centroids"], _mask(given.stored, w.shape)
        else:
            share = [None if given.weights is None else given.weights[i][~mask[i]] for i in range(len(w))]
            tables = np.stack([_table(w[i][~mask[i]], made.element_bits, share[i], 1024) for i in range(len(w))])
        dense = np.where(mask, np.float32(0), w)
        codes = np.stack([_codes(dense[i], tables[i]) for i in range(len(w))])
        return {"codes": codes, "centroids": tables, **csr(mask, w, made, grid)}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Entries of each row's codebook, outliers in their places."""
        values = np.take_along_axis(stored["centroids"], stored["codes"].astype(np.int64), axis=1)
        return put_outliers(values, stored)

    def entries(self) -> list[SchemeEntry]:
        """The presets."""
        source = "SqueezeLLM, arXiv 2306.07629"
        return [SchemeEntry(f"squeezellm{b}/channel", "a codebook a row, outliers sparse", source, "recalled") for b in (3, 4)]


class KvQuant(DenseSparse):
    """One codebook for the tensor over values normalised vector by vector; outliers of each vector kept sparse.

    Of each vector (a row: pass the axis along which a channel of K or a token of V runs) the round(n * percent / 200) smallest and
    as many largest values are outliers (1 % by default, the first of equal ones). offset = (max + min) / 2 and range = (max - min)
    / 2 of the others, in float32 (range 1 where it is 0); the codebook is learned from (x - offset) / range of the others, weighted
    by weights=; a value is entry * range + offset, two float32 operations. Source: KVQuant, NeurIPS 2024, arXiv 2401.18079, and its
    code (offset, range, percentile and nearest entry; Q-Norm and the float16 first tokens are not part of it).
    """

    name = "kvquant"
    keyed = {"outliers": ("1", "0", "0.5", "2")}

    def each(self, made: Scheme, grid: Grid) -> int:
        """Outliers at each end of a row."""
        return round(grid.stored[1] * float(made.param("outliers")) / 200)

    def outlier_count(self, made: Scheme, grid: Grid) -> int:
        """Both ends of every row."""
        return 2 * self.each(made, grid) * grid.stored[0]

    def tables(self, made: Scheme, grid: Grid) -> int:
        """One for the tensor."""
        return 1

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Offsets and ranges beside."""
        row = Part((grid.stored[0], 1), np.dtype(np.float32), 32)
        return {**super().parts(made, grid), "ranges": row, "offsets": row}

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Outliers, ranges, the codebook, codes."""
        x = single(rows, made)
        each = self.each(made, grid)
        if given.stored:
            mask = _mask(given.stored, x.shape)
            table, ranges, offsets = (given.stored[name] for name in ("centroids", "ranges", "offsets"))
        else:
            order = np.argsort(x, axis=1, kind="stable")
            mask = np.zeros(x.shape, bool)
            if each:
                np.put_along_axis(mask, np.concatenate([order[:, :each], order[:, -each:]], axis=1), True, axis=1)
            rest = order[:, each : x.shape[1] - each] if each else order
            if not rest.size:
                raise ValueError(f"rows of {x.shape[1]} elements are all outliers under {made}; take a smaller percentage")
            low = np.take_along_axis(x, rest[:, :1], axis=1)
            high = np.take_along_axis(x, rest[:, -1:], axis=1)
            with np.errstate(over="ignore"):
                offsets, ranges = (high + low) / np.float32(2), (high - low) / np.float32(2)
            if not (np.isfinite(offsets).all() and np.isfinite(ranges).all()):
                raise ValueError(f"x reaches {float(np.abs(x).max()):g}; the ranges of {made} leave float32: scale it down")
            ranges = np.where(ranges > 0, ranges, np.float32(1))
            table = None
        normal = (x - offsets) / ranges
        normal = np.where(mask, np.float32(0), normal)
        if table is None:
            share = None if given.weights is None else given.weights[~mask]
            table = _table(normal[~mask], made.element_bits, share, 4096)[None, :]
        codes = _codes(normal, table[0])
        return {"codes": codes, "centroids": table, **csr(mask, x, made, grid), "ranges": ranges, "offsets": offsets}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Entry * range + offset, outliers in their places."""
        values = stored["centroids"][0][stored["codes"]] * stored["ranges"] + stored["offsets"]
        return put_outliers(values, stored)

    def entries(self) -> list[SchemeEntry]:
        """The presets."""
        source = "KVQuant, arXiv 2401.18079"
        what = "one learned codebook over normalised vectors, outliers sparse"
        return [SchemeEntry(f"kvquant{b}/channel", what, source, "read") for b in (3, 4)]


def _mask(stored: Stored, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[_row_numbers(stored), stored["outlier_columns"].astype(np.int64)] = True
    return mask


def outliers(q: QuantizedTensor) -> scipy.sparse.csr_array:
    """The outliers of a dense-and-sparse tensor as a scipy CSR array, (rows, K), rows along the reduction axis.

    Raises ValueError for schemes that keep none. Needs scipy (the extra `search`).
    """
    import scipy.sparse

    if "outlier_rows" not in getattr(q, "stored", ()):
        raise ValueError(f"{getattr(q, 'scheme', type(q).__name__)} keeps no outliers; squeezellm4 and kvquant3 do")
    arrays = (q.part("outlier_values"), q.part("outlier_columns").astype(np.int32), q.part("outlier_rows").astype(np.int32))
    return scipy.sparse.csr_array(arrays, shape=q.grid.stored)


def _dense_sparse(match: re.Match[str], text: str) -> Scheme:
    bits = int(match[2])
    if not 1 <= bits <= 8:
        raise ValueError(f"scheme {text!r}: {match[1]}N needs 1 to 8 bits, as in {match[1]}4/channel")
    fmt = parse(f"uint{bits}")
    return Scheme(match[0], (fmt,), Granularity("channel"), None, "learned", family=match[1])


FAMILIES = (SqueezeLlm(), KvQuant())
RULES: list[tuple[str, Any]] = [(r"(squeezellm|kvquant)(\d+)", _dense_sparse)]
