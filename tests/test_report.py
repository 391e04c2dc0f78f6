"""Reports: the folder, the page, the plots, the tables."""

import json
import math
import os
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import hwmodel as hw
from hwmodel import report
from hwmodel.evaluation import Evaluation
from hwmodel.report import files as report_files
from hwmodel.report.labels import place
from hwmodel.report.numbers import compact, counted, decimals, number, scale
from hwmodel.study import Study

HOSTILE = "<script>alert('x')</script> & \"quoted\""
CASES = (
    # scheme, accelerator, activation, perplexity, mean SQNR
    ("float16", "fp16@j25", "float16", 5.4721, 56.0),
    ("int8/channel", "systolic", "int8/token", 5.4810, 45.0),
    ("nf4/g64", "fp16@j25", "float16", 5.5731, 28.0),
    ("bitmod4/g128", "bitmod@j25", "float16", 5.5312, 27.5),
    ("bitmod3/g128", "bitmod@j25", "float16", 5.9114, 21.4),
)


def make_study(metric: str | None = "perplexity", cases=CASES, layer_name: str | None = None) -> Study:
    """A study of Llama-2-7B's real costs with made-up quality."""
    work = hw.workload("llama-2-7b", phase="decode")
    if layer_name is not None:
        work.loc[0, "layer"] = layer_name
    baseline = {"perplexity": {"perplexity": 5.47, "tokens": 2048.0}, "accuracy": {"accuracy": 0.97, "images": 400.0}}.get(
        str(metric), {}
    )
    evaluations = []
    for scheme, acc, activation, perplexity, sqnr in cases:
        priced = hw.score(work, acc, f"w={scheme}; a={activation}")
        layers = priced.layers.copy()
        weighted = layers["weights"] > 0
        shift = np.arange(len(layers)) % 5 - 2.0
        layers["sqnr_db"] = np.where(weighted, sqnr + shift, np.nan)
        layers["max_abs_error"] = np.where(weighted, 10 ** (-sqnr / 20), np.nan)
        layers["weight_sqnr_db"] = np.where(weighted, sqnr + 1 if scheme != "float16" else np.inf, np.nan)
        quality = {"perplexity": {"perplexity": perplexity}, "accuracy": {"accuracy": 1 - perplexity / 100}}.get(str(metric), {})
        total = priced.total * 1e6
        label = f"{scheme} on {acc}" + ("" if activation == "float16" else f", a={activation}")
        summary = {
            "label": label,
            "scheme": scheme,
            "activation": activation,
            "accelerator": acc,
            "datapath": layers["datapath"].iloc[0],
            "native": bool(layers["native"].all()),
            "bits_per_weight": float(layers["weight_bits_exact"][weighted].mean()),
            "sqnr_db": sqnr,
            "worst_layer": layers["layer"].iloc[0],
            "worst_sqnr_db": sqnr - 2,
            "max_abs_error": 10 ** (-sqnr / 20),
            **quality,
            **({"delta": quality[metric] - baseline[metric]} if metric else {}),
            "area_mm2": priced.area_mm2,
            "energy_uj": total["energy_j"],
            "energy_core_uj": total["energy_core_j"],
            "energy_sram_uj": total["energy_sram_read_j"] + total["energy_sram_write_j"],
            "energy_dram_uj": total["energy_dram_j"],
            "energy_dequant_uj": total["energy_dequant_j"],
            "latency_us": total["latency_s"],
        }
        evaluations.append(Evaluation(label, priced.plan, scheme, acc, str(summary["datapath"]), priced, layers, quality, summary))
    settings = {"model": "llama", "phase": "decode", "context": 256, "samples": 8, "licence": None}
    return Study("llama", "llama: a study", metric, baseline, evaluations, settings, ["A note <b>not bold</b>."])


@pytest.fixture(scope="module")
def study():
    return make_study()


