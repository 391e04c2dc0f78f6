"""The plot, the page and the command of a front."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
from hwmodel.cli import main

HOSTILE = '</script><script>alert(1)</script> & "q"'


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    energy = rng.lognormal(0, 1, 60)
    quality = 5 + 3 / energy * rng.lognormal(0, 0.5, 60)
    made = pd.DataFrame({"energy_uj": energy, "perplexity": quality, "area_mm2": rng.random(60), "acc": ["a", "b", "c"] * 20})
    return made.assign(name=[f"p{i}" for i in range(60)])


OBJECTIVES = ["energy_uj", "perplexity"]


def drawn(axes, filled):
    marks = [m for m in axes.lines if m.get_marker() in ("o", "s", "^") and m.get_markerfacecolor() != "none"]
    return sorted(x for m in marks for x in m.get_xdata() if (m.get_markerfacecolor() == m.get_color()) == filled)


@pytest.mark.parametrize(("theme", "width"), [("light", "wide"), ("dark", "narrow")])
def test_plot_fills_the_front_and_rings_the_knee(frame, theme, width):
    made = hw.plot_front(frame, *OBJECTIVES, color="acc", label="name", knee="distance", theme=theme, width=width)
    front, rest = hw.pareto(frame, OBJECTIVES), frame.drop(hw.pareto(frame, OBJECTIVES).index)
    axes = made.axes[0]
    assert drawn(axes, True) == sorted(front.energy_uj)
    assert drawn(axes, False) == sorted(rest.energy_uj)
    rings = [m.get_xdata()[0] for m in axes.lines if m.get_marker() == "o" and m.get_markerfacecolor() == "none"]
    assert rings == list(hw.knee(frame, OBJECTIVES).energy_uj)
    assert {t.get_text() for t in axes.texts} <= set(front.name)
    assert {t.get_text() for t in made.legends[0].texts} == {"a", "b", "c", "Pareto front", "Knee by distance"}
    assert (axes.get_xlabel(), axes.get_xscale()) == ("energy_uj, lower is better", "log")


@pytest.mark.parametrize("low", [("x", "y"), ("x",), ("y",), ()])
def test_staircase_encloses_what_the_front_beats(low):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((40, 2)), columns=["x", "y"])
    high = [n for n in ("x", "y") if n not in low]
    axes = hw.plot_front(frame, "x", "y", list(low), high, log="none").axes[0]
    stairs = next(line for line in axes.lines if line.get_drawstyle().startswith("steps"))
    front = hw.pareto(frame, list(low), high).sort_values("x")
    np.testing.assert_array_equal(stairs.get_xydata(), front[["x", "y"]])
    # between two points the corner is the worse of both in either axis
    assert stairs.get_drawstyle() == ("steps-post" if "x" in low else "steps-pre")


def test_no_staircase_for_other_objectives(frame):
    axes = hw.plot_front(frame, "energy_uj", "area_mm2", OBJECTIVES).axes[0]
    assert not [line for line in axes.lines if line.get_drawstyle().startswith("steps")]
    assert axes.get_ylabel() == "area_mm2"


def test_many_rows_are_thinned_and_said_so(frame):
    many = pd.concat([frame] * 400, ignore_index=True)
    many.loc[5, "perplexity"] = np.nan
    made = hw.plot_front(many, *OBJECTIVES)
    text = " ".join(made.texts[0].get_text().split())
    assert text.startswith("20,000 of 24,000 rows drawn")
    assert "1 row without finite values" in text
    points = sum(len(c.get_offsets()) for c in made.axes[0].collections)
    assert points + len(drawn(made.axes[0], True)) == 20_000
    assert len(drawn(made.axes[0], True)) == len(hw.pareto(many, OBJECTIVES))


def test_pictures_are_files(frame, tmp_path):
    for name in ("a.svg", "b.svg", "c.png", "d.pdf"):
        hw.plot_front(frame, *OBJECTIVES, color="acc", path=tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"color": "name"}, "60 different values"),
        ({"x": "enrgy_uj"}, "energy_uj"),
        ({"x": "acc"}, "not numbers"),
        ({"log": "z"}, "log"),
        ({"y": "negative", "log": "y"}, "leave y linear"),
        ({"y": "lost"}, "nothing to draw"),
        ({"path": "a.bmp"}, "suffix"),
        ({"knee": "bent"}, "knee method"),
        ({"theme": "drak"}, "dark"),
    ],
)
def test_bad_plots(frame, arguments, words):
    bad = frame.assign(negative=-1.0, lost=np.nan)
    with pytest.raises(ValueError, match=words):
        hw.plot_front(bad, **{"x": "energy_uj", "y": "perplexity", **arguments})


def content(text):
    held = re.search(r'<script type="application/json" id="front-data">(.*?)</script>', text, re.DOTALL)[1]
    return json.loads(held)


def test_page_holds_the_points(frame, tmp_path):
    held = frame.assign(name=HOSTILE, lost=[np.nan, *range(59)])
    text = hw.front_page(held, tmp_path / "f.html", x="energy_uj", y="perplexity", color="acc", label="name", knee="trade_off")
    assert (tmp_path / "f.html").read_text(encoding="utf-8") == text
    data = content(text)
    columns = {c["name"]: c for c in data["columns"]}
    assert columns["energy_uj"]["values"] == [float(f"{v:.7g}") for v in frame.energy_uj]
    assert [columns["acc"]["texts"][v] for v in columns["acc"]["values"]] == list(frame.acc)
    assert columns["lost"]["values"][0] is None
    assert [columns[n]["better"] for n in ("energy_uj", "perplexity", "area_mm2")] == ["lower", "lower", None]
    front = hw.pareto(frame, OBJECTIVES).index
    assert [i for i, on in enumerate(data["front"]) if on] == list(front)
    assert [i for i, at in enumerate(data["knee"]) if at] == list(hw.knee(frame, OBJECTIVES, method="trade_off").index)
    assert re.findall(r'<tr data-i="(\d+)"', text) == [str(i) for i in front]
    assert data["labels"] == [HOSTILE] * 60
    assert "alert(1)</script>" not in text  # every text is escaped
    assert not re.search(r"(src|href)=\"(?!data:|#)", text)


def test_page_allows_its_own_scripts_only(frame):
    import base64
    import hashlib

    text = hw.front_page(frame, x="energy_uj", y="perplexity")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert len(scripts) == 2
    assert policy.endswith("script-src " + " ".join(f"'sha256-{d}'" for d in digests))
    assert policy.startswith("default-src 'none'")


def test_page_thins_and_says_so(frame):
    text = hw.front_page(frame, x="energy_uj", y="perplexity", most=20)
    data = content(text)
    assert len(data["front"]) == 20
    assert sum(data["front"]) == len(hw.pareto(frame, OBJECTIVES))
    assert "20 of 60 rows drawn" in text


def test_command(frame, tmp_path, capsys):
    source = tmp_path / "points.csv"
    frame.to_csv(source, index=False)
    outs = [tmp_path / f"o.{kind}" for kind in ("csv", "json", "html", "svg")]
    options = [part for out in outs for part in ("--out", str(out))]
    objectives = ["--minimize", "energy_uj,perplexity"]
    reference = ["--reference", "energy_uj=9,perplexity=40"]
    assert main(["pareto", str(source), *objectives, "--knee", *reference, *options, "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    front = hw.pareto(frame, OBJECTIVES)
    assert got["rows"] == 60
    assert [row["name"] for row in got["front"]] == list(front.name)
    assert [row["name"] for row in got["front"] if row["knee"]] == list(hw.knee(frame, OBJECTIVES).name)
    assert got["hypervolume"] == pytest.approx(hw.hypervolume(frame, OBJECTIVES, reference=[9, 40]), rel=1e-9)
    pd.testing.assert_frame_equal(pd.read_csv(outs[0])[list(frame)], front.reset_index(drop=True))
    assert "Pareto front of points.csv" in outs[2].read_text(encoding="utf-8")
    assert outs[3].read_bytes().startswith(b"<?xml")
    assert main(["pareto", str(outs[1]), *objectives, "--per", "acc"]) == 0
    assert f"of {len(front)} rows on the front" in capsys.readouterr().out


def test_command_takes_maximize_and_epsilon(frame, tmp_path, capsys):
    source = tmp_path / "points.parquet"
    frame.set_index("name").to_parquet(source)
    options = ["--minimize", "energy_uj", "--maximize", "area_mm2", "--epsilon", "0.3", "--json"]
    assert main(["pareto", str(source), *options]) == 0
    got = json.loads(capsys.readouterr().out)
    want = hw.pareto(frame, ["energy_uj"], ["area_mm2"], epsilon=0.3)
    assert [row["name"] for row in got["front"]] == list(want.name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["x.csv", "--minimize", "a"], "is no file"),
        (["x.txt", "--minimize", "a"], "suffix"),
        (["ok.csv"], "name at least one"),
        (["ok.csv", "--minimize", "b"], "unknown column"),
        (["ok.csv", "--minimize", "a", "--out", "a.doc"], ".doc"),
        (["ok.csv", "--minimize", "a", "--reference", "a=z"], "a=z"),
        (["ok.csv", "--minimize", "a", "--epsilon", "1", "--knee"], "give one"),
        (["empty.csv", "--minimize", "a"], "cannot be read as csv"),
        (["bad.json", "--minimize", "a"], "cannot be read as json"),
    ],
)
def test_command_refuses(options, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"a": [1, 2]}).to_csv("ok.csv", index=False)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "bad.json").write_text("{")
    assert main(["pareto", *options]) == 2
    assert words in capsys.readouterr().err


def doubled(point):
    return {"b": 2 * point["a"]}


def test_command_reads_stores(tmp_path, capsys):
    hw.sweep({"a": [2, 1]}, doubled, store=tmp_path / "s.db")
    assert main(["pareto", str(tmp_path / "s.db"), "--minimize", "b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rows": 2, "front": [{"point": 1, "a": 1, "b": 2}]}


def test_command_prints_what_tells_the_rows_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    same = {f"same{i}": 1.0 for i in range(20)}
    rows = [{**same, "cost_pj": 2.0, "loss": 1.0, "name": "small"}, {**same, "cost_pj": 1.0, "loss": 3.0, "name": "large"}]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    assert main(["pareto", str(tmp_path / "t.csv"), "--minimize", "cost_pj,loss"]) == 0
    out = capsys.readouterr().out
    assert "name" in out
    assert "same0" not in out
    assert "20 more columns" in out


def test_without_matplotlib_the_remedy_is_named(frame, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="extra `plot`"):
        hw.plot_front(frame, *OBJECTIVES)
    assert "front-data" in hw.front_page(frame, x="energy_uj", y="perplexity")
