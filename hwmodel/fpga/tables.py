"""Units on FPGA fabric, many at once: rows of mixed kinds as Yosys measured them, and sweeps of one kind over arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from hwmodel._checks import unknown
from hwmodel._data import csv_rows
from hwmodel._frames import beside, checked_frame
from hwmodel.fpga import fabrics as model
from hwmodel.fpga.fabrics import Fabric
from hwmodel.fpga.kinds import KINDS, PARAMETERS
from hwmodel.fpga.units import key_of, refuse_registers
from hwmodel.units.components import FLAGS, MOST_WORDS, bounds, checked

PREDICTED = ("lut", "carry", "dsp", "ff", "sta_ps")
NEEDED = ("kind", "params", "target")
_WHOLE = ("carry", "dsp", "ff")

_LAYOUTS = 8
_WORDS = {"": 0, "0": 0, "false": 0, "true": 1}
_VALUES = re.compile("(?<==)[0-9]+")

Group = tuple[str, Mapping[str, np.ndarray]]  # a kind and its parameters, an array each


def synthesised_units(frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rows of `frame` with predicted lut, carry, dsp, ff and sta_ps (NaN where DSP blocks are in the path).

    frame: columns kind, params ("W=8;A=8;S=1"), target (xc7, ice40hx, also xcup and versal), and optionally dsp_allowed and
    acc_registered (0 or 1; missing: 0); None means the measured rows that come with the package. Other columns are kept; those
    named like a prediction get the suffix _measured.

    Raises ValueError for missing columns, unknown kinds, parameters and targets, and registers in units that have none; it names
    the row, counted from 0.
    """
    if frame is None:
        frame = measured()
    return beside(frame, rows_of(frame))


