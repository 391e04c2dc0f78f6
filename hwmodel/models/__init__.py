"""Networks to score: the ones that ship in the package, SmolLM2, and the user's own files."""

from hwmodel.models.load import DEFAULT_MODEL, load_network, model_names
from hwmodel.models.loaded import LoadedModel

__all__ = ["DEFAULT_MODEL", "LoadedModel", "load_network", "model_names"]
