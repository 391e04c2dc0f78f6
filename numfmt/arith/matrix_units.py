"""The matrix instructions of GPUs by name: rows of facts, each with its evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .._checks import unknown
from .aligned import Instruction
from .unit_rule import Rule

_LONG = {"f16": "float16", "bf16": "bfloat16", "e4m3": "e4m3fn", "s8": "int8", "u8": "uint8", "f64": "float64"}
_RESULT = {"f16": "float16", "f32": "float32", "f64": "float64", "s32": "int32"}
_RECORDED = "recorded words of an NVIDIA H100 80GB HBM3, driver 580.159.04, CUDA 13.0"
_NORTH = "north-numerical-computing/MATLAB-tensor-core (arXiv 2512.07004): 5000 recorded dot products a format"
_TCGEN = "sf-tensor/tcgen05: words recorded on a B200"
_MMASIM = "MMA-Sim, arXiv 2511.10909"
_FP8 = ("e4m3", "e5m2")
_FP8_PAIRS = [(a, b) for a in _FP8 for b in _FP8]
_SMALL = ("e4m3", "e5m2", "e3m2", "e2m3", "e2m1")
_INT_PAIRS = [(a, b) for a in ("s8", "u8") for b in ("s8", "u8")]
_HALVES = (("f16", "f16", "f16"), ("f16", "f16", "f32"), ("bf16", "bf16", "f32"))


@dataclass(frozen=True)
class Row:
    """A named instruction."""

    rule: Rule
    models: str
    source: str
    status: str


@dataclass(frozen=True)
class MatrixUnit(Instruction):
    """One instruction by its name, `gpu.instruction_a_b_result`; see `nf.datapaths()`."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in rows():
            raise unknown("matrix instruction", self.name, rows())

    def rule(self, a: str, b: str) -> Rule:
        """The instruction's facts, whatever the operands come in."""
        return rows()[self.name].rule

    def __str__(self) -> str:
        return self.name


def _block(
    a: str, b: str, d: str, k: int, terms: int, frac_bits: int, floors: tuple[int | None, int | None], short: bool = False
) -> Rule:
    half = d == "f16"
    output = "f16_rne" if half else "short" if short else "rz"
    names = (_LONG.get(a, a), _LONG.get(b, b))
    return Rule("aligned", *names, _RESULT[d], k, min(terms, k), frac_bits, floors[half], output)  # type: ignore[arg-type]


