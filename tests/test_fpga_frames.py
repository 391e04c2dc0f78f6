"""Tables of FPGA units however they are written: order, copies, types, missing columns and flags, mixed with cell libraries."""

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
from hwmodel import fpga
from hwmodel.fpga import xtramac
from hwmodel.fpga.tables import PREDICTED
from hwmodel.studies.synthesis import PREDICTED as ASIC_PREDICTED
from hwmodel.studies.synthesis import measured as cells_measured

FPGA, ASIC = list(PREDICTED), list(ASIC_PREDICTED)
MAC = list(xtramac.PREDICTED)


@pytest.fixture(scope="module")
def rows():
    return fpga.measured().sample(120, random_state=3).reset_index(drop=True)


@pytest.fixture(scope="module")
def known(rows):
    return fpga.synthesised_units(rows)[FPGA]


def written(rows, seed):
    """Parameters in another order."""
    rng = np.random.default_rng(seed)
    return [";".join(rng.permutation(text.split(";"))) for text in rows.params]


WAYS = {
    "reversed": lambda r: r.iloc[::-1],
    "copies": lambda r: pd.concat([r, r]),
    "other columns": lambda r: r.assign(mine=1.5, levels="x")[sorted([*r.columns, "mine"])],
    "only what is needed": lambda r: r[["acc_registered", "dsp_allowed", "target", "params", "kind"]],
    "flags as bool": lambda r: r.assign(dsp_allowed=r.dsp_allowed.astype(bool), acc_registered=r.acc_registered.astype(bool)),
    "flags as nullable": lambda r: r.assign(dsp_allowed=r.dsp_allowed.astype("Float64").replace(0, pd.NA)),
    "flags missing": lambda r: r.assign(
        dsp_allowed=r.dsp_allowed.where(r.dsp_allowed > 0), acc_registered=r.acc_registered.replace(0, np.nan)
    ),
    "flags as text": lambda r: r.assign(
        dsp_allowed=r.dsp_allowed.map({0: "", 1: "1"}), acc_registered=r.acc_registered.map({0: "False", 1: "True"})
    ),
    "categories": lambda r: r.astype({"kind": "category", "params": "category", "target": "category"}),
    "parameters in other orders": lambda r: r.assign(params=written(r, 5)),
    "other names of targets": lambda r: r.assign(target=r.target.map({"xc7": "7series", "ice40hx": "ice40"})),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_table_means_the_same_however_it_is_written(rows, known, way):
    given = WAYS[way](rows)
    before = given.copy()
    found = hw.studies.synthesis(given)
    pd.testing.assert_frame_equal(given, before)
    pd.testing.assert_frame_equal(found[FPGA], known.loc[given.index])


def test_targets_and_libraries_in_one_table(rows, known):
    cells = cells_measured().sample(60, random_state=4).reset_index(drop=True)
    alone = hw.studies.synthesis(cells)[ASIC]
    both = pd.concat([cells, rows], ignore_index=True).sample(frac=1, random_state=5)
    for absent in (np.nan, "", None):
        found = hw.studies.synthesis(both.assign(target=both.target.where(both.target.notna(), absent))).sort_index()
        n = len(cells)
        np.testing.assert_allclose(found[FPGA][n:].to_numpy(float), known.to_numpy(float), rtol=1e-12)
        np.testing.assert_allclose(found[ASIC][:n].to_numpy(float), alone.to_numpy(float), rtol=1e-12)
        assert found[FPGA][:n].isna().all(axis=None)
        assert found[ASIC][n:].isna().all(axis=None)
    assert found.lut_measured[n:].tolist() == rows.lut.tolist()
    assert found.area_um2_measured[:n].tolist() == cells.area_um2.tolist()


def test_measured_figures_are_never_taken_for_predictions(rows, known):
    """A figure of the other kind of target stays measured, and a second prediction replaces the first."""
    cells = cells_measured().head(2).assign(target=None, lut=77.0)
    mixed = pd.concat([cells, rows.head(2).assign(area_um2=55.0)], ignore_index=True)
    found = hw.studies.synthesis(mixed)
    assert found.lut[:2].isna().all()
    assert found.area_um2[2:].isna().all()
    assert found.lut_measured.tolist() == [77, 77, *rows.lut[:2]]
    twice = fpga.synthesised_units(fpga.synthesised_units(rows))
    assert twice.columns.is_unique
    pd.testing.assert_frame_equal(twice[FPGA], known)
    assert twice.lut_measured.tolist() == rows.lut.tolist()


def test_empty_tables():
    assert hw.studies.synthesis(fpga.measured().iloc[:0]).columns[-5:].tolist() == FPGA
    assert hw.studies.synthesis(cells_measured().iloc[:0]).columns[-5:].tolist() == ASIC


@pytest.mark.parametrize("flag", ["yes", "2", "nan?", 0.5, -1])
def test_flags_that_are_none_are_refused(rows, flag):
    given = rows.astype({"dsp_allowed": object})
    given.loc[4, "dsp_allowed"] = flag
    with pytest.raises(ValueError, match=f"row 4: dsp_allowed is {flag}".replace("?", r"\?")):
        hw.studies.synthesis(given)


def test_errors_name_the_row_of_the_whole_table(rows):
    cells = cells_measured().head(7)
    for column, value in (("params", "W=0"), ("kind", "int_mull"), ("target", "xc8"), ("dsp_allowed", 3)):
        wrong = rows.copy()
        wrong.loc[2, column] = value
        with pytest.raises(ValueError, match="row 9: "):
            hw.studies.synthesis(pd.concat([cells, wrong]))
    with pytest.raises(ValueError, match="column 'target' twice"):
        hw.studies.synthesis(pd.concat([rows, rows[["target"]]], axis=1))


MACS = xtramac.published()
FORMS = {
    "reversed": lambda r: r.iloc[::-1],
    "copies": lambda r: pd.concat([r, r]),
    "whole floats": lambda r: r.astype({"lanes": float, "cycles": "Int64"}),
    "objects": lambda r: r.astype({"lanes": object, "a": "category"}),
    "needed columns": lambda r: r[["cycles", "lanes", "accumulator", "b", "a"]],
}


@pytest.mark.parametrize("form", FORMS)
def test_published_macs_however_they_are_written(form):
    alone = pd.concat([hw.studies.xtramac(MACS.iloc[[i]]) for i in range(len(MACS))])[MAC]
    given = FORMS[form](MACS)
    found = hw.studies.xtramac(given)[MAC]
    pd.testing.assert_frame_equal(found, alone.loc[given.index])


@pytest.mark.parametrize("value", [np.nan, "4", 2.5, True, None, 3])
def test_lanes_that_are_none_are_refused(value):
    given = MACS.astype({"lanes": object})
    given.loc[3, "lanes"] = value
    with pytest.raises(ValueError, match="row 3: lanes is"):
        hw.studies.xtramac(given)
