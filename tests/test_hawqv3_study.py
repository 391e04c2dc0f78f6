"""`hw.studies.hawqv3` against the released configurations and the exact solutions on record."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
from hwmodel.cli import main
from tests.reference import allocation as ref

RECORDED = pd.read_csv(
    Path(__file__).parent / "data" / "hawqv3_bit_configs.csv", dtype={"released_bits": str, "exact_optimum_bits": str}
)
KEYS = ["network", "constraint", "level"]
COLUMNS = {"modelsize": "size_bytes", "bops": "bops", "latency": "latency_ms"}


@pytest.fixture(scope="module")
def made():
    return hw.studies.hawqv3()


@pytest.fixture(scope="module")
def others():
    return hw.studies.hawqv3([0.0, 0.1, 0.333, 0.9, 1.0])


def test_every_row_with_the_columns_of_the_record(made):
    assert len(made) == 18
    assert list(RECORDED.columns) == [c for c in made.columns if c in RECORDED.columns]
    assert (made["proof"] == "exact").all()
    assert (made["gap"] == 0).all()
    assert made["released_bits"].isna().sum() == 6


def test_recorded_rows_come_out(made):
    both = RECORDED.merge(made, on=KEYS, suffixes=("", "_ours"))
    assert len(both) == 12
    for name in ("released_bits", "exact_optimum_bits", "match", "feasible"):
        assert (both[name] == both[f"{name}_ours"]).all(), name
    for name in ("ilp_limit", "released_objective", "released_constraint_use", "exact_optimum_objective", "exact_optimum_use"):
        assert np.allclose(both[name], both[f"{name}_ours"], rtol=0, atol=5.1e-7), name


def test_one_released_configuration_is_not_the_best(made):
    # ResNet-50, model size 0.25: released 0.08311 with 14.467 MB; 0.07495 fits as well
    known = made[made["released_bits"].notna()]
    worse = known[known["released_objective"] > known["exact_optimum_objective"] * (1 + 1e-12)]
    assert worse[KEYS].to_records(index=False).tolist() == [("resnet50", "modelsize", 0.25)]
    assert (known["feasible"] == "yes").all()
    best = known[~known.index.isin(worse.index)]
    assert (best["released_bits"] == best["exact_optimum_bits"]).all()


@pytest.mark.parametrize(("network", "constraint"), [("resnet18", "modelsize"), ("resnet18", "bops"), ("resnet18", "latency")])
def test_other_levels_agree_with_the_whole_curve(others, network, constraint):
    rows = others[(others["network"] == network) & (others["constraint"] == constraint)]
    column = COLUMNS[constraint]
    table = hw.studies.hawqv3_candidates(network)
    curve = hw.allocation_curve(table, column)
    low, high = curve[column].min(), table.groupby("layer")[column].max().sum()
    for row in rows.itertuples():
        fits = curve[curve[column] <= (low + row.level * (high - low)) * (1 + 1e-12)]
        assert row.exact_optimum_objective == pytest.approx(fits["loss"].min(), rel=1e-12)
    assert rows["exact_optimum_bits"].iloc[0] == "4" * 19
    assert rows["exact_optimum_bits"].iloc[-1] == "8" * 19


def test_the_first_ten_layers_by_brute_force():
    table = hw.studies.hawqv3_candidates("resnet18").head(20)
    from fractions import Fraction

    low, high = (sum(map(Fraction, getattr(table.groupby("layer")["latency_ms"], f)())) for f in ("min", "max"))
    limit = low + (high - low) / 2
    groups = [table[table["group"] == g]["layer"].unique().tolist() for g in table["group"].dropna().unique()]
    want = ref.best(table, {"latency_ms": limit}, groups)
    assert hw.allocate(table, {"latency_ms": "50%"}).exact_objective == want[0]


def test_published_sizes_and_bops():
    made = hw.studies.hawqv3_published()
    assert len(made) == 18
    size = made["recomputed_size_mib_first_last_8bit"] - made["published_size_mb"]
    bops = made["recomputed_bops_g_first_last_8bit"] / made["published_bops_g"] - 1
    assert bops.abs().max() < 0.031
    whole = made["scheme"].isin(["fp32", "uniform8"])
    assert bops[whole].abs().max() < 0.001
    # sizes lack batch norms' parameters, 0.05 MB of ResNet-18 and 0.5 MB of ResNet-50 in float32
    assert size[~whole].between(-0.43, 0.05).all()
    assert size[whole].between(-0.52, 0.05).all()


def test_plans_of_the_study_price_on_an_accelerator():
    table = hw.studies.hawqv3_candidates("resnet18")
    plan = hw.allocate(table, {"size_bytes": "50%"}).plan
    assert str(plan.for_layer("stage4.unit2.quant_convbn1").weight) == "int4/channel"
    assert str(plan.for_layer("stage1.unit1.quant_convbn1").activation) == "int8/tensor"


@pytest.mark.parametrize("level", [-0.1, 1.5, float("nan"), "0.5", True])
def test_levels_that_are_none(level):
    with pytest.raises(ValueError, match="level is"):
        hw.studies.hawqv3([level])
    with pytest.raises(ValueError, match="resnet50"):
        hw.studies.hawqv3_candidates("resnet5")


def test_command(capsys, made, monkeypatch):
    monkeypatch.setattr(hw.studies, "hawqv3", lambda: made)
    assert main(["study", "hawqv3", "--rows"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 19
    assert main(["study", "hawqv3"]) == 0
    assert "8888888888888844444" in capsys.readouterr().out


def test_no_levels_are_refused():
    with pytest.raises(ValueError, match="levels is empty"):
        hw.studies.hawqv3(levels=[])
