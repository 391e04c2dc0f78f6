"""Posits with two exponent bits (the 2022 standard) against SoftPosit's recorded words: decoding, encoding and arithmetic."""

from pathlib import Path

import numpy as np
import pytest

import numfmt as nf

RECORDED = np.load(Path(__file__).parent / "vectors" / "posit2_softposit.npz")


@pytest.mark.parametrize("width", [6, 8, 12, 16, 32])
def test_values_and_words(width):
    f = nf.parse(f"posit<{width},2>")
    codes, values = RECORDED[f"p{width}_codes"].astype(f.code_dtype), RECORDED[f"p{width}_values"]
    got = nf.decode(codes, f)
    nar = codes == 1 << (width - 1)
    np.testing.assert_array_equal(np.isnan(got), nar)
    np.testing.assert_array_equal(got[~nar], values[~nar])
    found = nf.compare(nf.encode(RECORDED[f"p{width}_x"], f), RECORDED[f"p{width}_words"], f, inputs=(RECORDED[f"p{width}_x"],))
    assert found, str(found)


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide", "sqrt"])
@pytest.mark.parametrize("width", [6, 8, 12, 16, 32])
def test_arithmetic(width, operation):
    f = nf.parse(f"posit<{width},2>")
    operands = RECORDED[f"p{width}_operands"].astype(f.code_dtype)[: 1 if operation == "sqrt" else 2]
    got = getattr(nf, operation)(*operands, f, operands="codes", returns="codes")
    found = nf.compare(got, RECORDED[f"p{width}_{operation}"], f, inputs=tuple(operands))
    assert found, str(found)
