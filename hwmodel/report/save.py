"""A figure as a file: complete, or as it was before."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hwmodel.report.canvas import png, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")


def check_suffix(path: str | Path) -> Path:
    """The path as given, if its suffix names a kind of picture; ValueError else."""
    target = Path(path).expanduser()
    if target.suffix.lower() not in SUFFIXES:
        raise ValueError(f"picture {str(path)!r} has suffix {target.suffix!r}; use one of {', '.join(SUFFIXES)}")
    return target


def save(made: Figure, path: str | Path) -> None:
    """Write a figure as .svg, .png or .pdf, the same bytes for the same figure. ValueError for other suffixes, OSError as usual."""
    target = check_suffix(path)
    content = {".svg": lambda: svg(made).encode(), ".png": lambda: png(made, 300), ".pdf": lambda: _pdf(made)}
    write_whole(target, content[target.suffix.lower()]())


def write_whole(target: Path, content: bytes) -> None:
    """Write a file under another name and move it into place."""
    part = target.with_name(f".{target.name}.part{os.getpid()}")
    try:
        part.write_bytes(content)
        os.replace(part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise type(error)(f"{str(target)!r} cannot be written: {why}") from error


def _pdf(made: Figure) -> bytes:
    import matplotlib

    out = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        made.savefig(out, format="pdf", metadata={"CreationDate": None, "Creator": None}, facecolor=made.get_facecolor())
    return out.getvalue()
