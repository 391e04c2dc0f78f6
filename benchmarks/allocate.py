"""Times of bit allocation: `python benchmarks/allocate.py [--short]`.

Seconds of CPU (one thread), which other load on the machine leaves as they are. Goal: 300 layers x 8 candidates x 3 budgets in
1 s at zero gap. Kinds of instances: random (independent losses and costs), hawq (squared errors that fall fourfold a bit,
sizes, bit operations and latencies of layers of many shapes), llm (three shapes, eight widths), weak (loss and costs loosely
related), strong (loss falls with cost by a fixed step: hard for every method), subset (loss is one
of the costs: subset sums). Each beside plain scipy.optimize.milp at relative gap 0 on the programme as it is. "proven": in
exact arithmetic; plain HiGHS stops within its absolute tolerance, which "excess" shows (loss above ours).
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from _timing import SHORT

import hwmodel as hw

KINDS = ("random", "hawq", "llm", "weak", "strong", "subset")
LIMIT_S = 5.0


def instance(kind: str, seed: int, n: int = 300, k: int = 8, m: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses (n, k), costs (m, n, k) and limits (m)."""
    r = np.random.default_rng(seed)
    share = 0.35 + 0.1 * np.arange(m)
    if kind == "random":
        loss, cost = r.random((n, k)), r.random((m, n, k))
    elif kind in ("hawq", "llm"):
        if kind == "llm":
            bits = np.array([2.125, 3.125, 4.125, 4.25, 5, 6.125, 8, 16])[:k]
            size = r.choice([4096.0 * 4096, 4096.0 * 11008, 4096.0 * 1024], n)
            macs = size
        else:
            bits = np.linspace(2, 9, k)
            size, macs = 2.0 ** r.integers(10, 22, n), 2.0 ** r.integers(20, 27, n) * r.choice([1, 3, 9], n)
        loss = (size * np.exp(r.normal(0, 2, n)))[:, None] * 4.0**-bits * np.exp(r.normal(0, 0.1, (n, k)))
        loss = -np.sort(-loss, axis=1)
        latency = macs[:, None] * bits * np.exp(r.normal(0, 0.2, (n, k))) * 1e-12
        cost = np.stack([size[:, None] * bits / 8, macs[:, None] * bits**2, latency])
    else:
        base = np.sort(r.integers(1, 1000 if kind != "subset" else 100_000, (n, k)), axis=1).astype(float)
        if kind == "weak":
            cost = np.stack([np.maximum(1, base + r.integers(-100, 101, (n, k))) for _ in range(m)])
            loss = 2000 - (base + r.integers(-100, 101, (n, k)))
        elif kind == "strong":
            cost = np.stack([base + 10 * i * np.arange(k) for i in range(m)])
            loss, share = 3000 - (base + 100 * np.arange(k)), np.array([0.4, 0.41, 0.42])
        else:
            others = [np.sort(r.integers(1, 100_000, (n, k)), axis=1).astype(float) for _ in range(m - 1)]
            cost, loss = np.stack([base, *others]), 200_000 - base
    low, high = cost.min(axis=2).sum(axis=1), cost.max(axis=2).sum(axis=1)
    return loss, cost, low + share[:m] * (high - low)


def table(loss: np.ndarray, cost: np.ndarray) -> pd.DataFrame:
    """The candidates as `hw.allocate` takes them."""
    n, k = loss.shape
    names = {"layer": np.repeat([f"l{i}" for i in range(n)], k), "scheme": np.tile([f"s{j}" for j in range(k)], n)}
    return pd.DataFrame(names | {"loss": loss.ravel()} | {f"c{i}": c.ravel() for i, c in enumerate(cost)})


def plain(loss: np.ndarray, cost: np.ndarray, limits: np.ndarray) -> tuple[float, float, bool]:
    """Seconds of CPU, loss and whether it ended: scipy's milp on the programme as it is, rows and objective scaled to about
    1."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_matrix

    n, k = loss.shape
    start = time.process_time()
    one = csr_matrix((np.ones(n * k), (np.repeat(np.arange(n), k), np.arange(n * k))), shape=(n, n * k))
    rows = csr_matrix(cost.reshape(len(cost), -1) / limits[:, None])
    constraints = [LinearConstraint(one, 1, 1), LinearConstraint(rows, -np.inf, 1)]
    options = {"mip_rel_gap": 0, "time_limit": LIMIT_S}
    found = milp(
        loss.ravel() / np.ptp(loss), constraints=constraints, integrality=np.ones(n * k), bounds=Bounds(0, 1), options=options
    )
    took = time.process_time() - start
    value = float("inf") if found.x is None else float((loss.ravel() * np.round(found.x)).sum())
    return took, value, found.status == 0


def main() -> None:
    seeds = 1 if SHORT else 6
    hw.allocate(table(*instance("random", 99, n=5)[:2]), {"c0": "50%"})  # imports
    print(
        f"{'kind':8} {'median s':>9} {'worst s':>8} {'exact':>6} {'worst gap':>10}   "
        f"{'milp median':>11} {'worst':>6} {'ended':>6} {'worst excess':>13}"
    )
    for kind in KINDS[:3] if SHORT else KINDS:
        ours, theirs, gaps, exact, ended, excess = [], [], [], 0, 0, []
        for seed in range(seeds):
            loss, cost, limits = instance(kind, seed)
            frame, budget = table(loss, cost), {f"c{i}": float(v) for i, v in enumerate(limits)}
            start = time.process_time()
            made = hw.allocate(frame, budget, time_limit_s=LIMIT_S)
            ours.append(time.process_time() - start)
            gaps.append(made.gap)
            exact += made.proof == "exact"
            took, value, done = plain(loss, cost, limits)
            theirs.append(took)
            ended += done
            excess.append(value / made.objective - 1)
        print(
            f"{kind:8} {np.median(ours):9.2f} {max(ours):8.2f} {exact:3}/{seeds:<2} {max(gaps):10.1e}   "
            f"{np.median(theirs):11.2f} {max(theirs):6.2f} {ended:3}/{seeds:<2} {max(excess):13.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
