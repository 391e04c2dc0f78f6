"""What can be wrong with a store, found before it is used: not a store, damaged, another schema, no room."""

from __future__ import annotations

import errno
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwmodel.search.sweeps.blocks import block_crc, canonical, row_crc

MARK = 0x68775357  # of a store of sweeps: "hwSW"
SCHEMA = 2
CHECKED = 250_000  # single rows whose checksums are compared on opening; of more only when they are read, which takes seconds


class StoreError(ValueError):
    """A store that cannot be used; what is stored stays as it is."""


def check_file(target: Path, path: str) -> None:
    """StoreError for an empty file: a store is never empty, so that something else was here or took its content away."""
    if not target.stat().st_size:
        raise StoreError(f"store {path!r} is an empty file, which no sweep leaves behind; remove it, or name another one")


def check_whole(db: sqlite3.Connection, path: str) -> None:
    """StoreError where the file is a database of another kind, has another schema or is damaged."""
    mark = db.execute("PRAGMA application_id").fetchone()[0]
    if mark != MARK:
        raise StoreError(f"store {path!r} is a database that no sweep wrote; name another file")
    schema = db.execute("PRAGMA user_version").fetchone()[0]
    if schema != SCHEMA:
        raise StoreError(
            f"store {path!r} has schema {schema}, this version of hwmodel reads {SCHEMA}; read it with the one that wrote it"
        )
    found = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        raise damaged(path, "; ".join(found).replace("\n", " "))
    for first, count, data, crc in db.execute("SELECT first, count, data, crc FROM blocks"):
        if not isinstance(data, bytes) or block_crc(first, count, data) != crc:
            raise damaged(path, f"the block of points from {first} on does not fit its checksum")
    if db.execute("SELECT count(*) FROM points").fetchone()[0] <= CHECKED:
        for _ in sound_rows(db, path):
            pass
    _check_tally(db, path)


def sound_rows(db: sqlite3.Connection, path: str, which: str = "") -> Iterator[tuple[Any, ...]]:
    """Points computed one by one (position, key, done, point, result, seconds). StoreError for one that has changed."""
    for *row, crc in db.execute(f"SELECT position, key, done, point, result, seconds, crc FROM points {which}"):
        if not isinstance(row[1], bytes) or row_crc(*row) != crc:
            raise damaged(path, f"point {row[0]} does not fit its checksum")
        yield tuple(row)


def _check_tally(db: sqlite3.Connection, path: str) -> None:
    """StoreError where rows are missing, or the question is no longer the one that was asked."""
    told = db.execute("SELECT entries, total, question FROM tally").fetchall()
    text = db.execute("SELECT value FROM meta WHERE name = 'question'").fetchone()
    if len(told) != 1 or not text or not isinstance(text[0], str) or zlib.crc32(text[0].encode()) != told[0][2]:
        raise damaged(path, "the question that it answers does not fit its checksum")
    sums = "SELECT count(*) AS entries, coalesce(sum(crc), 0) AS total FROM"
    found = db.execute(f"SELECT sum(entries), sum(total) FROM ({sums} blocks UNION ALL {sums} points)").fetchone()
    if found != told[0][:2]:
        raise damaged(path, f"{told[0][0]} blocks and points were stored, {found[0]} are there, or others than were stored")


def damaged(path: str, what: object) -> StoreError:
    """The error for a damaged store."""
    return StoreError(
        f"store {path!r} is damaged ({what}); it was not changed. Restore a copy, save what `sqlite3 {path} .recover`"
        " still reads, or start again with another store"
    )


@contextmanager
def refused_io(path: str, what: str, db: sqlite3.Connection | None = None) -> Iterator[None]:
    """Errors of SQLite as StoreError or OSError that say what to do."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise damaged(path, f"a text that is none: {error}") from error
    except sqlite3.Error as error:
        text, name = str(error), getattr(error, "sqlite_errorname", "") or ""
        if name.startswith("SQLITE_NOTADB"):
            raise StoreError(f"store {path!r} is no database: something else is in that file; name another one") from error
        if name.startswith("SQLITE_CORRUPT"):
            raise damaged(path, text) from error
        if name.startswith("SQLITE_FULL"):
            kept = f"{stored(db)} points are stored and safe; " if db is not None else ""
            raise OSError(
                errno.ENOSPC, f"store {path!r}: no room left ({text}); {kept}make room and call again with the same store"
            ) from error
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            raise PermissionError(f"store {path!r} cannot be {what}: {text}; name a place that you may write") from error
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StoreError(f"store {path!r} is in use by another program ({text}); wait for it, or name another store") from error
        raise OSError(errno.EIO, f"store {path!r} cannot be {what}: {text}") from error


def stored(db: sqlite3.Connection) -> int:
    """Points with a result."""
    blocks = db.execute("SELECT coalesce(sum(count), 0) FROM blocks").fetchone()[0]
    points, failed = db.execute("SELECT coalesce(sum(done), 0), coalesce(sum(NOT done), 0) FROM points").fetchone()
    if not blocks:
        return int(points)
    # points beside blocks are those that failed in them, some of them computed since
    return int(blocks) - int(failed)


def difference(old: Any, new: Any, where: str = "") -> str:
    """The first differences between two questions in words."""
    found = list(_differences(old, new, where))
    more = f", and {len(found) - 3} more differences" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more


def _differences(old: Any, new: Any, where: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            place = f"{where}.{name}" if where else str(name)
            if name not in new:
                yield f"{place} was {_short(old[name])} and is not given now"
            elif name not in old:
                yield f"{place} is {_short(new[name])} and was not given then"
            else:
                yield from _differences(old[name], new[name], place)
    elif canonical(old) != canonical(new):
        yield f"{where} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:50] + " ... " + text[-25:]
