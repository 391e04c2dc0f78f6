"""Packages that only some users need: imported when first used, with one clear error where they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def needed(module: str, what: str, extra: str) -> ModuleType:
    """A module of an optional package. Raises ImportError, with the remedy, where it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{what} needs {package}, which is not installed; pip install {package} (the extra `{extra}`)") from error
