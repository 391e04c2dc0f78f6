"""The gallery of schemes: figures equal a plain recomputation, nothing is left out silently, pictures are whole."""

import math
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
import numfmt as nf
from hwmodel.report.scheme_groups import GROUPS, group_of, short_name

RNG = np.random.default_rng(4)
A = (RNG.standard_normal((8, 128)) * 0.05).astype(np.float32)
B = (RNG.standard_t(3, (6, 96)) * 3).astype(np.float32)
COLUMNS = ["network", "tensor", "scheme", "elements", "share", "bits_per_element", "sqnr_db", "max_abs_error", "seconds", "note"]
SOME = (
    "int4/g32",
    "mxfp4/g32",
    "nf4/flat64",
    "bitmod4/g32",
    "int8/channel",
    "bitnet/tensor",
    "nvfp4/g16",
    "gguf_q4_0/g32",
    "msfp12/g16",
)


@pytest.fixture(scope="module")
def frame():
    return hw.scheme_gallery({"b": B, "a": A}, SOME)  # the larger errors first


def test_columns_and_rows(frame):
    assert list(frame.columns) == COLUMNS
    assert len(frame) == 3 * len(SOME)
    assert frame["scheme"].drop_duplicates().tolist() == list(SOME)
    assert frame["tensor"].tolist() == ["b", "a", "all"] * len(SOME)
    assert (frame["network"] == "").all()
    assert (frame["note"] == "").all()
    assert (frame["share"] == 1).all()
    assert (frame["seconds"] > 0).all()


@pytest.mark.parametrize("name", ["int4/g32", "mxfp4/g32", "nvfp4/g16"])
def test_figures_equal_a_plain_recomputation(frame, name):
    signal = noise = bits = 0.0
    worst = []
    for tensor, x in (("a", A), ("b", B)):
        y = nf.quantize(x, name).dequantize()
        s = sum(float(v) ** 2 for v in x.ravel())
        n = sum((float(v) - float(w)) ** 2 for v, w in zip(x.ravel(), y.ravel(), strict=True))
        row = frame[(frame["scheme"] == name) & (frame["tensor"] == tensor)].iloc[0]
        assert row["sqnr_db"] == pytest.approx(10 * math.log10(s / n), abs=1e-9)
        assert row["max_abs_error"] == max(abs(float(v) - float(w)) for v, w in zip(x.ravel(), y.ravel(), strict=True))
        signal, noise = signal + s, noise + n
        bits += nf.quantize(x, name).bits_per_element * x.size
        worst.append(row["max_abs_error"])
    row = frame[(frame["scheme"] == name) & (frame["tensor"] == "all")].iloc[0]
    assert row["sqnr_db"] == pytest.approx(10 * math.log10(signal / noise), abs=1e-9)
    assert row["bits_per_element"] == pytest.approx(bits / (A.size + B.size), rel=1e-15)
    assert row["max_abs_error"] == max(worst)
    assert row["elements"] == A.size + B.size


def test_bits_are_exact(frame):
    held = frame[frame["tensor"] == "a"].set_index("scheme")["bits_per_element"]
    assert held["int4/g32"] == 4 + 32 / 32
    assert held["mxfp4/g32"] == 4.25
    assert held["nvfp4/g16"] == (4 * 1024 + 8 * 64 + 32) / 1024
    assert held["int8/channel"] == 8 + 32 / 128
    assert held["gguf_q4_0/g32"] == 4.5
    both = frame[(frame["tensor"] == "all") & (frame["scheme"] == "nvfp4/g16")]["bits_per_element"].iloc[0]
    assert both == (4.5 * (1024 + 576) + 64) / (1024 + 576)


