"""The scaling equations of Stillmaker and Baas (2017), 180 to 7 nm: a matrix of areas, polynomials in the supply voltage.

A factor of delay, energy or power is the target's polynomial at its voltage over the source's at its own. From 45 nm down
there are two sets of polynomials, high performance (`hp`) and low power (`lp`); from 65 nm up one (`bulk`), which both laws use.
The flavour is part of the law's name, so that the two are never mixed.

Nodes between those of the table (28 nm, 12 nm) are interpolated log-log between their neighbours: status "inferred".
"""

from __future__ import annotations

import math
from functools import lru_cache

from hwmodel._checks import finite, unknown
from hwmodel.sources import Fact
from hwmodel.technology.tables import rows

FLAVOURS = ("hp", "lp")
QUANTITIES = ("area", "delay", "energy", "power")
# Voltages are trusted within these multiples of the nominal (130 nm cells run at 1.2 to 1.8 V), and only up to where the
# fitted delay rises again by this much.
LOWEST, HIGHEST, DELAY_UPTURN = 0.6, {"bulk": 1.4, "hp": 1.2, "lp": 1.2}, 1.15


@lru_cache(maxsize=1)
def nodes() -> tuple[int, ...]:
    """Nodes of the tables in nm, coarsest first."""
    return tuple(int(r["from_node_nm"]) for r in rows("scaling_area"))


@lru_cache(maxsize=1)
def _polynomials() -> dict[tuple[str, int, str], tuple[float, ...]]:
    return {
        (r["quantity"], int(r["node_nm"]), r["flavour"]): tuple(float(r[c]) for c in ("c3", "c2", "c1", "c0"))
        for r in rows("scaling_polynomials")
    }


@lru_cache(maxsize=1)
def _nominal() -> dict[tuple[int, str], float]:
    return {(int(r["node_nm"]), r["flavour"]): float(r["vdd"]) for r in rows("supply_voltages")}


def source() -> tuple[str, str]:
    """Source and status of the tables."""
    first = rows("scaling_polynomials")[0]
    return first["source"], first["status"]


def polynomial(quantity: str, node: int, flavour: str, vdd: float) -> float:
    """The published polynomial of a table's node (arbitrary unit; only ratios mean something)."""
    c3, c2, c1, c0 = _polynomials()[quantity, node, _row(node, flavour)]
    return ((c3 * vdd + c2) * vdd + c1) * vdd + c0


def _row(node: int, flavour: str) -> str:
    return "bulk" if node >= 65 else flavour


def neighbours(node_nm: float) -> tuple[tuple[int, float], ...]:
    """The table's nodes around `node_nm` with their weights on a logarithmic scale; one node with weight 1 if it is in the table.

    Raises ValueError outside 7 to 180 nm.
    """
    known = nodes()
    node = finite("node_nm", node_nm, above=0)
    if node in known:
        return ((int(node), 1.0),)
    if not known[-1] < node < known[0]:
        raise ValueError(
            f"node {node:g} nm is outside the range of the law stillmaker, {known[-1]} to {known[0]} nm;"
            " give a node within it, or a factor table of your own (a mapping or the path of a YAML or CSV file)"
        )
    above = min(n for n in known if n > node)
    below = max(n for n in known if n < node)
    weight = math.log(above / node) / math.log(above / below)
    return ((above, 1 - weight), (below, weight))


def nominal_vdd(node_nm: float, flavour: str) -> float:
    """Nominal supply voltage in V; between nodes interpolated, rounded to 10 mV and kept within both neighbours' ranges."""
    around = neighbours(node_nm)
    found = round(sum(w * _nominal()[n, _row(n, flavour)] for n, w in around), 2)
    ranges = [voltage_range(n, flavour) for n, _ in around]
    return min(max(found, *(low for low, _ in ranges)), *(high for _, high in ranges))


