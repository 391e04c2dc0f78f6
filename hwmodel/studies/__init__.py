"""Published or measured tables, reproduced; each returns a DataFrame with the columns of its reference data."""

from hwmodel.studies.bitmod import bitmod, bitmod_headline
from hwmodel.studies.bitmod_tile import bitmod_tile
from hwmodel.studies.hawqv3 import hawqv3, hawqv3_candidates, hawqv3_published
from hwmodel.studies.pe import pe, pe_sources
from hwmodel.studies.peers import peers
from hwmodel.studies.scalesim import scalesim
from hwmodel.studies.synthesis import synthesis
from hwmodel.studies.xtramac import xtramac

__all__ = [
    "bitmod",
    "bitmod_headline",
    "bitmod_tile",
    "hawqv3",
    "hawqv3_candidates",
    "hawqv3_published",
    "pe",
    "pe_sources",
    "peers",
    "scalesim",
    "synthesis",
    "xtramac",
]