def rows_of(frame: pd.DataFrame, at: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Predictions of `synthesised_units`, an array each. at: places of the rows in a larger table, which errors name."""
    checked_frame(frame, NEEDED)
    at = np.arange(len(frame)) if at is None else at
    dsp, registered = _flags(frame, "dsp_allowed", at), _flags(frame, "acc_registered", at)
    which, names = pd.factorize(frame["target"].to_numpy(object), use_na_sentinel=False)
    on = [_in_row(int(at[np.argmax(which == i)]), model.fabric, name) for i, name in enumerate(names)]
    code, kinds = pd.factorize(frame["kind"].to_numpy(object), use_na_sentinel=False)
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=len(kinds)))
    params = frame["params"].to_numpy(object)
    groups: list[Group] = []
    for i, kind in enumerate(kinds):
        rows = order[ends[i - 1] if i else 0 : ends[i]]
        if kind not in KINDS:
            raise ValueError(f"row {at[rows[0]]}: {unknown('kind of unit', str(kind), KINDS)}")
        with_register = rows[registered[rows]]
        if len(with_register):
            _in_row(int(at[with_register[0]]), refuse_registers, kind)
        groups.append((kind, _parsed(kind, params[rows].tolist(), at[rows])))
    found = _predict(groups, on, which[order], dsp[order], registered[order])
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return {name: found[name][back] for name in PREDICTED}


def unit_costs(kind: str, params: Mapping[str, Any], target: Any = "xc7", dsp: Any = True, registered: Any = False) -> pd.DataFrame:
    """Units of one kind over arrays of parameters: one row each, the parameters, then lut, carry, dsp, ff, delay_ps.

    params: whole numbers or arrays of them by name (`{"W": [2, 4, 8], "A": 8, "S": 1}`), broadcast against each other and
    against target (a fabric or an array of names), dsp and registered, in C order; otherwise as in `unit_cost`. delay_ps is NaN
    where DSP blocks are in the path.

    Raises ValueError for unknown kinds, parameters and fabrics, values out of range and shapes that do not fit.
    """
    if kind not in KINDS:
        raise unknown("kind of unit", str(kind), KINDS)
    given = {str(name): _numbers(kind, str(name), value) for name, value in params.items()}
    key_of(kind, {name: int(v.flat[0]) if v.size else bounds(kind).get(name, (1, 1))[0] for name, v in given.items()})
    given = {name: np.array(default) for name, default in PARAMETERS[kind].items() if default is not None} | given
    extra = {"target": np.asarray(target, dtype=object), "dsp": np.asarray(dsp), "registered": np.asarray(registered)}
    try:
        arrays = dict(zip([*given, *extra], np.broadcast_arrays(*given.values(), *extra.values()), strict=True))
    except ValueError as error:
        shapes = ", ".join(f"{name} {v.shape}" for name, v in (given | extra).items())
        raise ValueError(f"shapes of {kind} do not fit each other: {shapes}; give arrays that broadcast") from error
    flat = {name: np.ravel(v) for name, v in arrays.items()}
    for name in ("dsp", "registered"):
        if not np.isin(flat[name], (0, 1)).all():
            raise ValueError(f"{name} is {flat[name][~np.isin(flat[name], (0, 1))][0]!r}; give True or False")
    if flat["registered"].any():
        refuse_registers(kind)
    values = {name: flat[name].astype(np.int64) for name in PARAMETERS[kind]}
    _in_range(kind, values, np.arange(len(flat["dsp"])))
    which, names = (np.zeros(len(flat["dsp"]), np.intp), [target]) if isinstance(target, str) else pd.factorize(flat["target"])
    on = [model.fabric(name) for name in names]
    found = _predict([(kind, values)], on, which, flat["dsp"].astype(bool), flat["registered"].astype(bool))
    return pd.DataFrame(values | {"delay_ps" if name == "sta_ps" else name: found[name] for name in PREDICTED})


def _predict(
    groups: Sequence[Group], on: Sequence[Fabric], which: np.ndarray, dsp: np.ndarray, registered: np.ndarray
) -> dict[str, np.ndarray]:
    """Predictions of the rows of the groups, one group after another; `which`: place of each row's fabric in `on`."""
    n = len(which)
    ports = np.where(dsp, np.array([f.wide_port for f in on], dtype=np.int64)[which], 0) if n else np.zeros(0, np.int64)
    features, bits = model.empty(n), np.zeros(n, np.int64)
    start = 0
    for kind, given in groups:
        rows = slice(start, start + len(next(iter(given.values()))))
        model.fill(features, rows, KINDS[kind](**given, dsp=ports[rows]))
        bits[rows] = np.where(registered[rows], given.get("K", 0), 0)
        start = rows.stop
    out = {name: np.zeros(n, np.int64 if name in _WHOLE else np.float64) for name in PREDICTED}
    c = model.values()
    for i, fabric in enumerate(on):
        here = which == i
        f = features if here.all() else features[here]
        out["lut"][here], out["carry"][here] = model.luts(f, c, fabric), model.carries(f, fabric)
        out["sta_ps"][here] = model.delay(f, c, fabric)
    out["dsp"][:] = features.dsp
    out["ff"][:] = np.where((features.dsp > 0) & (out["lut"] == 0), 0, bits)  # none where a DSP block holds the sum
    return out


@lru_cache(maxsize=1024)
def _layout(kind: str, text: str) -> tuple[tuple[str, ...], re.Pattern[str], dict[str, int]] | None:
    """Of the parameters of a unit as they are written, without their values: the names, a text of units like it, and the defaults
    of the others. None where they are not a kind's own."""
    names = tuple(pair[:-1] for pair in text.split(";"))
    known = PARAMETERS[kind]
    rest = {name: default for name, default in known.items() if name not in names}
    if len(set(names)) < len(names) or not set(names) <= set(known) or None in rest.values() or not text.endswith("="):
        return None
    line = ";".join(f"{name}=[0-9]{{1,9}}" for name in names)
    return names, re.compile(f"(?:{line}\n)*"), {name: value for name, value in rest.items() if value is not None}


def _parsed(kind: str, params: list[Any], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Parameters of units of one kind, an array each; `rows`: where they stand in the table, for errors.

    Units written alike are read together, at most _LAYOUTS ways of writing; what is left one by one.
    """
    out = {name: np.zeros(len(params), np.int64) for name in PARAMETERS[kind]}
    left = np.arange(len(params))
    for _ in range(_LAYOUTS):
        text = params[left[0]] if len(left) else None
        layout = _layout(kind, _VALUES.sub("", text)) if type(text) is str else None
        if layout is None:
            break
        names, alike, rest = layout
        texts = [params[i] for i in left] if len(left) < len(params) else params
        here = left
        if not (all(type(p) is str for p in texts) and alike.fullmatch("\n".join(texts) + "\n")):
            fits = np.array([type(p) is str and "\n" not in p and alike.fullmatch(p + "\n") is not None for p in texts])
            if not fits.any():
                break
            here, texts = left[fits], [p for p, ok in zip(texts, fits, strict=True) if ok]
            left = left[~fits]
        else:
            left = left[:0]
        numbers = ";".join(texts)
        for name in sorted(names, key=len, reverse=True):
            numbers = numbers.replace(f"{name}=", "")
        found = np.fromstring(numbers, dtype=np.int64, sep=";").reshape(len(texts), len(names))
        for i, name in enumerate(names):
            out[name][here] = found[:, i]
        for name, value in rest.items():
            out[name][here] = value
    for i in left.tolist():
        for name, value in _in_row(int(rows[i]), key_of, kind, params[i])[1]:
            out[name][i] = value
    _in_range(kind, out, rows)
    return out


def _in_range(kind: str, given: Mapping[str, np.ndarray], rows: np.ndarray) -> None:
    """ValueError for the first unit with a parameter out of range."""
    wrong = np.zeros(len(rows), dtype=bool)
    for name, values in given.items():
        least, most = bounds(kind)[name]
        wrong |= (values < least) | (values > most)
    if "L" in given:
        wrong |= given["L"] * np.minimum(given.get("W", 1), given.get("A", 1)) > MOST_WORDS
    if wrong.any():
        first = int(np.argmax(wrong))
        _in_row(int(rows[first]), checked, kind, {name: int(v[first]) for name, v in given.items()})


def _in_row(row: int, function: Any, *arguments: Any) -> Any:
    """The function's result; its ValueError names the row."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise ValueError(f"row {row}: {error}") from error


def _numbers(kind: str, name: str, value: Any) -> np.ndarray:
    out = np.asarray(value)
    if out.dtype.kind == "b" and name in FLAGS:
        out = out.astype(np.int64)
    if out.size and out.dtype.kind not in "iu":
        raise ValueError(f"{name} of {kind} is {value!r}; give whole numbers")
    return out.astype(np.int64)


def measured() -> pd.DataFrame:
    """The measured rows of Yosys 0.23: kind, params, tool, target, dsp_allowed, acc_registered, lut, carry, muxf7, muxf8, dsp, ff,
    levels, sta_ps, source, status; those of 0.70 with `tool` "yosys 0.70 ..."."""
    table = pd.DataFrame(csv_rows("hwmodel.fpga", "synth_fpga"))
    numbers = ["dsp_allowed", "acc_registered", "lut", "carry", "muxf7", "muxf8", "dsp", "ff", "levels", "sta_ps"]
    table[numbers] = table[numbers].replace("", np.nan).astype(float)
    return table


def _flags(frame: pd.DataFrame, name: str, at: np.ndarray) -> np.ndarray:
    """A column of 0 and 1, as numbers or as text (also true and false); missing or empty: 0."""
    if name not in frame.columns:
        return np.zeros(len(frame), dtype=bool)
    given = frame[name].astype(object).where(frame[name].notna(), "").to_numpy(object)
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(float, copy=True, na_value=np.nan)
    for i in np.flatnonzero(np.isnan(values)):
        values[i] = _WORDS.get(str(given[i]).strip().lower(), np.nan)
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(f"row {at[first]}: {name} is {given[first]}; give 0 or 1")
    return values == 1
