"""Published or measured tables, reproduced; each returns a DataFrame with the columns of its reference data."""

from hwmodel.studies.bitmod import bitmod, bitmod_headline
from hwmodel.studies.scalesim import scalesim

__all__ = ["bitmod", "bitmod_headline", "scalesim"]
