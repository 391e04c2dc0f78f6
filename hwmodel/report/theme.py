"""Colours of plots and page, light and dark. Text has at least 4.5:1 against its ground, marks 3:1; hues are told apart
with any colour vision (after Okabe and Ito, https://jfly.uni-koeln.de/color/), and never carry meaning alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwmodel._checks import unknown


@dataclass(frozen=True)
class Theme:
    """Colours of one theme. series: one an accelerator; parts: of the energy, and the latency."""

    name: str
    page: str
    surface: str
    text: str
    muted: str
    line: str
    accent: str
    series: tuple[str, ...]
    parts: Mapping[str, str]
    heat: tuple[float, float]  # ends of the viridis map that stand out from the surface


PARTS = ("core", "vector", "sram", "noc", "leakage", "dram", "dequant")
PART_NAMES = {"core": "Core", "vector": "Vector unit", "sram": "SRAM", "dram": "DRAM", "dequant": "Dequantizer"}
PART_NAMES |= {"noc": "On-chip wires", "leakage": "Leakage"}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")

THEMES = {
    "light": Theme(
        name="light",
        page="#f6f7f9",
        surface="#ffffff",
        text="#1b1f24",
        muted="#57606a",
        line="#d5dae0",
        accent="#0b5fa5",
        series=("#0072b2", "#c44e00", "#00805e", "#a8457c", "#7a6200", "#5b5fc7", "#6b6b6b", "#1b1f24"),
        parts={
            "core": "#d2691e",
            "vector": "#9c8200",
            "sram": "#12876f",
            "dram": "#5b84b1",
            "dequant": "#a8326e",
            "latency": "#57606a",
        },
        heat=(0.05, 0.97),
    ),
    "dark": Theme(
        name="dark",
        page="#0f1216",
        surface="#181c22",
        text="#e6e9ed",
        muted="#a3adb8",
        line="#343b44",
        accent="#6cb6f5",
        series=("#56b4e9", "#f2995c", "#3cc9a3", "#e79ac6", "#e0c341", "#a5a8f0", "#b8b8b8", "#e6e9ed"),
        parts={
            "core": "#f0a058",
            "vector": "#e6d25a",
            "sram": "#45c4a8",
            "dram": "#6f97c7",
            "dequant": "#e58abf",
            "latency": "#a3adb8",
        },
        heat=(0.16, 1.0),
    ),
}


def theme(name: str) -> Theme:
    """The theme called "light" or "dark"; ValueError for another name."""
    if name not in THEMES:
        raise unknown("theme", name, THEMES)
    return THEMES[name]
