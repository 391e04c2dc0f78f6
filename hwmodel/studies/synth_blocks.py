"""Rows that name a block, a width or format, a variant and a library, as kinds and parameters of the structural model.

Units of that table are mapped by another flow ("mapped": ABC's `map` with area recovery, buffers from a fanout of 8 on, no
timing constraint). Its structures, inferred from its own counts of generic cells: dot products and MACs are products of their own
before an adder (581 generic cells for 8x8+32), but the MACs of Nangate45 go into one carry-save tree (851).
"""

from __future__ import annotations

import re

import pandas as pd

from hwmodel._checks import unknown

COLUMNS = ("block", "width_or_format", "variant", "library")
FLOW = "mapped"
FORMATS = {
    "e2m1": (2, 1),
    "e2m3": (2, 3),
    "e3m2": (3, 2),
    "e4m3": (4, 3),
    "e5m2": (5, 2),
    "bf16": (8, 7),
    "fp16": (5, 10),
    "tf32": (8, 10),
    "fp32": (8, 23),
}
LIBRARY = {"Nangate45 typ": "nangate45", "sky130_fd_sc_hd tt": "sky130hd", "IHP sg13g2 typ": "ihp130"}
LIBRARY |= {"ASAP7 RVT (simple+inv/buf cells)": "asap7"}
# kind and parameters by block; W: the number in `width_or_format`
WIDE = {
    "adder with carry out": "int_add N=W",
    "logical right barrel shifter": "shifter N=W;AR=0",
    "leading-zero counter": "lzc N=W",
    "2:1 mux": "mux N=W",
    "unsigned less-than": "less_than N=W",
    "int8 dot product, signed, combinational": "mul_sum L=W;W=8;A=8",
}
PRODUCTS = {"unsigned multiplier": 0, "signed multiplier": 1}
FLOATS = {
    "float multiplier, RNE, flush subnormals": "fp_mul E={};M={};FTZ=1",
    "float adder, RNE, flush subnormals": "fp_add E={};M={};FTZ=1",
}
MAC = "signed MAC AxB+K"
BLOCKS = (*WIDE, *PRODUCTS, *FLOATS, MAC)


def has_blocks(frame: pd.DataFrame) -> bool:
    return set(COLUMNS) <= set(frame.columns) and "kind" not in frame.columns


def as_kinds(frame: pd.DataFrame) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(kind, params) and (lib, flow) of each row; ValueError names an unknown block, width, variant or library."""
    units, cases = [], []
    for block, width, variant, library in frame[list(COLUMNS)].itertuples(index=False, name=None):
        lib = LIBRARY.get(library, library)
        if lib not in LIBRARY.values():
            raise unknown("library", str(library), LIBRARY)
        units.append(_unit(str(block), str(width), str(variant), lib))
        cases.append((lib, FLOW))
    return units, cases


def _unit(block: str, width: str, variant: str, lib: str) -> tuple[str, str]:
    mac = re.fullmatch(r"signed MAC (\d+)x(\d+)\+(\d+)", block)
    if variant != "default" and not (variant == "booth" and block in PRODUCTS):
        raise ValueError(f"variant of {block} is {variant!r}; give 'default', or 'booth' for a multiplier")
    if mac:
        w, a, k = (_number(block, n) for n in mac.groups())
        return "int_mac" if lib == "nangate45" else "mul_add", f"W={w};A={a};K={k}"
    if block in PRODUCTS:
        sides = width.split("x")
        if len(sides) != 2:
            raise ValueError(f"width_or_format of {block} is {width!r}; give two widths, such as '8x8'")
        w, a = (_number(block, n) for n in sides)
        return "booth_mul" if variant == "booth" else "int_mul", f"W={w};A={a};S={PRODUCTS[block]}"
    if block in FLOATS:
        if width not in FORMATS:
            raise unknown(f"format of {block}", width, FORMATS)
        kind, _, params = FLOATS[block].partition(" ")
        return kind, params.format(*FORMATS[width])
    if block not in WIDE:
        raise unknown("block", block, BLOCKS)
    kind, _, params = WIDE[block].partition(" ")
    number = _number(block, width.removesuffix(" lanes"))
    return kind, ";".join(p.replace("=W", f"={number}") for p in params.split(";"))


def _number(block: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise ValueError(f"width_or_format of {block} is {text!r}; give a whole number from 1 to 4096")
    return int(text)
