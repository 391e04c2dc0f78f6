"""FPGA parts: totals, boards, utilisation, refusals of designs that do not fit."""

import pytest

import hwmodel as hw


def test_totals_with_sources():
    part = hw.device("xczu3eg")
    assert (part.lut, part.ff, part.dsp, part.bram36, part.uram) == (70560, 141120, 360, 216, 0)
    assert part.fabric.name == "xcup"
    assert part.block == "dsp48e2"
    assert set(part.sources.status) == {"read"}
    table = hw.devices()
    assert {"part", "boards", "lut", "source", "status"} <= set(table.columns)
    assert table.part.is_unique
    assert set(table.status) <= {"read", "recalled"}
    assert hw.device("xcu250").status == "recalled"


@pytest.mark.parametrize(
    ("board", "part"), [("PYNQ-Z2", "xc7z020"), ("ultra96", "xczu3eg"), ("zcu104", "xczu7ev"), ("vck190", "xcvc1902")]
)
def test_boards(board, part):
    assert hw.device(board) is hw.device(part)
    assert str(hw.device(board)) == part


def test_utilisation_and_fit():
    part = hw.device("xc7z020")
    table = part.utilisation({"lut": 26600, "dsp": 330}).set_index("resource")
    assert table.share.tolist() == [0.5, 1.5]
    assert table.over.tolist() == [0, 110]
    assert part.fits({"lut": 53200})
    assert not part.fits({"lut": 53200}, limit=0.7)
    assert not part.fits({"uram": 1})
    assert part.fits({"uram": 0})
    part.check({"lut": 53200, "ff": 1})
    with pytest.raises(ValueError, match=r"dsp 330 of 220 \(110 too many\); fold it further"):
        part.check({"lut": 26600, "dsp": 330})
    with pytest.raises(ValueError, match="takes it is xck26"):
        hw.device("ultra96").check({"lut": 100000, "uram": 10})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hw.device("xczu3ge"), "xczu3eg"),
        (lambda: hw.device("pynq"), "pynq-z1"),
        (lambda: hw.device("xc7z020").utilisation({"luts": 1}), "lut"),
        (lambda: hw.device("xc7z020").utilisation({"lut": -1}), "lut is -1"),
        (lambda: hw.device("xc7z020").fits({"lut": 1}, limit=0), "limit is 0"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
