"""A plain cast to one format: codes without a scale."""

from __future__ import annotations

import numpy as np

from ..formats import decode, encode
from .family import Family, Given, Part, Stored, code_part
from .grid import Grid
from .scheme import Scheme


class Cast(Family):
    """Codes of one format; its own NaN and infinities are kept out by `quantize`, as no scheme has them."""

    name = "cast"

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """The codes alone."""
        return {"codes": code_part(made, grid)}

    def by_rows(self, made: Scheme) -> bool:
        """Every element stands alone."""
        return True

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Codes under the format's own modes."""
        return {"codes": encode(rows, made.candidates[0])}

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values of the codes."""
        values: np.ndarray = decode(stored["codes"], made.candidates[0])
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """A cast has no scale."""


FAMILIES = (Cast(),)
RULES: list[tuple[str, object]] = []
