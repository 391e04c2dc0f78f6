"""LUTs, registers and clock of multi-lane flush-to-zero MACs on one DSP48E2, as published for XtraMAC, predicted from structure."""

from __future__ import annotations

import pandas as pd

from hwmodel._frames import beside, checked_frame
from hwmodel.fpga.xtramac import COLUMNS, PREDICTED, macs_of, predict, published


def xtramac(frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rows of `frame` with predicted lut, ff, dsp and fmax_mhz (Vivado, UltraScale+).

    frame: columns a, b, accumulator (formats as fp16, bf16, fp8e4m3, fp4e2m1, int8, int; accumulators also fp32, fp8, int32), lanes
    (1, 2, 4) and cycles (4, 5, 6); None means the published rows that come with the package. Other columns are kept; those named
    like a prediction get the suffix _measured.

    Errors on configurations that the fit did not see, median and worst: LUT 4 % and 16 %, FF 7 % and 21 %, clock 12 % and
    46 % (by the stages of `hwmodel.fpga.pipeline`).
    Raises ValueError for missing columns, unknown formats, and products that do not fit one DSP block; it names the row, counted
    from 0.
    """
    if frame is None:
        frame = published()
    found = predict(macs_of(checked_frame(frame, COLUMNS)))
    return beside(frame, {name: found[name].to_numpy() for name in PREDICTED})
