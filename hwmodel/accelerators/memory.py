"""Memory model: DRAM traffic with two operand buffers, and the widths of their words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hwmodel.accelerators.compute import Floats, Ints, Products
from hwmodel.accelerators.memories import point
from hwmodel.accelerators.model import Buffer
from hwmodel.technology.sram import SramPoint, sram

if TYPE_CHECKING:
    from hwmodel.accelerators.hardware import Hardware


@dataclass(frozen=True)
class Traffic:
    """Bytes that cross the DRAM interface for each layer, and how often each operand is fetched."""

    weight_fetches: Ints
    input_fetches: Ints
    bytes: Ints


def traffic(p: Products, k_in: Ints, weight_bits: Floats, activation_bits: Floats, hw: Hardware) -> Traffic:
    """Bytes of weights, inputs and outputs of each layer (accelerator.py of the BitMoD simulator).

    Rows are padded to whole bytes. Where neither weights nor inputs fit their buffer, one of them is fetched again
    for each buffer load of the other, whichever moves less.
    """
    weights = np.ceil(p.k * weight_bits / 8).astype(np.int64) * p.n * p.batch
    inputs = np.ceil(k_in * activation_bits / 8).astype(np.int64) * p.m * p.batch
    outputs = np.ceil(p.n * activation_bits / 8).astype(np.int64) * p.m * p.batch
    fit_w, fit_i = hw.weight_bytes, hw.activation_bytes
    neither = (weights > fit_w) & (inputs > fit_i)
    again_w, again_i = -(-inputs // fit_i), -(-weights // fit_w)
    weights_again = again_w * weights + inputs < again_i * inputs + weights
    fetch_w = np.where(neither & weights_again, again_w, 1)
    fetch_i = np.where(neither & ~weights_again, again_i, 1)
    return Traffic(fetch_w, fetch_i, weights * fetch_w + inputs * fetch_i + outputs)


def word_widths(hw: Hardware, weight_bits: float, activation_bits: int) -> tuple[Any, Any]:
    """Bits of a word of the weight and of the activation buffer.

    A weight word feeds lanes x height weights, each padded to 4-bit steps, an activation word lanes x width activations; half of
    them in a bit-serial array.
    """
    half = 2 if hw.compute == "bit_serial" else 1
    return hw.lanes * 4 * math.ceil(weight_bits / 4) * hw.height // half, hw.lanes * activation_bits * hw.width // half


def buffer_word(buffer: Buffer, width: int) -> SramPoint:
    """The buffer with words of `width` bits, or of its own fixed width."""
    word = buffer.word_bits or width
    if buffer.memory is not None:
        return point(buffer.memory.at(buffer.capacity_kib, word))
    return sram(buffer.table, buffer.capacity_kib, buffer.banks, word)


def words_read(fixed_bits: int | None, accesses: Ints, bits: Floats) -> Floats:
    """Words read of a buffer: the accesses themselves, or elements packed into words of a fixed width."""
    if fixed_bits is None:
        return accesses.astype(np.float64)
    return np.ceil(accesses * bits / fixed_bits)