@lru_cache(maxsize=64)
def voltage_range(node: int, flavour: str) -> tuple[float, float]:
    """Voltages in V at which the polynomials of a table's node are used (a choice of this project, on a grid of 10 mV).

    From 0.6 to 1.2 of the nominal voltage (1.4 from 65 nm up), as far as the energy is positive and rising and the delay at most
    15 % above the least delay at any lower voltage: beyond that the fitted cubic has left the transistor behind.
    """
    nominal = _nominal()[node, _row(node, flavour)]
    highest = HIGHEST[_row(node, flavour)]
    grid = [v / 100 for v in range(math.ceil(LOWEST * nominal * 100 - 1e-6), int(highest * nominal * 100 + 1e-6) + 1)]
    least = math.inf
    used: list[float] = []
    for v in grid:
        energy, delay = (polynomial(q, node, flavour, v) for q in ("energy", "delay"))
        rising = polynomial("energy", node, flavour, v + 0.01) > energy > 0
        least = min(least, delay)
        if rising and 0 < delay <= DELAY_UPTURN * least:
            used.append(v)
        elif used:
            break
    return used[0], used[-1]


def _value(quantity: str, node_nm: float, flavour: str, vdd: float) -> float:
    log = 0.0
    for node, weight in neighbours(node_nm):
        low, high = voltage_range(node, flavour)
        if not low - 1e-9 <= vdd <= high + 1e-9:
            raise ValueError(
                f"vdd {vdd:g} V is outside the range of stillmaker.{flavour} at {node} nm, {low:g} to {high:g} V;"
                f" nominal at {node_nm:g} nm: {nominal_vdd(node_nm, flavour):g} V"
            )
        log += weight * math.log(polynomial(quantity, node, flavour, vdd))
    return math.exp(log)


@lru_cache(maxsize=1)
def _areas() -> dict[tuple[int, int], float]:
    return {(int(r["from_node_nm"]), n): float(r[str(n)]) for r in rows("scaling_area") for n in nodes()}


def _area(from_nm: float, to_nm: float) -> float:
    if from_nm == to_nm:
        return 1.0
    if (from_nm, to_nm) in _areas():
        return _areas()[int(from_nm), int(to_nm)]
    return math.exp(sum(wa * wb * math.log(_areas()[a, b]) for a, wa in neighbours(from_nm) for b, wb in neighbours(to_nm)))


def factor(
    quantity: str,
    flavour: str,
    from_nm: float,
    to_nm: float,
    from_vdd: float | None = None,
    to_vdd: float | None = None,
) -> Fact:
    """What `quantity` (area, delay, energy, power) is multiplied with; voltages None: the nominal ones.

    Status "cross-checked" between nodes of the table, "inferred" for nodes between them. Raises ValueError for an unknown
    quantity or flavour, a node outside 7 to 180 nm, a voltage outside `voltage_range`.
    """
    if quantity not in QUANTITIES:
        raise unknown("quantity of a scaling law", quantity, QUANTITIES)
    if flavour not in FLAVOURS:
        raise unknown(
            "flavour of stillmaker", flavour, FLAVOURS, "(it is never chosen for you: it changes the energy by up to 40 %)"
        )
    cited, status = source()
    between = [n for n in (from_nm, to_nm) if len(neighbours(n)) > 1]
    if quantity == "area":
        value, how = _area(from_nm, to_nm), f"area {from_nm:g} to {to_nm:g} nm"
    else:
        v0 = nominal_vdd(from_nm, flavour) if from_vdd is None else finite("from_vdd", from_vdd, above=0)
        v1 = nominal_vdd(to_nm, flavour) if to_vdd is None else finite("to_vdd", to_vdd, above=0)
        value = _value(quantity, to_nm, flavour, v1) / _value(quantity, from_nm, flavour, v0)
        how = f"{quantity} {from_nm:g} nm {v0:g} V to {to_nm:g} nm {v1:g} V, {flavour}"
    if between:
        cited = f"interpolated log-log at {', '.join(f'{n:g} nm' for n in between)}: {cited}"
        status = "inferred"
    return Fact(f"stillmaker.{flavour} {how}", value, "factor", cited, status)
