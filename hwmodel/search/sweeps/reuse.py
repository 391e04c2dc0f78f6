"""Points of other stores taken over, so that a larger space does not compute again what a smaller one did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hwmodel.search.sweeps.blocks import canonical
from hwmodel.search.sweeps.checked import StoreError, difference, sound_rows
from hwmodel.search.sweeps.identity import digest
from hwmodel.search.sweeps.reading import reading

Known = dict[bytes, tuple[str, float]]
_NAMED = ("accelerators", "networks")  # contents by name: a space may name others beside


def key_of(point: Mapping[str, Any], evaluator: Mapping[str, Any]) -> bytes:
    """What a point (axes and fixed values) is known by, with the evaluator that answers it."""
    return bytes.fromhex(digest(canonical(point) + canonical(evaluator)))


def known_points(paths: Iterable[str | Path], evaluator: Mapping[str, Any]) -> Known:
    """Results (JSON) and seconds of the points that stand in stores made with this evaluator; failures are left there.

    A point is the same where its axes and fixed values have the same names, values and kinds. Raises StoreError for a store that
    another evaluator filled, FileNotFoundError, StoreError for damaged ones.
    """
    found: Known = {}
    for path in paths:
        with reading(path) as db:
            question = json.loads(db.execute("SELECT value FROM meta WHERE name = 'question'").fetchone()[0])
            if said := _other(question["evaluator"], evaluator):
                raise StoreError(
                    f"store {str(path)!r} was filled by another evaluator, so that its points are of no use here: {said}"
                )
            fixed = question["space"]["fixed"]
            for row in sound_rows(db, str(path), "WHERE done"):
                found[key_of({**fixed, **json.loads(row[3])}, evaluator)] = row[4], row[5]
    return found


def _other(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """How two evaluators differ, as far as they name the same things."""
    pair = []
    for mine, others in ((old, new), (new, old)):
        shared = {n: {k: v for k, v in mine[n].items() if k in others.get(n, {})} for n in _NAMED if n in mine}
        pair.append({**mine, **{name: {} for name in _NAMED}, **shared})
    return difference(pair[0], pair[1], "evaluator")
