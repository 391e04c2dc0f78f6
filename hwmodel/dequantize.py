"""Converters from a weight format to float16 in front of an element that cannot multiply it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwmodel.accelerators.compute import Floats
from hwmodel.accelerators.model import Accelerator
from hwmodel.sources import Fact
from numfmt import Scheme


@dataclass(frozen=True)
class Dequantizers:
    """Energy of one weight for each layer (0 where none is converted), area of one converter, and their sources."""

    energy_pj: Floats
    area_um2: float
    facts: tuple[Fact, ...]


def dequantizers(schemes: list[Scheme | None], acc: Accelerator) -> Dequantizers:
    return Dequantizers(np.zeros(len(schemes)), 0.0, ())
