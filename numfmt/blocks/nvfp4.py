"""NVFP4: E2M1 elements, an E4M3 scale a block, one float32 scale a tensor, as each software stack computes them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from .._threads import in_groups, in_pieces
from ..formats import decode, parse
from ..formats.base import decode_table
from ..kernels import block_4over6 as k46
from ..kernels import block_nvfp4 as k
from ..kernels.block_power import maxima
from ..kernels.blocks import largest_word
from .family import Family, Given, Part, SchemeEntry, Stored, code_part, scale_part, scale_values
from .grid import Granularity, Grid
from .mx import format_facts, refuse, single
from .scheme import Scheme

_STACKS = {"te": k.TE, "torchao": k.TORCHAO, "modelopt": k.MODELOPT, "modelopt_floor": k.FLOORED}
_STRIP = 1 << 18  # elements of a strip of 2-D blocks, which bounds the copy that gathering them makes
_INFINITE = 0x7F800000
_f = np.float32
_MOST = np.finfo(np.float32).max


class NVFP4(Family):
    """A value is element (E2M1) * block scale (E4M3) * tensor scale (float32). g: largest magnitude of the tensor, a: of a block.

    Every step is one float32 operation. te, TransformerEngine's kernels: S = min(2688 / g, largest float32), 1 where g is 0; block
    scale a * (S * (1/6)) saturated at 448; elements x * min(1 / (scale * (1 / S)), largest float32); value
    e * ((scale * g) * (1 / 2688)). torchao (two-level): S = g / 2688; block scale (a / 6) / S within 2**-6 .. 448; elements
    x * ((1 / S) / scale). modelopt: S = g / 2688; block scale a / (6 * S), 1 where that is 0; elements x / (scale * S), the sign
    bit only where the quotient is below zero. modelopt_floor: block scales of at least 2**-9. The value of the last three is
    e * (S * scale). Elements are rounded to nearest even and clipped at 6. torchao and modelopt give a tensor of zeros NaN
    scales, as here; te gives zeros.

    4over6=mae|mse (te): the bound 448 becomes 256 (bound=448 keeps it), each block is tried with a largest element of 6 and of 4
    and keeps the one of less error (sum of magnitudes or of squares; a tie keeps 6); err=fast sums errors of the scaled values.
    amax=NUMBER: a static g in place of the tensor's own.
    """

    name = "nvfp4"
    plain = True
    specials = True  # refused here, where the magnitudes are read anyway
    flags = {name: ("stack", name) for name in _STACKS}
    keyed = {"4over6": ("off", "mae", "mse"), "bound": ("256", "448"), "err": ("plain", "fast")}

    def parts(self, made: Scheme, grid: Grid) -> dict[str, Part]:
        """Codes, E4M3 block scales, and of the tensor the scale (te: the largest magnitude, as it keeps that)."""
        scales = scale_part(made, grid)
        scales = Part(scales.shape, scales.dtype, 8, 0x7F, scales.height)
        return {
            "codes": code_part(made, grid),
            "scales": scales,
            tensor_name(made): Part((1, 1), np.dtype(np.float32), 32, None, 0),
        }

    def by_rows(self, made: Scheme) -> bool:
        """All rows share the tensor's scale."""
        return False

    def quantize(self, rows: np.ndarray, made: Scheme, grid: Grid, given: Given) -> dict[str, np.ndarray]:
        """Codes and scales of both levels."""
        rows = single(rows)
        imposed = "scales" in given.stored
        stored: dict[str, np.ndarray] = {"codes": np.empty(grid.stored, np.uint8), "scales": np.empty(grid.shape, np.uint8)}
        if imposed:
            stored["scales"][...] = given.stored["scales"]
        name = tensor_name(made)
        if grid.granularity.kind != "block":
            groups = grid.gather(rows)
            words = np.empty(groups.shape[0], np.int32)
            in_groups(groups.shape, lambda start, stop: _nothing(maxima(groups[start:stop], words[start:stop])))
            word = words.max()
        else:
            word = np.int32(largest_word(rows.reshape(-1).view(np.int32)))
        if word >= _INFINITE:
            refuse(rows)
        if name in given.stored:
            kept = _f(given.stored[name].reshape(-1)[0])
            amax = kept
        elif made.param("amax") != "tensor":
            amax = _f(float(made.param("amax")))
            kept = _kept(amax, made)
        else:
            amax = word.view(np.float32)
            kept = _kept(amax, made)
        facts, reals = format_facts(made.candidates[0]), constants(kept, made)

        def strip(groups: np.ndarray, words: np.ndarray, codes: np.ndarray, scales: np.ndarray) -> int:
            if made.param("4over6") != "off" and not imposed:
                k46.quantize_4over6(groups, words, codes, scales, *_over_arguments(amax, made))
            else:
                k.quantize_nvfp4(groups, words, codes, scales, _STACKS[made.param("stack")], facts, reals, imposed)
            return 0

        if grid.granularity.kind == "block":
            self._strips(rows, made, grid, stored, strip)
        else:
            codes, scales = grid.gather(stored["codes"]), stored["scales"].reshape(-1)
            in_groups(groups.shape, lambda start, stop: strip(*(part[start:stop] for part in (groups, words, codes, scales))))
            stored["codes"] = grid.scatter(codes)
        stored[name] = kept.reshape(1, 1)
        return stored

    def _strips(self, rows: np.ndarray, made: Scheme, grid: Grid, stored: dict[str, np.ndarray], strip: Any) -> None:
        """2-D blocks, some rows of blocks at a time."""
        height = grid.granularity.height
        some = max(1, _STRIP // (grid.columns * height))

        def work(start: int, stop: int) -> int:
            for first in range(start, stop, some):
                last = min(first + some, stop)
                part = rows[first * height : last * height]
                inner = made.grid(part.shape[0], grid.columns)
                groups = inner.gather(part)
                words, codes = np.empty(groups.shape[0], np.int32), np.empty(groups.shape, np.uint8)
                maxima(groups, words)
                strip(groups, words, codes, stored["scales"][first:last].reshape(-1))
                stored["codes"][first * height : last * height] = inner.scatter(codes)
            return 0

        in_pieces(grid.shape[0], work, piece=some, serial=0)

    def code_values(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Values of the elements."""
        values: np.ndarray = decode(stored["codes"], made.candidates[0])
        return values

    def scales(self, made: Scheme, grid: Grid, stored: Stored) -> np.ndarray:
        """Block scale times tensor scale, float32, in the stack's order."""
        assert made.scale is not None
        block = scale_values(stored["scales"], made.scale)
        tensor = stored[tensor_name(made)].reshape(-1)[0]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if made.param("stack") == "te":
                made_scales: np.ndarray = (block * tensor) * (_f(1) / _f(6 * _bound(made)))
                return made_scales
            return np.asarray(tensor * block)

    def check(self, made: Scheme, grid: Grid, stored: Stored) -> None:
        """The tensor's scale is a finite number, not negative."""
        tensor = stored[tensor_name(made)]
        if not (np.isfinite(tensor).all() and (tensor >= 0).all()):
            raise ValueError(
                f"{tensor_name(made)} is {float(tensor.reshape(-1)[0]):g}; it must be finite and not negative for {made}"
            )

    def option(self, made: Scheme, option: str) -> Scheme | None:
        """Stacks, 4over6 and amax=."""
        if option == "4over6":
            return made.with_param("4over6", "mae")
        if option.startswith("amax="):
            return made.with_param("amax", _positive(option[5:], made))
        return super().option(made, option)

    def default(self, key: str) -> str:
        """What an option means that is not written."""
        return "tensor" if key == "amax" else super().default(key)

    def option_help(self) -> str:
        """The options that the family knows, for messages."""
        return f"{super().option_help()}, amax=NUMBER"

    def finish(self, text: str, made: Scheme) -> Scheme:
        """Blocks in one tensor; 4over6 belongs to te and to blocks of 16 or 16 x 16."""
        if made.granularity.kind not in ("group", "block"):
            raise ValueError(f"scheme {text!r}: nvfp4 scales blocks; use g16 or b16x16")
        over = made.param("4over6") != "off"
        if not over and (made.param("bound") != "256" or made.param("err") != "plain"):
            raise ValueError(f"scheme {text!r}: bound= and err= belong to 4over6; add 4over6=mae or 4over6=mse")
        if over and (made.param("stack") != "te" or str(made.granularity) not in ("g16", "b16x16")):
            raise ValueError(f"scheme {text!r}: 4over6 is TransformerEngine's, for blocks g16 or b16x16; leave it out or use these")
        return made

    def entries(self) -> list[SchemeEntry]:
        """One row a stack."""
        te = "NVIDIA/TransformerEngine@d0067d0 common/cast/nvfp4/core_nvfp4.cuh, pytorch/custom_recipes/reference_nvfp4.py"
        opt = "NVIDIA/Model-Optimizer@{} modelopt/torch/quantization/qtensor/nvfp4_tensor.py"
        return [
            SchemeEntry("nvfp4/g16", "NVFP4 as TransformerEngine", te, "measured"),
            SchemeEntry("nvfp4/b16x16", "NVFP4 as TransformerEngine, 2-D blocks for weights", te, "measured"),
            SchemeEntry(
                "nvfp4/g16+torchao",
                "NVFP4 as torchao, two levels",
                "torchao 0.18.0 prototype/mx_formats/nvfp4_tensor.py",
                "measured",
            ),
            SchemeEntry(
                "nvfp4/g16+modelopt", "NVFP4 as modelopt, block scales may underflow to 0", opt.format("5a4242f"), "measured"
            ),
            SchemeEntry(
                "nvfp4/g16+modelopt_floor", "NVFP4 as modelopt, block scales of 2**-9 and more", opt.format("a2fbac7"), "measured"
            ),
            SchemeEntry(
                "nvfp4/g16+4over6=mae",
                "NVFP4, largest element 4 or 6 by the error of the block",
                f"{te}, common/cast/nvfp4/quantize_4over6_nvfp4.cuh",
                "measured",
            ),
        ]


def tensor_name(made: Scheme) -> str:
    """Name of the stored float32 of the tensor."""
    return "tensor_amax" if made.param("stack") == "te" else "tensor_scale"


def _nothing(_: object) -> int:
    return 0


def _bound(made: Scheme) -> int:
    """Largest block scale that the tensor's scale aims at."""
    return 448 if made.param("4over6") == "off" else int(made.param("bound"))


def _kept(amax: np.float32, made: Scheme) -> np.float32:
    """What is stored of the tensor."""
    return _f(amax) if made.param("stack") == "te" else _f(amax) / _f(6 * 448)


def _encode_scale(amax: np.float32, made: Scheme) -> np.float32:
    """TransformerEngine's S of a tensor with this largest magnitude."""
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        scale = min(_f(6 * _bound(made)) / amax, _MOST)
    return _f(1) if amax == 0 or scale == 0 else _f(scale)


def constants(kept: np.float32, made: Scheme) -> np.ndarray:
    """`reals` of the kernels of `block_nvfp4`, from what is stored of the tensor."""
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        if made.param("stack") == "te":
            scale = _encode_scale(kept, made)
            return np.array([scale * (_f(1) / _f(6)), _f(1) / scale, 0], np.float32)
        return np.array([_f(6) * kept, _f(1) / kept, kept], np.float32)


def _over_arguments(amax: np.float32, made: Scheme) -> tuple[Any, ...]:
    scale = _encode_scale(amax, made)
    table = np.asarray(decode_table(made.candidates[0])).astype(np.float32)
    squared, fast = made.param("4over6") == "mse", made.param("err") == "fast"
    with np.errstate(under="ignore"):
        return scale, _f(1) / scale, _f(amax), _f(6 * _bound(made)), table, squared, fast


def _positive(text: str, made: Scheme) -> str:
    try:
        number = float(_f(float(text)))
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"scheme of {made.name}: amax={text!r} must be a number above zero within float32, as in amax=4.5")
    return f"{number:.9g}"


def _nvfp4(match: re.Match[str], text: str) -> Scheme:
    return Scheme("nvfp4", (parse("e2m1"),), Granularity("group", 16), parse("e4m3fn"), "nvfp4", family="nvfp4")


FAMILIES = (NVFP4(),)
RULES: list[tuple[str, Any]] = [("nvfp4", _nvfp4)]
