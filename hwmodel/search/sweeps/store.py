"""The store of a sweep: one SQLite file in WAL mode that survives a kill at any moment.

A point (or block of points that were computed together) is committed as soon as it is finished; those that finished at the same
time share a transaction. With `synchronous=NORMAL` a
kill of the process loses nothing committed; after a loss of power the file is whole, but transactions since the last checkpoint
(at most some thousand pages) can be missing: those points are computed again.

One process at a time writes: it holds an exclusive lock on the empty file NAME-lock, which the system releases when the process
ends in whatever way. Others may read at any time (`read_store`).
"""

from __future__ import annotations

import glob
import json
import os
import socket
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from hwmodel.report.save import unique
from hwmodel.search.sweeps.blocks import canonical, pack, row_crc, row_text
from hwmodel.search.sweeps.checked import MARK, SCHEMA, StoreError, difference, refused_io, stored
from hwmodel.search.sweeps.reading import reading

MEMORY = ":memory:"
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=2000", "busy_timeout=10000")
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blocks (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE tally (entries INTEGER NOT NULL, total INTEGER NOT NULL, question INTEGER NOT NULL);
CREATE TABLE points (position INTEGER PRIMARY KEY, key BLOB NOT NULL, done INTEGER NOT NULL, point TEXT NOT NULL,
 result TEXT NOT NULL, seconds REAL NOT NULL, crc INTEGER NOT NULL);
"""


class Store:
    """The results of one question: blocks of points that were computed together, single points, failures.

    Raises StoreError for a file that is no store, is damaged, has another schema, answers another question or is in use, OSError
    where it cannot be written.
    """

    def __init__(self, path: str | Path, question: Mapping[str, Any]) -> None:
        """Open the store of a question (anything that JSON holds), or make it."""
        self.path = str(path)
        self._lock: sqlite3.Connection | None = None
        self._db: sqlite3.Connection | None = None
        try:
            self._open(question)
        except BaseException:
            self.close()
            raise

    def _open(self, question: Mapping[str, Any]) -> None:
        target = Path(self.path).expanduser().resolve()
        if self.path != MEMORY:
            _check_place(target, self.path)
            self._take(target)
            if target.exists():
                with reading(target, self.path):  # checked before anything is opened that could write
                    pass
            else:
                _make(target, self.path, question)
        with refused_io(self.path, "opened"):
            self._db = sqlite3.connect(target if self.path != MEMORY else MEMORY, isolation_level=None, check_same_thread=False)
            if self.path == MEMORY:
                _fill(self._db, question)
            for pragma in PRAGMAS:
                self._db.execute(f"PRAGMA {pragma}").fetchall()
            asked = self.meta("question")
        if canonical(asked) != canonical(question):
            raise StoreError(
                f"store {self.path!r} answers another question: {difference(asked, question)}; name another store, or ask what"
                " this one was made for"
            )
        with self._writing():
            self._set("owner", _owner())

    def _take(self, target: Path) -> None:
        """The right to write; StoreError naming who has it."""
        lock = target.with_name(target.name + "-lock")
        with refused_io(self.path, "locked"):
            self._lock = sqlite3.connect(lock, isolation_level=None, timeout=0.0, check_same_thread=False)
            try:
                self._lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                raise StoreError(
                    f"store {self.path!r} is in use by {_holder(target)}; wait for it, end it, or name another store."
                    " hw.read_store reads what is there meanwhile"
                ) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing. OSError where there is no room."""
        assert self._db is not None
        with refused_io(self.path, "written", self._db):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _set(self, name: str, value: Any) -> None:
        assert self._db is not None
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))

    def meta(self, name: str) -> Any:
        """A fact about the store; None where there is none of that name."""
        row = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def put_block(self, first: int, columns: Mapping[str, np.ndarray], failed: Iterable[tuple[Any, ...]] = ()) -> None:
        """Columns of the points first, first + 1, ...; `failed`: those without results, as for `put_points`."""
        data, crc = pack(columns, first)
        count = len(next(iter(columns.values())))
        with self._writing() as db:
            made = db.execute("INSERT OR IGNORE INTO blocks VALUES (?, ?, ?, ?)", (first, count, data, crc)).rowcount
            self._put(failed, made, crc * made)

    def put_points(self, rows: Iterable[tuple[int, bytes, bool, str, Mapping[str, Any], float]]) -> None:
        """Points computed one by one: position, key, whether it has a result, point (JSON), result or {"error"}, seconds."""
        with self._writing():
            self._put(rows)

    def _put(self, rows: Iterable[tuple[Any, ...]], entries: int = 0, total: int = 0) -> None:
        """Rows and the tally of all that is stored. A failed point may be computed again; one with a result stays."""
        db = self.db
        for row in (_row(*given) for given in rows):
            old = db.execute("SELECT done, crc FROM points WHERE position = ?", row[:1]).fetchone()
            if old is None or not old[0]:
                db.execute("INSERT OR REPLACE INTO points VALUES (?,?,?,?,?,?,?)", row)
                entries, total = entries + (old is None), total + row[-1] - (0 if old is None else old[1])
        db.execute("UPDATE tally SET entries = entries + ?, total = total + ?", (entries, total))

    def blocks(self) -> list[tuple[int, int]]:
        """First point and number of points of every block."""
        return [(int(a), int(b)) for a, b in self.db.execute("SELECT first, count FROM blocks ORDER BY first")]

    def positions(self, done: bool) -> np.ndarray:
        """Points computed one by one that have a result, or that failed."""
        rows = self.db.execute("SELECT position FROM points WHERE done = ? ORDER BY position", (int(done),)).fetchall()
        return np.array(rows, dtype=np.int64).reshape(-1)

    def stored(self) -> int:
        """Points with a result."""
        return stored(self.db)

    def results(self, first: int = 0) -> Iterator[tuple[int, bytes, bool, dict[str, Any]]]:
        """Points computed one by one, from `first` on: position, key, whether it has a result, the result."""
        rows = self.db.execute("SELECT position, key, done, result FROM points WHERE position >= ? ORDER BY position", (first,))
        for position, key, done, result in rows:
            yield position, key, bool(done), json.loads(result)

    @property
    def db(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"store {self.path!r} is closed")
        return self._db

    def close(self) -> None:
        """Everything into the one file, and the right to write given back."""
        if self._db is not None:
            self._db.close()  # the last to close moves the log into the file
            self._db = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _row(position: int, key: bytes, done: bool, point: str, result: Mapping[str, Any], seconds: float) -> tuple[Any, ...]:
    row = position, key, int(done), point, row_text(result), float(seconds)
    return *row, row_crc(*row)