def test_padding_is_counted_and_said():
    conv = RNG.standard_normal((4, 1, 3, 3)).astype(np.float32)
    got = hw.scheme_gallery({"conv": conv, "a": A}, ["int4/g32", "nf4/flat64"]).set_index(["scheme", "tensor"])
    padded = got.loc[("int4/g32", "conv")]
    assert padded["note"] == "padded: rows of 9 end in stored zeros"
    assert padded["bits_per_element"] == (32 * 4 + 32) / 9
    assert padded["elements"] == 36
    y = nf.quantize(conv.reshape(4, 9), "int4/g32+pad").dequantize()
    assert padded["max_abs_error"] == np.abs(conv.reshape(4, 9).astype(float) - y).max()
    assert got.loc[("int4/g32", "all")]["note"] == "1 of 2 tensors padded"
    assert got.loc[("int4/g32", "all")]["share"] == 1
    assert got.loc[("nf4/flat64", "conv")]["note"] == ""


def test_what_a_scheme_does_not_take_is_skipped_and_said():
    odd = RNG.standard_normal((4, 9)).astype(np.float32)
    got = hw.scheme_gallery({"odd": odd, "a": A}, "olive4/channel").set_index("tensor")
    assert got.loc["odd", "note"].startswith("skipped: olive4/channel codes pairs of elements")
    assert got.loc["odd", ["bits_per_element", "sqnr_db", "max_abs_error", "seconds"]].isna().all()
    assert got.loc["odd", "share"] == 0
    assert got.loc["all", "note"] == "1 of 2 tensors skipped"
    assert got.loc["all", "elements"] == A.size
    assert got.loc["all", "share"] == A.size / (A.size + 36)
    assert got.loc["all", "sqnr_db"] == pytest.approx(got.loc["a", "sqnr_db"], abs=1e-12)


def test_networks_kinds_of_arrays_and_schemes():
    torch = pytest.importorskip("torch")
    made = {
        "one": {"w": torch.from_numpy(A).to(torch.bfloat16)},
        "two": {"v": [1.0, -2.0, 3.0], "i": np.arange(-3, 5).reshape(2, 4)},
    }
    got = hw.scheme_gallery(made, [nf.parse("float16"), nf.scheme("int8/channel"), "  bfloat16 "]).set_index(
        ["network", "tensor", "scheme"]
    )
    assert got.loc[("one", "w", "bfloat16")]["sqnr_db"] == math.inf
    assert got.loc[("two", "v", "float16")]["sqnr_db"] == math.inf
    assert got.loc[("two", "i", "int8/channel")]["elements"] == 8
    assert math.isnan(hw.scheme_gallery({"z": np.zeros((2, 32))}, "mxfp4")["sqnr_db"].iloc[0])


def test_every_preset_is_measured_or_says_why():
    small = {"w": (RNG.standard_normal((4, 256)) * 0.1).astype(np.float32)}
    presets = [s for s in nf.schemes()["scheme"] if not s.startswith("llmfp")]
    got = hw.scheme_gallery(small, presets)
    assert got["scheme"].drop_duplicates().tolist() == presets
    measured = got["sqnr_db"].notna()
    assert (measured | got["note"].str.contains("skipped")).all()
    assert measured.all()
    assert {group_of(nf.scheme(s)) for s in nf.schemes()["scheme"]} == set(GROUPS) - {"Float"}


def test_short_names_mean_the_same_scheme():
    for text in nf.schemes()["scheme"]:
        assert nf.scheme(short_name(text)) == nf.scheme(text)
    assert short_name("mxfp4/g32+ceil") == "mxfp4+ceil"
    assert short_name("int4/g128") == "int4/g128"


