"""A store as a table, also while another process writes to it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hwmodel.search.sweeps.blocks import Damaged, unpack
from hwmodel.search.sweeps.checked import check_file, check_whole, damaged, refused_io, sound_rows, stored
from hwmodel.search.sweeps.log import check_log

INDEX = "point"
_AT_ONCE = 10_000  # rows whose JSON is read together


def read_store(path: str | Path) -> pd.DataFrame:
    """The points of a store that have results, in the order of the points: columns of the axes, then of the results.

    The index is the number of the point. The sweep may be running: what is finished is there. `.attrs["store"]` says what was
    asked (question), how many points there are in all (count, None where a search decides), stored and failed.
    Raises FileNotFoundError, and StoreError where the file is no store or is damaged.
    """
    with reading(path) as db:
        made = frame_of(db, str(path))
        made.attrs["store"] = facts(db)
        return made


def read_failures(path: str | Path) -> pd.DataFrame:
    """The points of a store whose evaluation failed: the axes and `error`."""
    with reading(path) as db:
        return failures_of(db, str(path))


@contextmanager
def reading(path: str | Path, named: str | None = None) -> Iterator[sqlite3.Connection]:
    """A store that was checked, read at one moment; nothing is written. `named`: what errors call it."""
    target, given = Path(path).expanduser().resolve(), named or str(path)
    if not target.is_file():
        raise FileNotFoundError(f"store {given!r} does not exist")
    check_file(target, given)
    check_log(target, given)
    uri = target.as_uri()
    # Without a log there is nothing to share; a log's index cannot be made where nothing may be written.
    alone = not target.with_name(target.name + "-wal").exists() and not os.access(target.parent, os.W_OK)
    with refused_io(given, "read"):
        db = sqlite3.connect(f"{uri}?mode=ro{'&immutable=1' if alone else ''}", uri=True, isolation_level=None)
        try:
            db.execute("BEGIN")
            check_whole(db, given)
            yield db
        finally:
            db.close()


def facts(db: sqlite3.Connection) -> dict[str, Any]:
    """What a store says about itself."""
    question = json.loads(db.execute("SELECT value FROM meta WHERE name = 'question'").fetchone()[0])
    failed = db.execute("SELECT count(*) FROM points WHERE NOT done").fetchone()[0]
    return {"question": question, "count": question.get("count"), "stored": stored(db), "failed": int(failed)}


def frame_of(db: sqlite3.Connection, path: str) -> pd.DataFrame:
    """Points with results, in order; the index is the number of the point."""
    frames, lost = [], set()
    records: list[dict[str, Any]] = []
    places, texts = [], []
    for row in sound_rows(db, path, "ORDER BY position"):
        lost.add(row[0])
        if row[2]:
            places.append(row[0])
            texts.append(f"{row[3]},{row[4]}")
            if len(texts) == _AT_ONCE:
                records += _records(texts)
    records += _records(texts)
    for first, count, data, crc in db.execute("SELECT first, count, data, crc FROM blocks ORDER BY first"):
        try:
            columns = unpack(data, crc, first, count)
        except Damaged as error:
            raise damaged(path, f"{error}, from point {first} on") from error
        frames.append(pd.DataFrame(columns, index=np.arange(first, first + count), copy=False))
    names = json.loads(db.execute("SELECT value FROM meta WHERE name = 'question'").fetchone()[0])["names"]
    if not frames:
        found = pd.DataFrame.from_records(records, index=places) if records else pd.DataFrame(columns=names)
    else:
        found = pd.concat(frames) if len(frames) > 1 else frames[0]
        if lost:
            found = found[~found.index.isin(lost)]
        if records:
            found = pd.concat([found, pd.DataFrame.from_records(records, index=places)]).sort_index()
    found.index = pd.Index(found.index.to_numpy(dtype=np.int64), name=INDEX)
    return found[[*(n for n in names if n in found.columns), *(c for c in found.columns if c not in names)]]


def _records(texts: list[str]) -> list[dict[str, Any]]:
    """Points joined with their results, read in one go; the texts are used up."""
    found = json.loads(f"[{','.join(texts)}]")
    texts.clear()
    return [{**point, **result} for point, result in zip(found[::2], found[1::2], strict=True)]


def failures_of(db: sqlite3.Connection, path: str) -> pd.DataFrame:
    """Points without results, in order: axes and `error`."""
    rows = db.execute("SELECT position, point, result FROM points WHERE NOT done ORDER BY position").fetchall()
    names = json.loads(db.execute("SELECT value FROM meta WHERE name = 'question'").fetchone()[0])["names"]
    records = [{**json.loads(point), "error": json.loads(result)["error"]} for _, point, result in rows]
    made = pd.DataFrame.from_records(records, columns=[*names, "error"])
    made.index = pd.Index(np.array([r[0] for r in rows], dtype=np.int64), name=INDEX)
    return made
