"""What hardware does with codes: products, accumulators, processing elements."""

from .datapath import Datapath, datapath, datapaths

__all__ = ["Datapath", "datapath", "datapaths"]