def _make(target: Path, given: str, question: Mapping[str, Any]) -> None:
    """An empty store in its place, complete or not at all."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):  # of a process that was killed here
        left.unlink(missing_ok=True)
    part = target.with_name(unique(target))
    try:
        with refused_io(given, "made"):
            db = sqlite3.connect(part, isolation_level=None)
            try:
                _fill(db, question)
            finally:
                db.close()
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _fill(db: sqlite3.Connection, question: Mapping[str, Any]) -> None:
    db.execute("BEGIN")
    for statement in filter(str.strip, _TABLES.split(";")):
        db.execute(statement)
    db.execute(f"PRAGMA application_id={MARK}")
    db.execute(f"PRAGMA user_version={SCHEMA}")
    text = canonical(question)
    db.execute("INSERT INTO meta VALUES ('question', ?)", (text,))
    db.execute("INSERT INTO tally VALUES (0, 0, ?)", (zlib.crc32(text.encode()),))
    db.execute("COMMIT")


def _owner() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}


def _holder(target: Path) -> str:
    """Who writes to a store, as far as it can be read."""
    with suppress(sqlite3.Error, TypeError, ValueError, KeyError):
        db = sqlite3.connect(f"{target.resolve().as_uri()}?mode=ro", uri=True)
        try:
            owner = json.loads(db.execute("SELECT value FROM meta WHERE name = 'owner'").fetchone()[0])
            return f"process {owner['pid']} on {owner['host']} (since {owner['since']})"
        finally:
            db.close()
    return "another process"


def _check_place(target: Path, given: str) -> None:
    if target.is_dir():
        raise StoreError(f"store {given!r} is a folder; name a file in it, such as runs.db")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"store {given!r}: the folder {str(target.parent)!r} does not exist; make it first")
    for place in (target.parent, *([target] if target.exists() else [])):
        if not os.access(place, os.W_OK):
            raise PermissionError(
                f"store {given!r} cannot be written: {str(place)!r} is read-only; name a place that you may write"
            )