def _through_half(a: str, b: str, d: str, k: int) -> Rule:
    half = d == "f16"
    output = "f16_rne" if half else "rz"
    names = (_LONG.get(a, a), _LONG.get(b, b))
    floor = -21 if half else -133
    return Rule("aligned", *names, _RESULT[d], k, k // 2, 25, floor, output, pour=2, through_half=True)  # type: ignore[arg-type]


def _with(rule: Rule, **changes: object) -> Rule:
    from dataclasses import replace

    return replace(rule, **changes)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def rows() -> dict[str, Row]:
    """Every named instruction."""
    made: dict[str, Row] = {}

    def add(name: str, rule: Rule, models: str, source: str, status: str) -> None:
        made[name] = Row(rule, models, source, status)

    _h100(add, made)
    _others(add)
    _blackwell(add)
    return made


def _h100(add, rows_made: dict[str, Row]) -> None:  # type: ignore[no-untyped-def]
    floors = (-133, -21)

    def measured(stem: str, rule: Rule, models: str) -> None:
        add(f"h100.{stem}", rule, models, _RECORDED, "measured")

    block = "aligned block sum of {}, 25 fraction bits"
    for k, shapes in ((8, "mma_m16n8k8"), (16, "mma_m16n8k16"), (16, "wgmma_m64n8k16")):
        for a, b, d in _HALVES:
            measured(f"{shapes}_{a}_{b}_{d}", _block(a, b, d, k, 16, 25, floors), block.format(min(k, 16)))
    for k, shapes in ((4, "mma_m16n8k4"), (8, "mma_m16n8k8"), (8, "wgmma_m64n8k8")):
        measured(f"{shapes}_tf32_tf32_f32", _block("tf32", "tf32", "f32", k, 8, 25, floors), block.format(k))
    for a, b in _FP8_PAIRS:
        for d in ("f16", "f32"):
            for k in (16, 32):
                what = "FP8 as two float16 block sums from zero (k mod 4 in 0, 1; then 2, 3), then c added"
                status = (
                    "measured" if k == 32 or (a == b and d == "f32") else "inferred"
                )  # from the recorded k16 and k32 instructions
                add(f"h100.mma_m16n8k{k}_{a}_{b}_{d}", _through_half(a, b, d, k), what, _RECORDED, status)
            rule = _block(a, b, d, 32, 32, 13, (None, None), short=True)
            measured(f"wgmma_m64n8k32_{a}_{b}_{d}", rule, "aligned block sum of 32, 13 fraction bits")
    chain = "four instructions on one accumulator"
    fp8 = _block("e4m3", "e4m3", "f32", 32, 32, 13, (None, None), short=True)
    f16 = _block("f16", "f16", "f32", 16, 16, 25, floors)
    measured("wgmma_chain4_m64n8k16_bf16_bf16_f32", _block("bf16", "bf16", "f32", 16, 16, 25, floors), chain)
    measured("wgmma_chain4_m64n8k32_e4m3_e4m3_f32", fp8, chain)
    for stem, rule in (("wgmma_m64n8k16_f16_f16_f32", f16), ("wgmma_m64n8k32_e4m3_e4m3_f32", fp8)):
        measured(f"{stem}_smemA", rule, "the same with A read from shared memory")
        measured(f"{stem}_scaled0", _with(rule, ignores_c=True), "the same without accumulator input: c is ignored")
    _integers(add, "h100.mma_m16n8k32", _RECORDED, "measured")
    _integers(add, "h100.wgmma_m64n8k32", _RECORDED, "inferred")
    for stem in ("h100.wgmma_m64n8k32_s8_s8_s32", "h100.wgmma_m64n8k32_u8_u8_s32_satfinite"):
        row = rows_made[stem]
        add(stem, row.rule, row.models, row.source, "measured")
    for stem, k in (("mma_m8n8k4", 4), ("mma_m16n8k16", 16)):
        rule = Rule("double", "float64", "float64", "float64", k)
        measured(f"{stem}_f64_f64_f64", rule, "fused multiply-adds in k order; NaN of b, then the accumulator, then a")


def _integers(add, stem: str, source: str, status: str) -> None:  # type: ignore[no-untyped-def]
    for a, b in _INT_PAIRS:
        for saturate in (False, True):
            rule = Rule("integer", _LONG[a], _LONG[b], "int32", 32, saturate=saturate)
            what = "exact sum, clamped once an instruction" if saturate else "exact sum modulo 2**32"
            add(f"{stem}_{a}_{b}_s32" + ("_satfinite" if saturate else ""), rule, what, source, status)


def _others(add) -> None:  # type: ignore[no-untyped-def]
    fits = "fits public data"
    for d in ("f16", "f32"):
        rule = _block("f16", "f16", d, 4, 4, 23, (None, -19))
        add(f"v100.mma_m8n8k4_f16_f16_{d}", rule, "aligned block sum of 4, 23 fraction bits", _NORTH, fits)
        rule = _block("f16", "f16", d, 8, 8, 24, (None, None))
        add(
            f"turing.mma_m16n8k8_f16_f16_{d}",
            rule,
            "aligned block sum of 8, 24 fraction bits (exponent floor not published)",
            _MMASIM,
            "literature",
        )
    # the public data hold one block an instruction: K = 8 (f16, bf16) and 4 (tf32); that longer ones are two blocks is literature
    for gpu, also in (("a100", "A100, A2"), ("ada", "RTX 1000 Ada, L40S")):
        for k in (8, 16):
            for a, b, d in _HALVES:
                rule = _block(a, b, d, k, 8, 24, (-132, -20))
                add(
                    f"{gpu}.mma_m16n8k{k}_{a}_{b}_{d}",
                    rule,
                    f"aligned block sum of 8, 24 fraction bits ({also})",
                    _NORTH,
                    fits if k == 8 else "literature",
                )
        for k in (4, 8):
            rule = _block("tf32", "tf32", "f32", k, 4, 24, (-132, -20))
            add(
                f"{gpu}.mma_m16n8k{k}_tf32_tf32_f32",
                rule,
                f"aligned block sum of 4, 24 fraction bits ({also})",
                _NORTH,
                fits if k == 4 else "literature",
            )
    for a, b in _FP8_PAIRS:
        for d in ("f16", "f32"):
            rule = _block(a, b, d, 32, 16, 13, (None, None), short=True)
            status = fits if a == b else "literature"  # mixed operands are not among the public data
            add(
                f"ada.mma_m16n8k32_{a}_{b}_{d}",
                rule,
                "aligned block sums of 16, 13 fraction bits (RTX 1000 Ada, L40S)",
                _NORTH,
                status,
            )


def _blackwell(add) -> None:  # type: ignore[no-untyped-def]
    floors = (-133, -21)
    fits = "fits public data"
    for a, b, d in _HALVES:
        rule = _block(a, b, d, 16, 16, 25, floors)
        add(f"b200.mma_m16n8k16_{a}_{b}_{d}", rule, "aligned block sum of 16, 25 fraction bits", _NORTH, fits)
        if d == "f32":
            add(f"b200.tcgen05_k16_{a}_{b}_{d}", rule, "aligned block sum of 16, 25 fraction bits", _TCGEN, fits)
    for k in (4, 8):
        rule = _block("tf32", "tf32", "f32", k, 8, 25, floors)
        add(
            f"b200.mma_m16n8k{k}_tf32_tf32_f32",
            rule,
            f"aligned block sum of {k}, 25 fraction bits",
            _NORTH,
            fits if k == 4 else "literature",
        )
    add("b200.tcgen05_k8_tf32_tf32_f32", rule, "aligned block sum of 8, 25 fraction bits", _TCGEN, fits)
    for a, b in _FP8_PAIRS:
        for d in ("f16", "f32"):
            status = fits if a == b else "literature"
            what = "FP8 as two float16 block sums from zero (k mod 4 in 0, 1; then 2, 3), then c added"
            add(f"b200.mma_m16n8k32_{a}_{b}_{d}", _through_half(a, b, d, 32), what, _NORTH, status)
    for a in _SMALL:
        for b in _SMALL:
            rule = _block(a, b, "f32", 32, 32, 25, (None, None))
            status = fits if a == b else "literature"
            what = "aligned block sum of 32, 25 fraction bits (few words; exponent floor not resolved)"
            add(f"b200.tcgen05_k32_{a}_{b}_f32", rule, what, _TCGEN, status)
            add(f"rtx_blackwell.mma_m16n8k32_{a}_{b}_f32", rule, "aligned block sum of 32, 25 fraction bits", _MMASIM, "literature")
    _integers(add, "b200.tcgen05_k32", _TCGEN, fits)


def _parse(match: re.Match[str]) -> MatrixUnit:
    by_lower = {name.lower(): name for name in rows()}
    if match[0].lower() not in by_lower:
        gpu = match[0].lower().partition(".")[0] + "."
        raise unknown(
            "datapath", match[0], [n for n in rows() if n.startswith(gpu)], "(nf.datapaths() lists every recorded instruction)"
        )
    return MatrixUnit(by_lower[match[0].lower()])


RULES = ((r"(?i:h100|a100|v100|ada|turing|b200|rtx_blackwell)\.\w+", _parse),)


def named() -> dict[str, tuple[str, str, str]]:
    """Name -> (what it models, source, status)."""
    return {name: (row.models, row.source, row.status) for name, row in rows().items()}
