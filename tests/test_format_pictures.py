"""Pictures of formats: any format can be drawn, no text leaves the figure or lies on another."""

from itertools import combinations

import pytest

import hwmodel as hw

CASES = [
    ("e4m3fn",),
    ("float64",),
    ("fixed<0,0>",),
    ("ternary", "binary"),
    ("uint4", "e8m0", "p3109<16,1,ue>", "posit<64,8>"),
    ("e4m3fn", "e5m2", "posit8", "int8", "nf4", "takum8", "hif8", "lns<8,3>"),
    ("codebook<2,lower,-3,-2,-1>", "fixed<9,4,to_odd,saturate>"),
    ("codebook<3,lower,-1.2345678,-0.0123456789,0.1,0.123456789,0.2,0.3,0.4,0.5>",),
]


def text_boxes(figure):
    """(text, box in pixels) of everything written outside the axes of errors, and of its labels."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    texts = [t for t in figure.texts if t.get_text()]
    for axes in figure.axes:
        texts += [t for t in axes.texts if t.get_text()]
        texts += [t for t in (axes.xaxis.label, axes.yaxis.label) if t.get_text()]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [t.label1 for t in axis.get_major_ticks() if t.label1.get_text() and low <= t.get_loc() <= high]
        legend = axes.get_legend()
        texts += legend.get_texts() if legend else []
    return [(t.get_text(), t.get_window_extent(renderer)) for t in texts]


PICTURES = [  # the narrow ones, where room is short, and the wide one of most formats; the other wide ones seldom
    pytest.param(
        formats,
        width,
        marks=pytest.mark.exhaustive if width == "wide" and len(formats) < 8 else (),
        id=f"{'+'.join(formats)}-{width}",
    )
    for formats in CASES
    for width in ("narrow", "wide")
]


@pytest.mark.parametrize(("formats", "width"), PICTURES)
def test_texts_stay_apart_and_inside(formats, width):
    figure = hw.plot_formats(list(formats), theme="dark", width=width)
    assert figure.get_size_inches()[0] == (3.3 if width == "narrow" else 6.8)
    boxes = text_boxes(figure)
    for text, box in boxes:
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1, text  # noqa: PT018
        assert box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1, text  # noqa: PT018
    for (a, first), (b, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        along = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across <= 1 or along <= 1, (a, b)


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="formats names 0 formats"):
        hw.plot_formats([])
    with pytest.raises(ValueError, match="theme"):
        hw.plot_formats("e4m3fn", theme="blue")
    with pytest.raises(ValueError, match="width"):
        hw.plot_formats("e4m3fn", width="huge")
    with pytest.raises(ValueError, match=r"\.txt"):
        hw.plot_formats("e4m3fn", tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []
