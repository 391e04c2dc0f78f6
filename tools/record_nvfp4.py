"""Records words of the published NVFP4 code of NVIDIA: `python tools/record_nvfp4.py TE MODELOPT OLD tests/vectors/nvfp4.npz`.

TE: TransformerEngine's pytorch/custom_recipes/reference_nvfp4.py (commit d0067d0). MODELOPT, OLD: Model-Optimizer's
modelopt/torch/quantization/qtensor/nvfp4_tensor.py at a2fbac7 and at 5a4242f. They run on the CPU under torch 2.13.0; what they
import of their packages, none of it arithmetic but three maxima, is stood in for here. Inputs are stored beside the words.
"""

from __future__ import annotations

import re
import sys
import types
from enum import Enum
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from record_torchao import nvfp4_tensors, unpacked


class Fp4Formats(Enum):
    """Stands in for an enumeration that the reference names in annotations."""

    E2M1 = "e2m1"


class Holder:
    """Stands in for base classes: keeps the packed words."""

    def __init__(self, *given: Any, **_: Any) -> None:
        self.packed = given[-1] if given else None


def run_source(path: str, pattern: str, names: dict[str, Any]) -> dict[str, Any]:
    """The names of a source file whose imports that match `pattern` are replaced by `names`."""
    module = types.ModuleType(Path(path).stem)
    sys.modules[module.__name__] = module
    module.__dict__.update(names)
    exec(compile(re.sub(pattern, "", Path(path).read_text()), path, "exec"), module.__dict__)
    return module.__dict__


def transformer_engine(path: str) -> Any:
    """The reference quantizer's function."""
    names = {
        "QuantizedTensorStorage": Holder,
        "Quantizer": Holder,
        "gemm": MagicMock(),
        "reference_utils": types.SimpleNamespace(Fp4Formats=Fp4Formats),
    }
    found = run_source(path, r"from transformer_engine.*\n", names)["NVFP4QuantizerRef"]

    def run(x: np.ndarray, height: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        tensor = torch.from_numpy(x)
        data, scales = found._quantize_blockwise_reference(
            tensor, tensor.abs().max(), 16, height, pow_2_scales=False, eps=0.0, **options
        )
        return unpacked(data, True), scales.view(torch.uint8).numpy()[::height]

    return run


def modelopt(path: str) -> Any:
    """The dynamic quantizer."""
    names = {
        "BaseQuantizedTensor": Holder,
        "fp4_compatible": lambda: False,
        "reduce_amax": lambda t: t.abs().max(),
        "reduce_block_amax": lambda t, block_sizes: t.abs().reshape(*t.shape[:-1], -1, block_sizes[-1]).amax(-1),
        "reduce_block_padding": lambda t, block_sizes: t,
        "E2M1_MAX": 6.0,
        "E4M3_MAX": 448.0,
        "fp8_max_for_normalization": lambda quantizer: 448.0,
    }
    found = run_source(path, r"from \.\.?.*import .*\n", names)["NVFP4QTensor"]

    def run(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        data, scales, _ = found.quantize(torch.from_numpy(x.copy()), 16)
        return unpacked(data.packed, True), scales.view(torch.uint8).numpy()

    return run


def main(te_path: str, new_path: str, old_path: str, path: str) -> None:
    te, new, old = transformer_engine(te_path), modelopt(new_path), modelopt(old_path)
    arrays: dict[str, np.ndarray] = {}
    for number, x in enumerate(nvfp4_tensors()):
        x = np.pad(x, ((0, -x.shape[0] % 16), (0, 0)))
        made = {"te": te(x, 1), "te_2d": te(x, 16), "modelopt": old(x), "modelopt_floor": new(x)}
        for mode in ("MAE", "MSE"):
            over = {"nvfp4_use_4over6": True, "nvfp4_4over6_err_mode": mode}
            for bound in (256, 448):
                for fast in (False, True):
                    options = over | {"nvfp4_e4m3_max": bound, "nvfp4_4over6_err_use_fast_math": fast}
                    made[f"over_{mode.lower()}_{bound}_{'fast' if fast else 'plain'}"] = te(x, 1, **options)
            made[f"over_{mode.lower()}_2d"] = te(x, 16, nvfp4_e4m3_max=256, **over)
        arrays[f"{number}_x"] = x
        for name, (codes, scales) in made.items():
            arrays |= {f"{number}_{name}_codes": codes, f"{number}_{name}_scales": scales}
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
