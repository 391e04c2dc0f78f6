"""Time of fronts, hypervolumes and knees, against comparing all pairs and against pymoo where it is installed.

python benchmarks/fronts.py [--short]
"""

from __future__ import annotations

import resource
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd
from _timing import SHORT, seconds

import hwmodel as hw

ROWS = 10**5 if SHORT else 10**6
PAIRS = 3_000 if SHORT else 10_000  # rows that all pairs can be compared of


def points(kind: str, rows: int, columns: int) -> pd.DataFrame:
    """uniform: few rows on the front; sphere: all of them."""
    rng = np.random.default_rng(0)
    if kind == "uniform":
        data = rng.random((rows, columns))
    else:
        data = -np.abs(rng.standard_normal((rows, columns)))
        data /= np.linalg.norm(data, axis=1, keepdims=True)
    return pd.DataFrame(data, columns=[f"f{i}" for i in range(columns)])


def all_pairs(values: np.ndarray) -> np.ndarray:
    """The front by comparing each row with all."""
    kept = [not ((values <= row).all(axis=1) & (values < row).any(axis=1)).any() for row in values]
    return np.flatnonzero(kept)


def main() -> None:
    print(f"{'front':28} {'rows':>9} {'on front':>9} {'s':>8}")
    for columns in (2, 3, 4):
        for kind in ("uniform", "sphere"):
            frame = points(kind, ROWS, columns)
            names = list(frame)
            found = hw.pareto(frame, names)
            spent = seconds(partial(hw.pareto, frame, names), 1)
            print(f"{f'{kind}, {columns} columns':28} {ROWS:9,} {len(found):9,} {spent:8.2f}")
    for kind in ("uniform", "sphere"):
        frame = points(kind, PAIRS, 3)
        names, values = list(frame), frame.to_numpy()
        ours = list(hw.pareto(frame, names).index)
        assert ours == list(all_pairs(values))
        line = f"{f'{kind}, 3 columns':28} {PAIRS:9,} {len(ours):9,} {seconds(partial(hw.pareto, frame, names), 1):8.4f}"
        line += f"   all pairs {seconds(partial(all_pairs, values), 1):.2f} s"
        if find_spec("pymoo"):
            from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

            sort = NonDominatedSorting()
            assert sorted(sort.do(values, only_non_dominated_front=True)) == ours
            line += f"   pymoo {seconds(partial(sort.do, values, only_non_dominated_front=True), 1):.2f} s"
        print(line)
    print(f"\n{'hypervolume':28} {'rows':>9} {'s':>8}")
    for columns, rows in ((2, 10**5), (3, 10**4), (4, 1000), (5, 200)):
        frame = points("sphere", rows // (5 if SHORT else 1), columns)
        names, corner = list(frame), [0.1] * columns
        volume = hw.hypervolume(frame, names, reference=corner)
        line = (
            f"{f'{columns} columns':28} {len(frame):9,} {seconds(partial(hw.hypervolume, frame, names, reference=corner), 1):8.3f}"
        )
        if find_spec("pymoo") and len(frame) * columns <= 4000:
            from pymoo.indicators.hv import HV

            indicator, values = HV(ref_point=np.array(corner)), frame.to_numpy()
            assert np.isclose(volume, indicator(values), rtol=1e-9)
            line += f"   pymoo {seconds(partial(indicator, values), 1):.3f} s"
        print(line)
    front = points("sphere", 3000, 2)
    for method in ("distance", "angle", "trade_off"):
        spent = seconds(partial(hw.knee, front, list(front), method=method), 1)
        print(f"{f'knee by {method}':28} {3000:9,} {spent:8.3f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MB")


if __name__ == "__main__":
    main()
