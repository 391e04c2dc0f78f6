"""Figures and tables as files: complete, or as it was before."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Mapping
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
    write_together({target: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together: all of them new, or all as they were before. Raises OSError with the file's name."""
    parts = {target: target.with_name(unique(target)) for target in contents}
    old: dict[Path, Path] = {}
    moved: list[Path] = []
    target = Path()
    try:
        for target, content in contents.items():
            parts[target].write_bytes(content)
        for target in contents:
            if target.is_file() and len(contents) > 1:
                kept = target.with_name(unique(target))
                os.replace(target, kept)
                old[target] = kept
            os.replace(parts[target], target)
            moved.append(target)
    except BaseException as error:
        for each in moved if len(contents) > 1 else ():
            each.unlink(missing_ok=True)
        for each, kept in old.items():
            os.replace(kept, each)
        for part in parts.values():
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise type(error)(f"{str(target)!r} cannot be written: {error.strerror or error}") from error
        raise
    for kept in old.values():
        kept.unlink(missing_ok=True)


def unique(target: Path) -> str:
    """A name beside `target` that nobody else uses."""
    return f".{target.name}.partial-{os.getpid()}-{secrets.token_hex(4)}"


def _pdf(made: Figure) -> bytes:
    import matplotlib

    out = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        made.savefig(out, format="pdf", metadata={"CreationDate": None, "Creator": None}, facecolor=made.get_facecolor())
    return out.getvalue()
