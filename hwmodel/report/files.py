"""The folder of a report: complete or not there at all."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hwmodel.report.canvas import REMEDY
from hwmodel.report.html import study_page
from hwmodel.report.save import unique

MARKER = "hwmodel.report"
SCHEMA = 1
INDEX = "report.json"
_PACKAGES = ("numfmt-hwmodel", "numpy", "numba", "pandas", "pyarrow", "matplotlib")


def check_writable(folder: str | Path) -> Path:
    """The folder as an absolute path, where a report can be written to it; call it before long work. Leaves nothing behind.

    Raises ValueError for a folder that holds anything but an earlier report, for the current folder, for a mount point and
    for a file in the way; PermissionError (or another OSError) where the parent folder cannot be written.
    """
    target = Path(folder).expanduser().resolve()
    _check_target(target, folder)
    parent = _existing(target.parent)
    if not parent.is_dir():
        raise ValueError(f"report folder {str(folder)!r}: {str(parent)!r} is a file; name a folder that is not inside a file")
    probe = parent / unique(target)
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        why = error.strerror or str(error)
        raise type(error)(
            f"report folder {str(folder)!r} cannot be written: {str(parent)!r}: {why}; name another folder with --out"
        ) from error
    return target


def write(
    study: Any,
    folder: str | Path,
    *,
    command: str | None = None,
    made: str | None = None,
    versions: Mapping[str, str] | None = None,
) -> list[str]:
    """Write the report of a study; returns what was left out for want of a package, with the remedy.

    index.html; summary, layers as .csv and .parquet; sources.csv; report.json; plots as .svg and .png, light and dark. The
    report is made in a new folder beside the target and moved into place when complete: after an exception or Ctrl-C there
    is what was there before. command and made (a time) are printed on the page; without `made` the same study gives the same
    bytes. versions: of packages, None asks the environment.

    Raises ValueError and OSError as `check_writable`.
    """
    target = check_writable(folder)
    known = dict(versions if versions is not None else environment())
    with _made_parents(target.parent), _in_place(target) as new:
        return _fill(study, new, command, made, known)


def environment() -> dict[str, str]:
    """Versions of Python and of the packages that computed the numbers, where installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _fill(study: Any, new: Path, command: str | None, made: str | None, versions: Mapping[str, str]) -> list[str]:
    left_out: list[str] = []
    frames = {"summary": study.summary(), "layers": study.rows(), "sources": study.sources()}
    for name, frame in frames.items():
        # attributes of a frame can hold anything, and would go into Parquet's metadata
        bare = frame.copy(deep=False)
        bare.attrs = {}
        bare.to_csv(new / f"{name}.csv", index=False, lineterminator="\n")
        if name != "sources":
            _parquet(bare, new / f"{name}.parquet", left_out)
    pictures: list[Any] = []
    try:
        from hwmodel.report.plots import study_pictures

        pictures, files = study_pictures(study)
    except ImportError:
        left_out.append(f"Plots were left out: they need matplotlib, which is not installed; {REMEDY}")
    else:
        (new / "plots").mkdir()
        for name, content in files.items():
            (new / "plots" / name).write_bytes(content)
    page = study_page(study, pictures, command=command, made=made, versions=versions, left_out=left_out)
    (new / "index.html").write_text(page, encoding="utf-8", newline="\n")
    names = sorted(p.relative_to(new).as_posix() for p in new.rglob("*") if p.is_file())
    facts = {
        "generator": MARKER,
        "schema": SCHEMA,
        "title": study.title,
        "model": study.model,
        "metric": study.metric,
        "baseline": study.baseline,
        "settings": study.settings,
        "command": command or study.settings.get("command"),
        "made": made,
        "versions": versions,
        "summary": frames["summary"].to_dict("records"),
        "notes": study.notes,
        "left_out": left_out,
        "files": [*names, INDEX],
    }
    text = json.dumps(plain(facts), indent=1, ensure_ascii=False, allow_nan=False)
    (new / INDEX).write_text(text + "\n", encoding="utf-8", newline="\n")
    return left_out


def _parquet(frame: pd.DataFrame, path: Path, left_out: list[str]) -> None:
    try:
        import pyarrow  # noqa: F401

        frame.to_parquet(path, engine="pyarrow", index=False)
    except ImportError:
        note = f"Parquet files were left out: they need pyarrow, which is not installed; {REMEDY}"
        if note not in left_out:
            left_out.append(note)


def plain(value: Any) -> Any:
    """A value as strict JSON holds it: NumPy scalars as Python's, NaN and infinities as null, other things as text."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


@contextmanager
def _in_place(target: Path) -> Iterator[Path]:
    """A new folder that takes the place of `target` when the block ends; whatever goes wrong, the target stays as it was."""
    work = target.parent / unique(target)
    new, old = work / "new", work / "old"
    try:
        work.mkdir()
        new.mkdir()
        yield new
        if target.exists():
            os.replace(target, old)
        os.replace(new, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.replace(old, target)
        shutil.rmtree(work, ignore_errors=True)
        raise
    try:
        shutil.rmtree(work)
    except BaseException:  # interrupted again: the report stands, its predecessor's remains must still go
        shutil.rmtree(work, ignore_errors=True)
        raise


@contextmanager
def _made_parents(parent: Path) -> Iterator[None]:
    """The parent folders exist inside the block; those that it made are removed where it fails."""
    missing = [p for p in (parent, *parent.parents) if not p.exists()]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for made in missing:
            with suppress(OSError):
                made.rmdir()
        raise


def _check_target(target: Path, given: str | Path) -> None:
    what = f"report folder {str(given)!r}"
    if not target.exists():
        return
    if not target.is_dir():
        raise ValueError(f"{what} is a file; name a folder that does not exist yet")
    here = Path.cwd()
    if target == here or target in here.parents:
        raise ValueError(f"{what} is the current folder or holds it; name a folder inside it, such as 'report'")
    if target.is_mount():
        raise ValueError(f"{what} is a mount point, which cannot be replaced; name a folder inside it")
    foreign = _foreign(target)
    if foreign is not None:
        raise ValueError(f"{what} holds {foreign!r}, which no report wrote; name an empty or new folder, or move it away")


def _foreign(target: Path) -> str | None:
    """A file in the folder that is not of the report it holds; None for an empty folder or a report."""
    found = sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if not p.is_dir() or p.is_symlink())
    if not found:
        return next((p.name for p in sorted(target.iterdir())), None)
    try:
        facts = json.loads((target / INDEX).read_text(encoding="utf-8"))
        ours = set(facts["files"]) if facts["generator"] == MARKER else set()
    except (OSError, ValueError, KeyError, TypeError):
        ours = set()
    return next((name for name in found if name not in ours), None)


def _existing(path: Path) -> Path:
    """The nearest ancestor that exists."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path