@pytest.fixture(scope="module")
def written(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "report"
    assert report.write(study, folder) == []
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Reports without real plots, for tests of files."""
    monkeypatch.setattr("hwmodel.report.plots.study_pictures", lambda study: ([], {"pareto.svg": b"<svg/>"}))


def read_exact(path: Path, like: pd.DataFrame) -> pd.DataFrame:
    """A CSV with the column types of another frame; floats parsed by Python, which rounds correctly."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for name in frame.columns:
        kind = like[name].dtype.kind
        if kind == "f":
            frame[name] = [float(v) if v else math.nan for v in frame[name]]
        elif kind == "i":
            frame[name] = [int(v) for v in frame[name]]
        elif kind == "b":
            frame[name] = [{"True": True, "False": False}[v] for v in frame[name]]
    return frame


class Page(HTMLParser):
    """What a page holds; fails where tags do not close in order."""

    VOID = frozenset({"meta", "link", "img", "source", "wbr", "br", "input"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        names = [k for k, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th") and self.cells:
            self.cells[-1].append("")
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] not in ("style", "script"):
            self.text.append(data)
            if {"td", "th"} & set(self.stack) and self.cells:
                self.cells[-1][-1] += data

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


def read(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------- files


def test_all_files_are_there_and_listed(written):
    names = {p.relative_to(written).as_posix() for p in written.rglob("*") if p.is_file()}
    plots = {f"plots/{n}{t}.{e}" for n in ("pareto", "energy", "layer_sqnr") for t in ("", "-dark") for e in ("svg", "png")}
    tables = {"summary.csv", "summary.parquet", "layers.csv", "layers.parquet", "sources.csv"}
    assert names == plots | tables | {"index.html", "report.json"}
    assert set(json.loads((written / "report.json").read_text())["files"]) == names
    assert [p.name for p in written.parent.iterdir()] == ["report"]


def test_csv_parquet_and_frames_agree(study, written):
    for name, frame in (("summary", study.summary()), ("layers", study.rows())):
        wanted = frame.reset_index(drop=True)
        pd.testing.assert_frame_equal(pd.read_parquet(written / f"{name}.parquet"), wanted, check_exact=True, check_dtype=False)
        pd.testing.assert_frame_equal(read_exact(written / f"{name}.csv", frame), wanted, check_exact=True, check_dtype=False)
    sources = study.sources()
    pd.testing.assert_frame_equal(read_exact(written / "sources.csv", sources), sources, check_exact=True, check_dtype=False)


def test_totals_are_sums_of_layers(study, written):
    rows = read_exact(written / "layers.csv", study.rows())
    summary = read_exact(written / "summary.csv", study.summary()).set_index("label")
    sums = rows.groupby("label", sort=False)[["energy_j", "latency_s", "energy_dram_j"]].sum() * 1e6
    np.testing.assert_allclose(sums["energy_j"], summary["energy_uj"], rtol=1e-12)
    np.testing.assert_allclose(sums["latency_s"], summary["latency_us"], rtol=1e-12)
    parts = summary[["energy_core_uj", "energy_sram_uj", "energy_dram_uj", "energy_dequant_uj"]].sum(axis=1)
    np.testing.assert_allclose(parts, summary["energy_uj"], rtol=1e-12)


def test_json_is_strict_and_complete(tmp_path, quick):
    study = make_study()
    study.settings["odd"] = math.nan
    study.settings["path"] = Path("a") / "b"
    study.settings["count"] = np.int64(3)
    study.evaluations[0].summary["sqnr_db"] = math.inf
    report.write(study, tmp_path / "r", command="hwmodel score", made="2030-01-02", versions={"numpy": "9"})
    text = (tmp_path / "r" / "report.json").read_text()
    facts = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert facts["generator"] == "hwmodel.report"
    assert facts["settings"]["odd"] is None
    assert facts["settings"]["count"] == 3
    assert facts["summary"][0]["sqnr_db"] is None
    assert facts["summary"][3]["perplexity"] == 5.5312
    assert (facts["command"], facts["made"], facts["versions"]) == ("hwmodel score", "2030-01-02", {"numpy": "9"})
    page = " ".join(Page(read(tmp_path / "r")).text)
    assert "hwmodel score" in page
    assert "2030-01-02" in page


def test_the_same_study_gives_the_same_bytes(written, tmp_path):
    report.write(make_study(), tmp_path / "again")
    for path in sorted(p for p in written.rglob("*") if p.is_file()):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(written)).read_bytes(), path.name


def test_a_users_matplotlib_settings_change_nothing(study, written):
    import matplotlib

    from hwmodel.report.plots import study_pictures

    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other", "axes.facecolor": "red", "svg.fonttype": "none"}):
        _, made = study_pictures(study)
        assert matplotlib.rcParams["font.size"] == 30
    for name, content in made.items():
        assert content == (written / "plots" / name).read_bytes(), name
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_an_earlier_report_is_replaced_and_an_empty_folder_filled(study, tmp_path, quick):
    folder = tmp_path / "r"
    folder.mkdir()
    report.write(study, folder)
    (folder / "summary.csv").write_text("changed")
    report.write(make_study("accuracy"), folder)
    assert "accuracy" in (folder / "summary.csv").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r"]


def test_parents_are_made(study, tmp_path, quick):
    report.write(study, tmp_path / "a" / "b" / "r")
    assert (tmp_path / "a" / "b" / "r" / "index.html").is_file()


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("before", ["nothing", "report"])
@pytest.mark.parametrize("moment", ["frame", "plots", "page", "json", "swap_out", "swap_in"])
def test_whole_or_nothing(study, quick, tmp_path, monkeypatch, error, before, moment):
    folder = tmp_path / "deep" / "r"
    earlier = {}
    if before == "report":
        report.write(study, folder)
        earlier = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    elif moment == "swap_out":
        moment = "swap_in"  # there is nothing to move out

    def fail(*args, **kwargs):
        raise error

    replace, calls = os.replace, []

    def replacing(source, target):
        calls.append(target)
        if len(calls) == (2 if moment == "swap_in" and before == "report" else 1):
            raise error
        replace(source, target)

    if moment == "frame":
        monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    elif moment == "plots":
        monkeypatch.setattr("hwmodel.report.plots.study_pictures", fail)
    elif moment == "page":
        monkeypatch.setattr(report_files, "study_page", fail)
    elif moment == "json":
        monkeypatch.setattr(report_files, "plain", fail)
    else:
        monkeypatch.setattr(report_files.os, "replace", replacing)
    with pytest.raises(type(error)):
        report.write(make_study("accuracy"), folder)
    monkeypatch.undo()
    if before == "nothing":
        assert list(tmp_path.iterdir()) == []
    else:
        assert [p.name for p in folder.parent.iterdir()] == ["r"]
        assert earlier == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_interrupted_while_the_old_report_is_deleted(study, tmp_path, quick, monkeypatch):
    folder = tmp_path / "r"
    report.write(study, folder)
    rmtree, calls = report_files.shutil.rmtree, []

    def interrupted(path, **options):
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt
        rmtree(path, **options)

    monkeypatch.setattr(report_files.shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        report.write(make_study("accuracy"), folder)
    assert [p.name for p in tmp_path.iterdir()] == ["r"]
    assert json.loads((folder / "report.json").read_text())["metric"] == "accuracy"


def test_folders_of_others_are_refused(study, tmp_path, quick, monkeypatch):
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.tex").write_text("x")
    for call in (report.check_writable, lambda f: report.write(study, f)):
        with pytest.raises(ValueError, match=r"holds 'chapter.tex', which no report wrote; name an empty or new folder"):
            call(foreign)
    assert [p.name for p in foreign.iterdir()] == ["chapter.tex"]

    mine = tmp_path / "mine"
    report.write(study, mine)
    (mine / "my notes.txt").write_text("keep")
    with pytest.raises(ValueError, match=r"holds 'my notes.txt'"):
        report.write(study, mine)
    assert (mine / "my notes.txt").read_text() == "keep"

    for text in ("{", "[]", '{"generator": "other", "files": ["report.json"]}', '{"generator": "hwmodel.report", "files": 3}'):
        other = tmp_path / "other"
        other.mkdir(exist_ok=True)
        (other / "report.json").write_text(text)
        with pytest.raises(ValueError, match=r"holds 'report.json'"):
            report.check_writable(other)

    nested = tmp_path / "nested"
    (nested / "empty").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds 'empty'"):
        report.check_writable(nested)

    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in (".", "..", str(here)):
        with pytest.raises(ValueError, match=r"current folder|holds '"):
            report.check_writable(name)
    assert report.check_writable("report") == here / "report"
    assert list(here.iterdir()) == []


def test_places_that_cannot_be_written_are_refused(study, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ValueError, match="is a file; name a folder that does not exist yet"):
        report.check_writable(file)
    with pytest.raises(ValueError, match="name a folder that is not inside a file"):
        report.check_writable(file / "a" / "report")
    mkdir = Path.mkdir

    def refusing(self, *args, **kwargs):
        if self.parent == tmp_path:
            raise PermissionError(13, "Permission denied", str(self))
        mkdir(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refusing)
    with pytest.raises(PermissionError, match=r"cannot be written.*Permission denied; name another folder with --out"):
        report.check_writable(tmp_path / "new" / "report")
    monkeypatch.undo()
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path / "m")
    (tmp_path / "m").mkdir()
    with pytest.raises(ValueError, match="mount point"):
        report.check_writable(tmp_path / "m")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "m"]


def test_a_link_to_a_report_keeps_being_a_link(study, tmp_path, quick):
    report.write(study, tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    report.write(make_study("accuracy"), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert "accuracy" in (tmp_path / "real" / "summary.csv").read_text()


def test_without_matplotlib_or_pyarrow(study, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    left_out = report.write(study, tmp_path / "no-plots")
    assert len(left_out) == 1
    assert "pip install matplotlib pyarrow" in left_out[0]
    assert not (tmp_path / "no-plots" / "plots").exists()
    page = Page(read(tmp_path / "no-plots"))
    assert not list(page.all("img"))
    assert left_out[0] in " ".join(page.text)
    with pytest.raises(ImportError, match="pip install matplotlib pyarrow"):
        report.pareto(study)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    left_out = report.write(study, tmp_path / "bare")
    assert len(left_out) == 2
    names = {p.name for p in (tmp_path / "bare").iterdir()}
    assert names == {"index.html", "summary.csv", "layers.csv", "sources.csv", "report.json"}
    assert json.loads((tmp_path / "bare" / "report.json").read_text())["left_out"] == left_out
    report.check_writable(tmp_path / "bare")


# ---------------------------------------------------------------- page


def test_the_page_is_well_formed_and_asks_the_network_for_nothing(written):
    text = read(written)
    page = Page(text)
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
    assert not re.search(r"@import|url\(", text)
    assert "https://" not in text
    assert next(page.all("html"))["lang"] == "en"
    assert any(m.get("name") == "viewport" and "width=device-width" in str(m["content"]) for m in page.all("meta"))
    assert any("default-src 'none'" in str(m.get("content")) for m in page.all("meta"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {str(a["href"])[1:] for a in page.all("a")} <= set(ids)
    assert sum(1 for _ in page.all("h1")) == 1
    assert sum(1 for _ in page.all("table")) == sum(1 for _ in page.all("caption"))
    assert sum(1 for _ in page.all("details")) == len(CASES)


def test_plots_are_embedded_for_both_themes_and_widths(written):
    page = Page(read(written))
    medias = [s["media"] for s in page.all("source")]
    assert len(medias) == 9
    assert sum("dark" in str(m) for m in medias) == 6
    assert sum("max-width" in str(m) for m in medias) == 6
    for image in [*page.all("source"), *page.all("img")]:
        assert str(image.get("srcset") or image.get("src")).startswith("data:image/svg+xml;base64,")
        assert int(str(image["width"])) > 0
        assert int(str(image["height"])) > 0
    assert all(len(str(i["alt"])) > 20 for i in page.all("img"))


def test_the_script_is_the_one_that_the_policy_allows(written):
    import base64
    import hashlib

    text = read(written)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert text.count("<script") == 1


def test_the_page_prints_the_numbers_of_the_study(study, written):
    page = Page(read(written))
    rows = {cells[0].split(" ")[0]: cells for cells in page.cells if len(cells) > 10}
    row = rows["bitmod4/g128"]
    assert "5.5312" in row
    assert "+0.0612" in row
    assert "569.8" in row  # mJ
    assert "107.15" in row  # ms
    assert "dequantized" in rows["nf4/g64"][0]
    assert "dequantized" not in row[0]
    best = [t for t, a in page.tags if t == "td" and "best" in str(a.get("class"))]
    assert len(best) >= 6
    energy = study.summary().set_index("scheme")["energy_uj"]
    assert number(energy["float16"] / energy["bitmod3/g128"], 2) in rows["bitmod3/g128"]


def test_every_text_is_escaped(tmp_path):
    study = make_study(layer_name=HOSTILE)
    study = Study(HOSTILE, HOSTILE, study.metric, study.baseline, study.evaluations, {HOSTILE: HOSTILE}, [HOSTILE])
    object.__setattr__(study.evaluations[0], "label", HOSTILE)
    study.evaluations[0].summary["label"] = HOSTILE
    study.evaluations[1].summary["scheme"] = HOSTILE
    report.write(study, tmp_path / "r", command=HOSTILE, made=HOSTILE, versions={HOSTILE: HOSTILE})
    text = read(tmp_path / "r")
    page = Page(text)
    assert text.count("<script") == 1
    assert "<b>" not in text
    assert "".join(page.text).count(HOSTILE) > 10
    single = study.evaluations[0].score.to_html()
    assert single.count("<script") == 1
    assert HOSTILE in "".join(Page(single).text)


@pytest.mark.parametrize("metric", ["accuracy", None])
def test_other_metrics(metric, tmp_path, quick):
    study = make_study(metric)
    report.write(study, tmp_path / "r")
    text = " ".join(Page(read(tmp_path / "r")).text)
    assert "erplexity" not in text
    assert ("Accuracy" in text) == (metric == "accuracy")


def test_one_evaluation_and_values_that_are_not_finite(tmp_path):
    study = make_study(cases=CASES[3:4])
    summary = study.evaluations[0].summary
    summary["perplexity"], summary["delta"], summary["sqnr_db"], summary["worst_sqnr_db"] = math.inf, math.nan, math.nan, -math.inf
    study.evaluations[0].layers["sqnr_db"] = math.nan
    report.write(study, tmp_path / "r")
    text = " ".join(Page(read(tmp_path / "r")).text)
    assert "∞" in text
    assert "nan" not in text.lower()
    keys = [a.get("data-v") for _, a in Page(read(tmp_path / "r")).tags]
    assert "Infinity" in keys
    assert "-Infinity" in keys
    assert "inf" not in keys


def css_colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def contrast(a: str, b: str) -> float:
    """WCAG contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast():
    from hwmodel.report.theme import THEMES

    css = (Path(report_files.__file__).parent / "data" / "page.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")[:2]
    for block in (light, dark):
        c = css_colours(block)
        for front in ("text", "muted", "accent"):
            for ground in ("page", "surface", "raised"):
                assert contrast(c[front], c[ground]) >= 4.5, (front, ground)
        for pair in ("best", "warn", "note"):
            assert contrast(c[f"{pair}-text"], c[pair]) >= 4.5, pair
    for theme in THEMES.values():
        for colour in (*theme.series, *theme.parts.values(), theme.accent):
            assert contrast(colour, theme.surface) >= 3, (theme.name, colour)
        assert min(contrast(theme.text, theme.surface), contrast(theme.muted, theme.surface)) >= 4.5
        c = css_colours(light if theme.name == "light" else dark)
        assert (c["page"], c["surface"], c["text"]) == (theme.page, theme.surface, theme.text)


# ---------------------------------------------------------------- plots


def boxes_of(figure, texts):
    renderer = figure.canvas.get_renderer()
    return [t.get_window_extent(renderer) for t in texts]


@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("metric", ["perplexity", "accuracy", None])
def test_pareto_labels_do_not_overlap(metric, width):
    study = make_study(metric)
    figure = report.pareto(study, width=width)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.texts] == [c[0] for c in CASES]
    boxes = boxes_of(figure, axes.texts)
    for a, b in combinations(boxes, 2):
        assert not a.overlaps(b)
    for box in boxes:
        assert box.x0 >= axes.bbox.x0
        assert box.x1 <= figure.bbox.x1
        assert axes.bbox.y0 <= box.y0 < box.y1 <= axes.bbox.y1 + 1
    assert "mJ" in axes.get_xlabel()
    assert ("lower" if metric == "perplexity" else "higher") in axes.get_ylabel()


def test_pareto_points_are_the_rows_and_the_front_is_filled(study):
    axes = report.pareto(study).axes[0]
    summary = study.summary()
    marks = [line for line in axes.lines if line.get_marker() not in ("None", "", None)]
    assert [m.get_xdata()[0] for m in marks] == pytest.approx(list(summary["energy_uj"] / 1e3))
    assert [m.get_ydata()[0] for m in marks] == list(summary["perplexity"])
    filled = [m.get_markerfacecolor() == m.get_color() for m in marks]
    assert filled == list(summary["pareto"])
    assert True in filled
    assert False in filled


def test_a_crowd_of_points_keeps_its_labels_apart():
    cases = [
        (f"int{b}/g{g}", acc, "float16", 5.5 + 1 / b + g / 5000, 6.0 * b)
        for b in (4, 6)
        for g in (32, 64, 128)
        for acc in ("fp16@j25", "bitmod@j25")
    ]
    study = make_study(cases=[c for c in cases if not (c[1] == "bitmod@j25" and "int5" in c[0])])
    for width in ("wide", "narrow"):
        figure = report.pareto(study, width=width)
        for a, b in combinations(boxes_of(figure, figure.axes[0].texts), 2):
            assert not a.overlaps(b)


def test_labels_that_find_no_room_are_left_off():
    points = [(50.0, 50.0)] * 2
    found = place(points, [(60.0, 10.0), (300.0, 10.0)], (0, 0, 100, 100), radius=4)
    assert found[0] is not None
    assert found[1] is None


def test_a_wide_range_gets_logarithmic_axes():
    cases = [*CASES, ("int2/g128", "fp16@j25", "float16", 81234.5, 5.0)]
    axes = report.pareto(make_study(cases=cases)).axes[0]
    assert axes.get_yscale() == "log"
    assert report.pareto(make_study()).axes[0].get_yscale() == "linear"


def test_energy_bars_are_the_energies(study):
    axes = report.energy_breakdown(study).axes[0]
    summary = study.summary()
    widths = [sum(c.patches[i].get_width() for c in axes.containers) for i in range(len(summary))]
    np.testing.assert_allclose(widths, summary["energy_uj"] / 1e3)
    assert axes.get_xlabel() == "Energy (mJ)"
    right = axes.get_xlim()[1]
    assert right > max(widths)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_layer_map_shows_every_weight_layer(study, theme):
    axes = report.layer_sqnr(study, theme).axes[0]
    assert len(axes.images) == len(CASES)
    for image, evaluation in zip(axes.images, study.evaluations, strict=True):
        weighted = evaluation.layers["weights"] > 0
        np.testing.assert_allclose(image.get_array()[0], evaluation.layers.loc[weighted, "sqnr_db"])
    assert "q" in [t.get_text() for t in axes.get_xticklabels()]


def test_plots_refuse_other_words(study):
    with pytest.raises(ValueError, match=r"unknown theme 'drak'[:;] did you mean dark\?"):
        report.pareto(study, "drak")
    with pytest.raises(ValueError, match="unknown plot width"):
        report.energy_breakdown(study, width="huge")


# ---------------------------------------------------------------- one score, tables, numbers


def test_score_plot_and_page(tmp_path, monkeypatch):
    score = hw.score(hw.workload("llama-2-7b", phase="decode"), "fp16@j25", "nf4/g64")
    axes = score.plot().axes[0]
    widths = [sum(c.patches[i].get_width() for c in axes.containers) for i in range(len(score.layers))]
    np.testing.assert_allclose(widths, score.layers["energy_j"] * 1e3)
    assert score.plot("dark", "narrow")._repr_png_().startswith(b"\x89PNG")

    text = score.to_html(tmp_path / "score.html")
    assert (tmp_path / "score.html").read_text(encoding="utf-8") == text
    assert text == score.to_html()
    page = Page(text)
    words = " ".join(page.text)
    assert "dequantizers" in words
    assert "6.607 G weights" in words
    assert any(cells[0] == "Total" for cells in page.cells)

    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        score.to_html(tmp_path / "other.html")
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["score.html"]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    bare = score.to_html()
    assert "<img" not in bare
    assert "pip install matplotlib pyarrow" in bare
    with pytest.raises(ImportError, match="pip install matplotlib pyarrow"):
        score.plot()


def test_many_layers_are_gathered():
    work = pd.concat([hw.workload("llama-2-7b", phase="decode")] * 4, ignore_index=True)
    work["layer"] = [f"blocks.{i}.layer" for i in range(len(work))]
    score = hw.score(work, "bitmod@j25", "bitmod3/g128")
    axes = score.plot().axes[0]
    count = len(axes.containers[0].patches)
    assert count == 25
    assert any("16 more layers" in t.get_text() for t in axes.texts)
    total = sum(p.get_width() for c in axes.containers for p in c.patches)
    np.testing.assert_allclose(total, score.energy_j * 1e3)


@pytest.mark.parametrize("width", [110, 80])
@pytest.mark.parametrize("metric", ["perplexity", "accuracy", None])
def test_tables_fit_the_terminal(metric, width):
    study = make_study(metric)
    console = Console(width=width, record=True, file=open(os.devnull, "w"), color_system=None)  # noqa: SIM115
    with console.file:
        console.print(report.summary_table(study))
        console.print(report.layer_table(study.evaluations[3]))
    text = console.export_text()
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    for scheme, *_ in CASES:
        assert any(scheme in line for line in lines)
    if metric == "perplexity":
        assert any("5.5312" in line and "569.8" in line and line.startswith("*") for line in lines)
    assert any("nf4/g64" in line and "+" in line[:2] for line in lines)
    assert "layers.*.q_proj" in text


def test_numbers():
    assert number(-0.0014, 4) == "−0.0014"
    assert number(0.0004, 4, sign=True) == "+0.0004"
    assert number(-0.00001, 2, sign=True) == "0.00"
    assert (number(math.nan), number(None), number(math.inf), number(-math.inf)) == ("–", "–", "∞", "−∞")
    assert number(2.5e9, 1) == "2.500e+09"
    assert (compact(12), compact(0.123456), compact(1e9), compact(-3.0)) == ("12", "0.1235", "1e+09", "−3")
    assert counted(6607077376, "weights") == "6.607 G weights"
    assert counted(512, "weights") == "512 weights"
    assert decimals([374.7, 109.1]) == 1
    assert decimals([math.nan, 0.0]) == 0
    assert decimals([3.3189], 5) == 4
    mine = scale([109.1, 374.7], 1e-6, "J")
    assert (mine.unit, mine.factor) == ("µJ", pytest.approx(1.0))
    assert scale([2.1e6, 5.6e5], 1e-6, "J").unit == "mJ"
    assert scale([], 1e-6, "J").unit == "J"
    assert scale([0.0, 1.0], 1.0, "s").unit == "s"