def test_refusals(tmp_path, frame):
    with pytest.raises(ValueError, match="nothing to measure"):
        hw.scheme_gallery({})
    with pytest.raises(ValueError, match="nothing to measure"):
        hw.scheme_gallery([A])
    with pytest.raises(ValueError, match="mixes arrays with networks"):
        hw.scheme_gallery({"a": A, "n": {"b": B}})
    with pytest.raises(ValueError, match="network 'n' holds no tensors"):
        hw.scheme_gallery({"n": {}})
    with pytest.raises(ValueError, match="called 'all'"):
        hw.scheme_gallery({"all": A})
    with pytest.raises(ValueError, match="tensor 'a' holds NaN"):
        hw.scheme_gallery({"a": np.array([1.0, np.nan])})
    with pytest.raises(ValueError, match="tensor 'a' has shape"):
        hw.scheme_gallery({"a": np.zeros((0, 4))})
    with pytest.raises(ValueError, match="tensor 'a'"):
        hw.scheme_gallery({"a": np.array([1j])})
    with pytest.raises(ValueError, match="schemes is empty"):
        hw.scheme_gallery({"a": A}, [])
    with pytest.raises(ValueError, match="no element named"):
        hw.scheme_gallery({"a": A}, "mxfp5")
    with pytest.raises(ValueError, match="no column 'share'"):
        hw.plot_schemes(frame.drop(columns="share"))
    for wrong in (
        {"theme": "blue"},
        {"width": "huge"},
        {"network": "x"},
        {"label": "some"},
        {"bits": (4, 4)},
        {"bits": 3},
        {"bits": (20, 30)},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            hw.plot_schemes(frame, tmp_path / "a.svg", **wrong)
    with pytest.raises(ValueError, match=r"\.txt"):
        hw.plot_schemes(frame, tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def texts_of(figure):
    """(text, box) of all that is written."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    axes = figure.axes[0]
    texts = [t for t in (*figure.texts, *axes.texts) if t.get_text() and t.get_rotation() == 0]
    texts += [axes.xaxis.label]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in texts]


@pytest.mark.parametrize(("width", "label"), [("narrow", "front"), ("wide", "all")])
def test_labels_stay_apart_and_inside(frame, width, label):
    figure = hw.plot_schemes(frame, theme="dark", width=width, label=label)
    assert figure.get_size_inches()[0] == (3.3 if width == "narrow" else 6.8)
    boxes = texts_of(figure)
    assert "int8/channel" in [text for text, _ in boxes]
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text  # noqa: PT018
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1, text  # noqa: PT018
    for (a, first), (b, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        along = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across <= 1.5 or along <= 1.5, (a, b)


def test_files_are_whole_and_repeat(frame, tmp_path):
    for name in ("a.svg", "b.svg", "a.png"):
        hw.plot_schemes(frame, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "a.png").read_bytes().endswith(b"IEND\xaeB`\x82")
    assert len(list(tmp_path.iterdir())) == 3


def made_frame(rows):
    held = [(n, "all", s, share, b, d) for n, s, share, b, d in rows]
    return pd.DataFrame(held, columns=["network", "tensor", "scheme", "share", "bits_per_element", "sqnr_db"])


def test_front_mean_and_notes():
    rows = [
        ("x", "int4/g128", 1, 4.25, 18.0),
        ("y", "int4/g128", 1, 4.35, 20.0),
        ("x", "mxfp4/g32", 1, 4.25, 19.5),
        ("y", "mxfp4/g32", 1, 4.25, 19.5),
        ("x", "nf4/g64", 0.5, 4.0, 30.0),
        ("y", "nf4/g64", 1, 4.0, 30.0),
        ("x", "gguf_q4_1/g32", 1, 5.0, math.inf),
        ("y", "gguf_q4_1/g32", 1, 5.0, 21.0),
        ("x", "dfp16/tensor", 1, 16.0, 80.0),
        ("y", "dfp16/tensor", 1, 16.0, 90.0),
    ]
    figure = hw.plot_schemes(made_frame(rows))
    marks = {
        tuple(round(float(v), 3) for v in line.get_xydata()[0]): line
        for line in figure.axes[0].lines
        if line.get_marker() != "None"
    }
    assert set(marks) == {(4.3, 19.0), (4.25, 19.5), (4.0, 30.0)}
    assert marks[(4.0, 30.0)].get_alpha() == 0.4
    surface = marks[(4.3, 19.0)].get_markerfacecolor()
    assert marks[(4.0, 30.0)].get_markerfacecolor() == surface
    assert marks[(4.25, 19.5)].get_markerfacecolor() != surface
    notes = " ".join(t.get_text() for t in figure.texts)
    assert "without error: gguf_q4_1" in notes
    assert "dfp16 (16 bits, 85.0 dB)" in notes
    assert "faint" in notes
    assert figure.axes[0].get_ylabel() == "SQNR (dB), mean of 2 networks"
