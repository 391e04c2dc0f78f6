"""hw.sweep: executors, failures, searches, exports, the command."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
from hwmodel.cli import main
from hwmodel.search.sweeps.executors import SweepStopped

from .reference import sweeps as plain
from .sweep_cases import cheap, dies, logged, logged_space, some_fail, two_goals, wrong_kind

AXES = {"a": list(range(6)), "b": [0.5, 1.5]}
SMALL = {"model": "phi-2", "phase": "decode", "context": 64}


class Late:
    """An executor that ends its tasks in the reverse order, whose futures can only be asked."""

    def __init__(self):
        self.tasks = []

    def submit(self, task, *arguments):
        self.tasks.append(Asked(task, arguments))
        return self.tasks[-1]


class Asked:
    def __init__(self, task, arguments):
        self.task, self.arguments, self.asked = task, arguments, 0

    def done(self):
        self.asked += 1
        return self.asked > 1

    def result(self):
        return self.task(*self.arguments)


WANT = [{**p, **cheap(p)} for p in plain.points(AXES)]


def test_serial_is_the_plain_table():
    made = hw.sweep(AXES, cheap)
    assert made.frame().to_dict("records") == WANT
    assert made.frame().index.tolist() == list(range(12))
    assert made.frame().dtypes.astype(str).to_dict() == {
        "a": "int64",
        "b": "float64",
        "y": "float64",
        "n": "int64",
        "t": "str",
        "even": "bool",
    }


@pytest.mark.parametrize("kind", ["processes", pytest.param("pool", marks=pytest.mark.exhaustive), "threads", "late"])
def test_executors_give_the_same_table(kind, tmp_path):
    store = tmp_path / "runs.db"
    if kind == "pool":
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            made = hw.sweep(AXES, cheap, executor=pool, store=store)
    elif kind == "threads":
        with ThreadPoolExecutor(3) as pool:
            made = hw.sweep(AXES, cheap, executor=pool, store=store)
    else:
        made = hw.sweep(AXES, cheap, executor=Late() if kind == "late" else None, workers=2, store=store)
    pd.testing.assert_frame_equal(made.frame(), hw.sweep(AXES, cheap).frame())
    assert made.computed == 12
    assert hw.sweep(AXES, cheap, store=store, workers=2).computed == 0


def test_blocks_on_threads_give_the_same_table(monkeypatch):
    from hwmodel.search.sweeps import running

    monkeypatch.setattr(running, "BLOCK", 16)
    axes = {"height": list(range(1, 12)), "width": [1, 3], "accelerator": ["bitmod@j25", "fp16@j25"], "plan": "bitmod4", **SMALL}
    with ThreadPoolExecutor(3) as pool:
        made = hw.sweep(axes, executor=pool).frame()
    monkeypatch.undo()
    pd.testing.assert_frame_equal(made, hw.sweep(axes).frame())


def test_dask_gives_the_same_table():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        made = hw.sweep(AXES, cheap, executor=client)
    pd.testing.assert_frame_equal(made.frame(), hw.sweep(AXES, cheap).frame())


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_same_table():
    pytest.importorskip("ray")
    options = {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False}
    with hw.ray_executor(**options) as executor:
        made = hw.sweep(AXES, cheap, executor=executor)
    pd.testing.assert_frame_equal(made.frame(), hw.sweep(AXES, cheap).frame())


class Breaks:
    """The seventh point is lost, the one after it is not."""

    def __init__(self):
        self.futures = []

    def submit(self, task, *arguments):
        made = Future()
        self.futures.append(made)
        if len(self.futures) % 8 == 0:  # eight end at once, in reverse
            for number, (future, given) in reversed(list(enumerate(zip(self.futures, [*self.given, arguments], strict=True)))):
                future.set_exception(OSError("lost")) if number == 6 else future.set_result(task(*given))
        self.given = [*getattr(self, "given", []), arguments]
        return made


def test_points_that_ended_beside_a_failure_are_stored(tmp_path):
    store = tmp_path / "runs.db"
    with pytest.raises(SweepStopped, match=r"the executor failed \(OSError: lost\).*7 points are stored"):
        hw.sweep(AXES, cheap, store=store, executor=Breaks(), workers=4)
    assert hw.read_store(store).index.tolist() == [0, 1, 2, 3, 4, 5, 7]


class Bounded(ThreadPoolExecutor):
    most = open_ = 0

    def submit(self, *arguments):
        self.open_ += 1
        self.most = max(self.most, self.open_)
        future: Future = super().submit(*arguments)
        future.add_done_callback(lambda _: setattr(self, "open_", self.open_ - 1))
        return future


def test_few_points_are_under_way():
    with Bounded(2) as pool:
        hw.sweep({"a": list(range(200)), "b": [1]}, cheap, executor=pool)
    assert 2 <= pool.most <= 4


def test_an_executor_that_dies(tmp_path):
    store, axes = tmp_path / "runs.db", {"a": list(range(12))}
    with pytest.raises(SweepStopped, match=r"the executor failed \(BrokenProcessPool.*goes on from there") as error:
        hw.sweep(axes, dies, store=store, workers=2)
    stored = hw.read_store(store)
    assert f"{len(stored)} points are stored" in str(error.value)
    assert 3 <= len(stored) < 12
    assert 7 not in stored.index
    local = lambda point: {"y": 1}  # noqa: E731
    with pytest.raises(ValueError, match="define it at the top level of a module"):
        hw.sweep(axes, local, workers=2)
    with ThreadPoolExecutor(2) as pool:  # threads need not send it
        assert len(hw.sweep(axes, local, executor=pool).frame()) == 12


def test_failures_are_kept_and_computed_again(tmp_path):
    store, flag = tmp_path / "runs.db", tmp_path / "flag"
    flag.touch()
    axes = {"a": list(range(7)), "flag": str(flag)}
    made = hw.sweep(axes, some_fail, store=store)
    assert made.counts == {"stored": 4, "failed": 3, "computed": 7}
    assert made.failures.to_dict("index") == {a: {"a": a, "error": f"RuntimeError: no result for {a}"} for a in (0, 3, 6)}
    assert made.frame()["a"].tolist() == [1, 2, 4, 5]
    flag.unlink()
    assert hw.sweep(axes, some_fail, store=store).computed == 0
    again = hw.sweep(axes, some_fail, store=store, retry_failed=True)
    assert again.counts == {"stored": 7, "failed": 0, "computed": 3}
    assert again.frame()["y"].tolist() == [0.0, 1, 2, 3, 4, 5, 6]
    flag.touch()
    with pytest.raises(SweepStopped, match=r"point 0 failed: RuntimeError: no result for 0; 0 points"):
        hw.sweep(axes, some_fail, stop_on_failure=True)


def test_failures_in_blocks_are_computed_again(tmp_path, monkeypatch):
    from hwmodel import batch

    fixed = {"accelerator": "bitmod@j25", "plan": "bitmod4", **SMALL}
    axes, store = {"height": [4, 8, 16], "weight_buffer_kib": [128, 512]}, tmp_path / "runs.db"
    whole, original = hw.sweep({**axes, **fixed}).frame(), batch.score_many

    def fails(work, designs, *arguments, **options):
        if (designs["height"] == 8).any():
            raise ValueError("out of luck")
        return original(work, designs, *arguments, **options)

    monkeypatch.setattr(batch, "score_many", fails)
    made = hw.sweep({**axes, **fixed}, store=store)
    assert made.counts == {"stored": 4, "failed": 2, "computed": 6}
    assert made.failures["error"].tolist() == ["out of luck"] * 2
    pd.testing.assert_frame_equal(made.frame(), whole[whole["height"] != 8])
    monkeypatch.undo()
    again = hw.sweep({**axes, **fixed}, store=store, retry_failed=True)
    assert again.counts == {"stored": 6, "failed": 0, "computed": 2}
    pd.testing.assert_frame_equal(again.frame(), whole)


def test_results_that_no_table_holds():
    errors = hw.sweep({"a": [0, 1, 2, 3]}, wrong_kind).failures["error"].tolist()
    assert "returned list; return a mapping" in errors[0]
    assert "returned list for 'y'" in errors[1]
    assert "'a', which is the name of an axis" in errors[2]
    assert len(errors) == 3


GOALS = {"x": list(range(21)), "w": [0, 1, 2, 3], "constraints": ["x != 4 or w != 0"]}


@pytest.mark.parametrize("strategy", ["optuna-nsga2", "optuna-tpe", "pymoo-nsga2"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_searches_find_the_front_and_go_on(strategy, tmp_path, monkeypatch):
    pytest.importorskip(strategy.partition("-")[0])
    count = 48 if strategy == "optuna-tpe" else 120
    options = {"strategy": strategy, "count": count, "population": 12, "minimize": ["y", "z"], "seed": 5}
    made = hw.sweep(GOALS, two_goals, **options)
    found = made.frame()
    assert len(found) + len(made.failures) <= count
    assert not found.duplicated(["x", "w"]).any()
    assert not ((found["x"] == 4) & (found["w"] == 0)).any()
    front = made.front()
    assert (front["w"] == 0).mean() > 0.4  # the true front is x from 0 to 10 with w = 0
    store = tmp_path / "runs.db"
    calls = []

    def stops(point):
        calls.append(dict(point))
        if len(calls) == 20:
            raise KeyboardInterrupt
        return two_goals(point)

    stops.version = "1"
    with pytest.raises(KeyboardInterrupt):
        hw.sweep(GOALS, stops, store=store, **options)
    resumed = hw.sweep(GOALS, stops, store=store, **options)
    pd.testing.assert_frame_equal(resumed.frame(), found)
    computed = [(p["x"], p["w"]) for p in calls[:19] + calls[20:]]
    assert len(computed) == len(set(computed)) == len(found) + len(made.failures)
    with ThreadPoolExecutor(3) as pool:
        pd.testing.assert_frame_equal(hw.sweep(GOALS, two_goals, executor=pool, **options).frame(), found)
    with pytest.raises(ValueError, match="objective 'energy' is not among the results of a point; they are y, z, name"):
        hw.sweep(GOALS, two_goals, **{**options, "minimize": ["energy"]})


def test_a_search_of_a_small_space_ends():
    pytest.importorskip("optuna")
    made = hw.sweep({"x": [1, 2], "w": [0, 1]}, two_goals, strategy="optuna-nsga2", count=10**6, population=4, minimize=["y"])
    assert sorted(made.frame()[["x", "w"]].itertuples(index=False, name=None)) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_ctrl_c_stores_what_is_finished(tmp_path):
    store, log = tmp_path / "runs.db", tmp_path / "log"
    script = Path(__file__).parent / "sweep_cases.py"
    process = subprocess.Popen(
        [sys.executable, str(script), str(store), str(log)],
        env={**os.environ, "PYTHONPATH": str(script.parent.parent)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    while not log.exists() or len(log.read_text().split()) < 10:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    stored = hw.read_store(store)
    assert f"interrupted: {len(stored)} points are stored in" in said
    assert "goes on from there" in said
    assert sorted(map(int, log.read_text().split())) == stored["i"].tolist()  # everything that began is stored
    assert hw.sweep(logged_space(log), logged, store=store).computed == 500 - len(stored)


def test_exports_and_sources(tmp_path):
    made = hw.sweep({"accelerator": "bitmod@j25", "plan": "bitmod4", "clock_ghz": [0.5, 1], "height": 8, **SMALL})
    made.to_csv(tmp_path / "t.csv")
    made.to_parquet(tmp_path / "t.parquet")
    for read in (pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")):
        pd.testing.assert_frame_equal(read, made.frame().reset_index(), check_exact=True)
    sources = made.sources
    assert set(sources.columns) == {"name", "value", "unit", "source", "status"}
    assert "pe.energy_pj" in set(sources["name"])
    assert not sources["name"].str.endswith("clock_ghz").any()  # an axis gives it
    assert sources.set_index("name").loc["height", "status"] == "user"
    assert pd.read_csv(tmp_path / "t.sources.csv")["value"].tolist() == sources["value"].tolist()
    with pytest.raises(OSError, match=r"none.*cannot be written"):
        made.to_csv(tmp_path / "none" / "t.csv")
    assert repr(made) == "Sweep(2 points, 2 computed now)"
    pd.testing.assert_frame_equal(made.front(["energy_j", "latency_s"]), hw.pareto(made.frame(), ["energy_j", "latency_s"]))
    assert len(hw.sweep(AXES, cheap).sources) == 0


@pytest.mark.parametrize(
    ("options", "want"),
    [
        ({}, {"x": "latency_s", "y": "energy_j", "minimize": ["latency_s", "energy_j"]}),
        ({"y": "latency_s"}, {"x": "energy_j", "y": "latency_s", "minimize": ["energy_j", "latency_s"]}),
        (
            {"minimize": ["area_mm2"], "maximize": ["height"]},
            {"x": "area_mm2", "y": "height", "minimize": ["area_mm2"], "maximize": ["height"]},
        ),
        (
            {"minimize": ["area_mm2"], "label": "height"},
            {"x": "area_mm2", "y": "latency_s", "minimize": ["area_mm2"], "maximize": [], "label": "height"},
        ),
    ],
)
def test_the_page_of_a_front(options, want, monkeypatch, tmp_path):
    given = {}

    def page(frame, path, **named):
        given.update(named, rows=len(frame), point="point" in frame.columns)
        return "page"

    monkeypatch.setattr(hw, "front_page", page, raising=False)
    made = hw.sweep({"accelerator": "bitmod@j25", "plan": "bitmod4", "height": [8, 16], **SMALL})
    assert made.to_html(tmp_path / "f.html", **options) == "page"
    assert given == {**want, "rows": 2, "point": True}
    with pytest.raises(ValueError, match="a front needs two columns"):
        hw.sweep(AXES, cheap).to_html(tmp_path / "f.html")


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    file, store, out = tmp_path / "s.yaml", tmp_path / "runs.db", tmp_path / "front.csv"
    file.write_text(json.dumps({"accelerator": "bitmod@j25", "plan": "bitmod4", "height": [8, 16, 32], "width": [1, 2], **SMALL}))
    assert main(["sweep", str(file), "--store", str(store), "--out", str(out), "--minimize", "energy_j,latency_s"]) == 0
    said = capsys.readouterr()
    assert "points on the front" in said.out
    assert "Sweep(6 points, 6 computed now" in said.err
    assert len(pd.read_csv(out)) == 6
    assert main(["sweep", str(file), "--store", str(store)]) == 0
    assert "0 computed now" in capsys.readouterr().err
    assert main(["sweep", "--store", str(store), "--show"]) == 0
    said = capsys.readouterr()
    assert "6 of 6 points stored, 0 failed" in said.err
    assert "energy_j" in said.out
    for arguments, words in (
        (["sweep"], "no space"),
        (["sweep", str(file), "--show"], "--show takes --store"),
        (["sweep", str(file), "--out", "x.xls"], "suffix '.xls'"),
        (["sweep", str(tmp_path / "none.yaml")], "does not exist"),
        (["sweep", str(file), "--evaluate", "nowhere:f"], "MODULE:FUNCTION"),
        (["sweep", str(file), "--strategy", "lsh"], "did you mean lhs"),
    ):
        assert main(arguments) == 2
        assert words in capsys.readouterr().err
    other = tmp_path / "a.yaml"
    other.write_text("a: [0, 1, 2]\nb: [1]\n")
    assert main(["sweep", str(other), "--evaluate", "tests.sweep_cases:cheap"]) == 0
    assert "2-1" in capsys.readouterr().out


def test_progress_says_rate_and_time(monkeypatch, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    hw.sweep(AXES, cheap, progress=True)
    assert "12/12" in capsys.readouterr().err
    hw.sweep(AXES, cheap, progress=False)
    monkeypatch.undo()
    hw.sweep(AXES, cheap)
    assert capsys.readouterr().err == ""


def test_a_sweep_is_read_while_it_runs(tmp_path):
    store, seen = tmp_path / "runs.db", []
    gate = threading.Event()

    def waits(point):
        if point["a"] == 5:
            seen.append(len(hw.read_store(store)))
            gate.set()
        return {"y": point["a"]}

    hw.sweep({"a": list(range(8))}, waits, store=store)
    assert gate.is_set()
    assert seen == [5]
    assert np.array_equal(hw.read_store(store)["y"], np.arange(8))
    assert hw.read_store(store).attrs["store"]["count"] == 8
