"""A row of the catalogue: a named format with its source and how well that source was checked."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Format


@dataclass(frozen=True)
class Entry:
    """`status`: "verified" (compared with an independent implementation in the tests), "read" (definition read in the named
    source), "recalled" or "inferred" (not checked against its source; no parity is claimed)."""

    name: str
    format: Format
    source: str
    status: str
    aliases: tuple[str, ...] = ()
