"""The fields that every accelerator file may have, whatever its memories."""

from __future__ import annotations

from typing import Any

from hwmodel.accelerators.fields import Reader
from hwmodel.accelerators.load_memory import dequantizers_in
from hwmodel.accelerators.vector import vector_unit


def common(read: Reader) -> dict[str, Any]:
    """Arguments of both kinds of accelerator: widths of keys and values, how scales are charged, converters, vector unit, note."""
    return {
        "kv_bits": read.whole("kv_bits", 16),
        "scale_charge": read.text("scale_charge", "exact"),
        "scale_bits_per_group": read.number("scale_bits_per_group", 0.0),
        "dequantizer_technology": dequantizers_in(read),
        "vector_unit": vector_unit(read.fields["vector_unit"], read.where) if "vector_unit" in read.fields else None,
        "note": read.text("note", ""),
        "source": read.where,
    }
