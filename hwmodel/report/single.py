"""The page of one score as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwmodel.report.canvas import REMEDY
from hwmodel.report.files import environment
from hwmodel.report.html import score_page
from hwmodel.report.save import write_whole


def score_html(score: Any, path: str | Path | None = None) -> str:
    """The page of a score as text; written to `path` too, if given: the file is complete or as it was before.

    Without matplotlib the page has no plot and says so. Raises OSError where the file cannot be written.
    """
    pictures, left_out = [], []
    try:
        from hwmodel.report.plots import score_pictures

        pictures = score_pictures(score)
    except ImportError:
        left_out.append(f"The plot was left out: it needs matplotlib, which is not installed; {REMEDY}")
    text = score_page(score, pictures, versions=environment(), left_out=left_out)
    if path is not None:
        write_whole(Path(path).expanduser(), text.encode())
    return text
