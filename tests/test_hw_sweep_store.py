"""The store of a sweep: kills, two processes, damage, no room."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
from hwmodel.search.sweeps import running
from hwmodel.search.sweeps import store as store_module
from hwmodel.search.sweeps.blocks import Damaged, pack, unpack
from hwmodel.search.sweeps.checked import StoreError
from hwmodel.search.sweeps.log import StoreWarning, lost_transactions

from .sweep_cases import cheap, logged, logged_space, some_fail, two_goals

ROOT = Path(__file__).parent.parent
AXES = {"a": list(range(6)), "b": [0.5, 1.5]}


def child(*arguments):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "sweep_cases.py"), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(log):
    return [int(i) for i in log.read_text().split()] if log.exists() else []


def test_twenty_kills_lose_nothing_that_is_stored(tmp_path):
    """SIGKILL of the whole group at random moments: no stored point is computed again, the table is that of an unbroken run."""
    rng, store, log = random.Random(20261122), tmp_path / "runs.db", tmp_path / "log"
    with child("serve") as server:
        for kill in range(20):
            seen = len(lines(log))
            before = set(hw.read_store(store).index) if store.exists() else set()
            server.stdin.write(f"{store}\t{log}\n")
            server.stdin.flush()
            number, target = int(server.stdout.readline()), seen + rng.randint(1, 22)
            while len(lines(log)) < target:
                time.sleep(0.001)
            time.sleep(rng.random() * 0.004)
            os.killpg(number, signal.SIGKILL)
            assert server.stdout.readline().strip() == str(int(signal.SIGKILL)), "it ended before it was killed"
            assert not before & set(lines(log)[seen:]), f"a point stored before kill {kill} was computed again"
            assert len(set(lines(log)) - set(hw.read_store(store).index)) <= 4  # what was running is lost, no more
        server.stdin.close()
    made = hw.sweep(logged_space(log), logged, store=store)
    assert 0 < made.computed < 500
    unbroken = hw.sweep(logged_space(tmp_path / "other"), logged).frame()
    pd.testing.assert_frame_equal(made.frame(), unbroken)
    assert unbroken["square"].tolist() == [i * i for i in range(500)]
    assert sum(Counter(lines(log)).values()) <= 500 + 20 * 4
    assert hw.sweep(logged_space(log), logged, store=store).computed == 0


def test_kills_while_blocks_are_written(tmp_path, monkeypatch):
    """A transaction that does not commit leaves no half of a block."""
    monkeypatch.setattr(running, "BLOCK", 64)
    space = PRICED | {"height": list(range(1, 33)), "width": list(range(1, 17))}
    whole = hw.sweep(space).frame()
    store = tmp_path / "runs.db"
    puts = iter([None] * 3)

    original = store_module.Store.put_block

    def stops(self, *arguments):
        original(self, *arguments)
        if next(puts, 1):
            raise KeyboardInterrupt

    monkeypatch.setattr(store_module.Store, "put_block", stops)
    with pytest.raises(KeyboardInterrupt):
        hw.sweep(space, store=store)
    monkeypatch.setattr(store_module.Store, "put_block", original)
    part = hw.read_store(store)
    assert len(part) == 4 * 64
    pd.testing.assert_frame_equal(part, whole.head(len(part)))
    made = hw.sweep(space, store=store)
    assert made.computed == len(whole) - len(part)
    pd.testing.assert_frame_equal(made.frame(), whole)


PRICED = {"accelerator": "bitmod@j25", "plan": "bitmod4", "model": "phi-2", "phase": "decode"}


def test_a_store_answers_one_question(tmp_path):
    store = tmp_path / "runs.db"
    hw.sweep(AXES, cheap, store=store)
    for space, options, said in (
        ({**AXES, "a": [0, 1]}, {}, "space.axes.a was"),
        ({**AXES, "c": 3}, {}, "space.fixed.c is 3"),
        ({**AXES, "constraints": ["a > 1"]}, {}, "space.constraints was []"),
        (AXES, {"version": "2"}, "evaluator.version was"),
        (AXES, {"strategy": "random", "count": 3}, "strategy.strategy was 'grid', now 'random'"),
        ({**AXES, "a": [0.0, *range(1, 6)]}, {}, "space.axes.a was"),
    ):
        with pytest.raises(StoreError, match="answers another question") as error:
            hw.sweep(space, cheap, store=store, **options)
        assert said in str(error.value)
    with pytest.raises(StoreError, match=r"evaluator\.evaluator was 'tests.sweep_cases.cheap', now 'tests.sweep_cases.some_fail'"):
        hw.sweep(AXES, some_fail, store=store)
    assert hw.sweep(AXES, cheap, store=store).computed == 0


def test_a_changed_workload_or_function_is_another_question(tmp_path):
    store, work = tmp_path / "runs.db", hw.workload("phi-2", phase="decode")
    space = {"accelerator": "bitmod@j25", "plan": "bitmod4", "height": [8, 16]}
    hw.sweep(space, work=work, store=store)
    with pytest.raises(StoreError, match=r"evaluator\.work was"):
        hw.sweep(space, work=hw.workload("phi-2", phase="decode", context=300), store=store)
    made = {}
    for body in ("return {'y': 1}", "# a remark\n    return {'y': 1}", "return {'y': 2}"):
        path = tmp_path / "made.py"
        path.write_text(f"def f(point):\n    {body}\n")
        import linecache

        linecache.clearcache()
        names = {"__name__": "made"}
        exec(compile(path.read_text(), str(path), "exec"), names)
        made[body] = hw.sweep({"a": [1, 2]}, names["f"]).question["evaluator"]["version"]
    first, remark, other = made.values()
    assert first == remark != other


def test_two_processes_on_one_store(tmp_path):
    store, log = tmp_path / "runs.db", tmp_path / "log"
    process = child(store, log)
    try:
        while not lines(log):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        with pytest.raises(StoreError, match=f"in use by process {process.pid} on .* hw.read_store"):
            hw.sweep(logged_space(log), logged, store=store)
        found = [len(hw.read_store(store))]  # others read meanwhile
        while found[-1] < 20 and process.poll() is None:
            found.append(len(hw.read_store(store)))
        assert found == sorted(found)
        assert hw.read_store(store)["square"].tolist()[:5] == [0, 1, 4, 9, 16]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert hw.sweep(logged_space(log), logged, store=store).counts["stored"] == 500  # a dead owner keeps nobody out


def damaged_files(path):
    """The store with 40 bytes changed at many places, and cut."""
    whole = path.read_bytes()
    for at in range(0, len(whole), 2048):
        yield f"flipped at {at}", whole[:at] + bytes(b ^ 0xFF for b in whole[at : at + 40]) + whole[at + 40 :]
    for size in (0, 1, 99, 4096, len(whole) // 2, len(whole) - 4096):
        yield f"cut at {size}", whole[:size]
    yield "garbage", random.Random(0).randbytes(len(whole))
    yield "text", b"point,energy\n" * 50


@pytest.mark.parametrize("blocks", [False, True])
def test_damage_is_reported_and_nothing_is_overwritten(tmp_path, blocks):
    """Every damage is either refused, by reading and by sweeping, or does not change a single value."""
    store = tmp_path / "runs.db"
    space = (
        (PRICED | {"height": list(range(1, 33)), "width": [1, 2, 4]}, None) if blocks else ({"a": list(range(90)), "b": [1]}, cheap)
    )
    whole = hw.sweep(*space, store=store).frame()
    refused = 0
    for what, content in damaged_files(store):
        victim = tmp_path / "victim.db"
        victim.write_bytes(content)
        try:
            found = hw.read_store(victim)
        except (StoreError, OSError):
            refused += 1
            with pytest.raises((StoreError, OSError), match=r"victim\.db"):
                hw.sweep(*space, store=victim)
        else:
            pd.testing.assert_frame_equal(found, whole)
        assert victim.read_bytes() == content, what
        for name in ("victim.db-wal", "victim.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
    assert refused >= 8


def changed(store, *statements):
    db = sqlite3.connect(store)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize(
    ("blocks", "statement", "said"),
    [
        (False, "DELETE FROM points WHERE position = 11", "12 blocks and points were stored, 11 are there"),
        (False, "DELETE FROM points", "12 blocks and points were stored, 0 are there"),
        (False, "UPDATE points SET seconds = 1.0 WHERE position = 3", "point 3 does not fit"),
        (False, "UPDATE points SET position = 99 WHERE position = 3", "point 99 does not fit"),
        (False, "UPDATE meta SET value = replace(value, '1.5', '2.5') WHERE name = 'question'", "the question that it answers"),
        (True, "DELETE FROM blocks WHERE first = 64", "8 blocks and points were stored, 7 are there"),
        (True, "UPDATE blocks SET count = 63 WHERE first = 64", "from 64 on does not fit"),
        (True, "UPDATE blocks SET first = -first", "does not fit its checksum"),
        (
            True,
            "UPDATE blocks SET (data, crc) = (SELECT data, crc FROM blocks AS o WHERE o.first = 192 - blocks.first)"
            " WHERE first IN (64, 128)",
            "from 64 on does not fit",
        ),
    ],
)
def test_rows_that_are_missing_or_exchanged_are_found(tmp_path, monkeypatch, blocks, statement, said):
    monkeypatch.setattr(running, "BLOCK", 64)
    store = tmp_path / "runs.db"
    space = (PRICED | {"height": list(range(1, 33)), "width": list(range(1, 17))}, None) if blocks else (AXES, cheap)
    hw.sweep(*space, store=store)
    changed(store, statement)
    before = store.read_bytes()
    for call in (lambda: hw.read_store(store), lambda: hw.sweep(*space, store=store)):
        with pytest.raises(StoreError, match=f"is damaged .*{said}"):
            call()
    assert store.read_bytes() == before


def copied(self):
    folder = Path(self.path).parent / "copy"
    folder.mkdir()
    for name in ("runs.db", "runs.db-wal"):
        (folder / name).write_bytes((folder.parent / name).read_bytes())
    self._db.close()
    self._lock.close()


def killed(folder):
    """A store whose process ended without closing it: its file and its log."""
    store = folder / "runs.db"
    with pytest.raises(KeyboardInterrupt):
        hw.sweep(AXES, stops, store=store)
    return store


def stops(point):
    """Ends the sweep after seven points."""
    if (point["a"], point["b"]) == (3, 1.5):
        raise KeyboardInterrupt
    return cheap(point)


def test_a_damaged_log_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module.Store, "close", lambda self: self._copy())
    monkeypatch.setattr(store_module.Store, "_copy", copied, raising=False)
    killed(tmp_path)
    monkeypatch.undo()
    names, alone = ("runs.db", "runs.db-wal"), hw.sweep(AXES, cheap).frame().to_dict("index")
    whole = {n: (tmp_path / "copy" / n).read_bytes() for n in names}
    frame, log = 4096 + 24, whole["runs.db-wal"]
    assert lost_transactions(log) == 0
    rng = random.Random(3)
    said = 0
    for at in [0, 4, 16, 24, *(rng.randrange(32, len(log)) for _ in range(20))]:
        victim = tmp_path / f"v{at}"
        victim.mkdir()
        (victim / "runs.db").write_bytes(whole["runs.db"])
        (victim / "runs.db-wal").write_bytes(log[:at] + bytes([log[at] ^ 4]) + log[at + 1 :])
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            made = hw.read_store(victim / "runs.db")
        assert made.to_dict("index") == dict(list(alone.items())[: len(made)])
        assert (len(made) == 7) == (not given), at
        assert all(w.category is StoreWarning and "counts as not computed" in str(w.message) for w in given)
        said += bool(given)
    assert said >= 20
    for cut in (0, 32, 40, frame * 9 + 32, len(log) - 1):  # as after a loss of power: earlier, and whole
        victim = tmp_path / f"c{cut}"
        victim.mkdir()
        (victim / "runs.db").write_bytes(whole["runs.db"])
        (victim / "runs.db-wal").write_bytes(log[:cut])
        made = hw.read_store(victim / "runs.db")
        assert len(made) < 7
        assert made.to_dict("index") == dict(list(alone.items())[: len(made)])


def test_links_and_folders_do_not_make_a_second_store(tmp_path, monkeypatch):
    (tmp_path / "a b").mkdir()
    (tmp_path / "ü").mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "a b" / "runs.db")
    monkeypatch.chdir(tmp_path / "a b")
    held = store_module.Store("runs.db", {"names": []})
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()}"):
        store_module.Store(link, {"names": []})
    held.close()

    def moves(point):
        os.chdir(tmp_path / "ü")
        return {"y": point["a"]}

    made = hw.sweep({"a": [1, 2]}, moves, store="other.db")
    assert made.frame()["y"].tolist() == [1, 2]
    assert (tmp_path / "a b" / "other.db").exists()
    assert not list((tmp_path / "ü").iterdir())


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    store, log = tmp_path / "runs.db", tmp_path / "log"
    process = child("pool", store, log)
    while len(set(log.read_text().split()) if log.exists() else ()) < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    workers = {int(n) for n in log.read_text().split()}
    assert process.pid not in workers
    process.kill()
    process.communicate(timeout=60)  # its workers hold the ends of its pipes until they end
    assert not [n for n in workers if Path(f"/proc/{n}/stat").exists() and " Z " not in Path(f"/proc/{n}/stat").read_text()]


def test_a_larger_space_takes_points_over(tmp_path):
    old, new, log = tmp_path / "old.db", tmp_path / "new.db", tmp_path / "log"
    hw.sweep({"i": [0, 2, 4], "log": str(log)}, logged, store=old)
    log.unlink()
    made = hw.sweep({"i": [0, 1, 2, 3, 4, 5], "log": [str(log)]}, logged, store=new, reuse=old)
    assert sorted(lines(log)) == [1, 3, 5]
    assert made.computed == 3
    log.unlink()
    pd.testing.assert_frame_equal(made.frame(), hw.sweep({"i": [0, 1, 2, 3, 4, 5], "log": [str(log)]}, logged).frame())
    assert hw.sweep({"i": [0, 1, 2, 3, 4, 5], "log": [str(log)]}, logged, store=new).computed == 0
    log.unlink()
    assert hw.sweep({"i": [0.0, 2.0], "log": str(log)}, logged, reuse=[old, new]).computed == 2  # 0.0 is not 0
    assert hw.sweep({"i": [0, 2], "log": str(tmp_path / "elsewhere")}, logged, reuse=old).computed == 2
    with pytest.raises(StoreError, match=r"filled by another evaluator.*evaluator\.version was"):
        hw.sweep({"i": [0, 2], "log": str(log)}, logged, reuse=old, version="2")
    with pytest.raises(FileNotFoundError, match="none"):
        hw.sweep({"i": [0]}, cheap, reuse=tmp_path / "none.db")
    with pytest.raises(ValueError, match="scored in blocks"):
        hw.sweep(PRICED | {"height": [1, 2]}, reuse=old)


def test_a_longer_sample_and_search_take_points_over(tmp_path):
    old, axes = tmp_path / "old.db", {"x": list(range(40)), "w": list(range(10))}
    few = hw.sweep(axes, two_goals, strategy="random", count=30, store=old)
    more = hw.sweep(axes, two_goals, strategy="random", count=90, reuse=old)
    assert more.computed == 90 - len(few.frame())
    pd.testing.assert_frame_equal(more.frame(), hw.sweep(axes, two_goals, strategy="random", count=90).frame())
    pytest.importorskip("optuna")
    options = {"strategy": "optuna-nsga2", "population": 10, "minimize": ["y", "z"]}
    first = hw.sweep(axes, two_goals, count=30, store=tmp_path / "search.db", **options)
    longer = hw.sweep(axes, two_goals, count=60, reuse=tmp_path / "search.db", **options)
    alone = hw.sweep(axes, two_goals, count=60, **options)
    pd.testing.assert_frame_equal(longer.frame(), alone.frame())
    assert longer.computed == alone.computed - len(first.frame())


def test_changed_values_are_found_by_the_checksums(tmp_path):
    store = tmp_path / "runs.db"
    hw.sweep(AXES, cheap, store=store)
    db = sqlite3.connect(store)
    db.execute("UPDATE points SET result = replace(result, ':0,', ':1,') WHERE position = 2")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match=r"point 2 does not fit its checksum\); it was not changed"):
        hw.read_store(store)
    with pytest.raises(StoreError, match="point 2 does not fit"):
        hw.sweep(AXES, cheap, store=store)


def test_other_files_are_refused(tmp_path):
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE mine (x)")
    db.commit()
    db.close()
    before = other.read_bytes()
    with pytest.raises(StoreError, match="a database that no sweep wrote"):
        hw.sweep(AXES, cheap, store=other)
    assert other.read_bytes() == before
    text = tmp_path / "text.db"
    text.write_text("not a database " * 100)
    with pytest.raises(StoreError, match="is no database"):
        hw.sweep(AXES, cheap, store=text)
    assert text.read_text().startswith("not a database")
    store = tmp_path / "runs.db"
    hw.sweep(AXES, cheap, store=store)
    db = sqlite3.connect(store)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match="has schema 99, this version of hwmodel reads 2"):
        hw.sweep(AXES, cheap, store=store)
    with pytest.raises(StoreError, match="is a folder"):
        hw.sweep(AXES, cheap, store=tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        hw.sweep(AXES, cheap, store=tmp_path / "none" / "runs.db")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        hw.read_store(tmp_path / "none.db")


def test_no_room_keeps_what_is_stored(tmp_path, monkeypatch):
    store, space = tmp_path / "runs.db", {"a": list(range(2000)), "b": [1]}
    monkeypatch.setattr(store_module, "PRAGMAS", (*store_module.PRAGMAS, "max_page_count=24"))
    with pytest.raises(OSError, match=r"no room left .* (\d+) points are stored and safe; make room") as error:
        hw.sweep(space, cheap, store=store)
    safe = len(hw.read_store(store))
    assert f"{safe} points" in str(error.value)
    assert 50 < safe < 2000
    monkeypatch.undo()
    made = hw.sweep(space, cheap, store=store)
    assert made.computed == 2000 - safe
    pd.testing.assert_frame_equal(made.frame(), hw.sweep(space, cheap).frame())


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    store = tmp_path / "locked" / "runs.db"
    store.parent.mkdir()
    hw.sweep(AXES, cheap, store=store)
    whole = hw.read_store(store)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(PermissionError, match="is read-only; name a place that you may write"):
        hw.sweep(AXES, cheap, store=store)
    for name in ("runs.db-wal", "runs.db-shm"):
        (store.parent / name).unlink(missing_ok=True)
    pd.testing.assert_frame_equal(hw.read_store(store), whole)
    assert not (store.parent / "runs.db-wal").exists()


@pytest.mark.parametrize(
    "column",
    [
        np.array([1.5, np.nan, -np.inf, -0.0]),
        np.array([3, 3, 3, 3]),
        np.array([-(2**62), 2**62, 0, 1]),
        np.array([200, 255, 0, 1]),
        np.array([True, False, True, True]),
        np.array(["a", "b", None, 1], dtype=object),
        np.array([True, 1, 1.0, "1"], dtype=object),
        np.full(4, np.nan),
    ],
)
def test_columns_come_back_bit_for_bit(column):
    data, crc = pack({"x": column, "other": np.arange(4)}, 8)
    found = unpack(data, crc, 8, 4)
    assert found["x"].dtype == column.dtype
    if column.dtype == object:
        assert [(type(v), v) for v in found["x"]] == [(type(v), v) for v in column]
    else:
        assert found["x"].tobytes() == column.tobytes()
    for at in range(len(data)):
        with pytest.raises(Damaged):
            unpack(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], crc, 8, 4)
    with pytest.raises(Damaged):
        unpack(data, crc, 4, 4)
