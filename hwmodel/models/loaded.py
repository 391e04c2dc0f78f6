"""What `load_network` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numfmt.layers.evaluate import LabelledImages, TokenWindows
from numfmt.layers.network import Network


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network with the data that measures it.

    evaluate_data: TokenWindows (metric "perplexity"), LabelledImages (metric "accuracy"), or None (metric None) where
    no held-out data comes with the model. source: where the weights come from, in words. config: the model's own
    description. notes: what a reader must know before quoting a result.
    """

    network: Network
    evaluate_data: TokenWindows | LabelledImages | None
    metric: str | None
    source: str
    licence: str
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
