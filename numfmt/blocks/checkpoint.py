"""A model's weights, quantized shard by shard: read through memory maps, written whole, resumed where it stopped."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 (safetensors reads bfloat16 arrays through it)
import numpy as np

from ..formats import pack
from .family import Part
from .files import ShardWriter, dtype_of, stored_array
from .quantize import quantize
from .scheme import Scheme, scheme
from .tensor import Packed, QuantizedTensor

_BLOCK_BYTES = 64 << 20  # of float32 read and quantized at a time
_MARK = "numfmt.checkpoint"
Report = Callable[[str, int, int], None]  # (tensor, bytes of weights done, bytes in all)


@dataclass(frozen=True)
class _Job:
    """One tensor of a shard: quantized under `made`, or copied where that is None."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    made: Scheme | None


def quantize_checkpoint(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    spec: str | Scheme | Mapping[str, str | Scheme],
    *,
    skip: tuple[str, ...] = (),
    progress: bool = True,
) -> Path:
    """Quantize the weights of a model in safetensors files and write them packed, one file for each that was read.

    source: a .safetensors file or a directory of them. target: a directory, made if absent. spec: a scheme for every matrix (a
    tensor of two axes or more, groups along the last), or schemes by name pattern ({"*.mlp.*": "int4/g128", "*": "int8/channel"};
    the first that matches counts). skip: name patterns of tensors to copy as they are, as all vectors are. progress: a bar in the
    terminal.

    Rows are read through a memory map, some 64 MB at a time, and written to their place in the file, so that memory does not grow
    with the model (schemes that share something over all rows, such as nvfp4's tensor scale, take a tensor at a time). A file
    appears when it is whole; files that are there already, made of the same source under the same schemes, are kept: run again to
    resume. Returns the target. `nf.open_checkpoint(target)` reads it.

    Raises ValueError where the source holds no safetensors file, for files cut short, for schemes that do not fit a tensor (it is
    named), and for a target that holds other work; FileNotFoundError where the source does not exist.
    """
    folder = Path(target)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"target {folder} is a file; name a directory, which is made if absent")
    files = source_files(Path(source))
    chosen = _chooser(spec, (skip,) if isinstance(skip, str) else skip)
    plans = {file: _jobs(file, chosen) for file in files}
    _check_names(plans)
    if isinstance(spec, Mapping) and not any(job.made for jobs in plans.values() for job in jobs):
        raise ValueError(f"none of the patterns {', '.join(map(repr, spec)) or '(none given)'} names a matrix of {source}; add '*'")
    total = sum(_bytes(job) for jobs in plans.values() for job in jobs)
    folder.mkdir(parents=True, exist_ok=True)
    with _bar(progress, total) as report:
        done = 0
        for file, jobs in plans.items():
            out = folder / file.name
            mark = _mark(file, jobs)
            if out.exists():
                _check_same(out, mark)
            else:
                _write(file, out, jobs, mark, partial(_shifted, report, done, total))
            done += sum(map(_bytes, jobs))
            report(file.name, done, total)
    return folder


def _check_names(plans: Mapping[Path, list[_Job]]) -> None:
    """Refuse tensors that would be written or found under one name."""
    homes: dict[str, str] = {}
    for file, jobs in plans.items():
        for job in jobs:
            written = [job.name] if job.made is None else [job.name, *(f"{job.name}.{part}" for part in _parts(job))]
            for name in written:
                if name in homes:
                    raise ValueError(
                        f"{job.name!r} of {file.name} and {homes[name]} would both be called {name!r}; rename one of them, or name "
                        "the quantized one in skip="
                    )
                homes[name] = f"{job.name!r} of {file.name}"


def _shifted(report: Report, done: int, total: int, name: str, size: int) -> None:
    report(name, done + size, total)


def source_files(source: Path) -> list[Path]:
    """The safetensors files of a path. Raises FileNotFoundError, ValueError where there are none."""
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist")
    files = sorted(source.glob("*.safetensors")) if source.is_dir() else [source]
    if not files:
        raise ValueError(f"{source} holds no .safetensors file; convert the model to safetensors first")
    return files


def _chooser(spec: str | Scheme | Mapping[str, str | Scheme], skip: tuple[str, ...]) -> Callable[[str], Scheme | None]:
    patterns = dict(spec) if isinstance(spec, Mapping) else {"*": spec}
    made = {pattern: scheme(text) for pattern, text in patterns.items()}

    def choose(name: str) -> Scheme | None:
        if any(fnmatch.fnmatch(name, pattern) for pattern in skip):
            return None
        return next((value for pattern, value in made.items() if fnmatch.fnmatch(name, pattern)), None)

    return choose


def _jobs(file: Path, choose: Callable[[str], Scheme | None]) -> list[_Job]:
    """What becomes of each tensor of a file. Raises ValueError for damaged files and schemes that do not fit."""
    jobs = []
    with _opened(file) as handle:
        for name in handle.keys():  # noqa: SIM118 (not a dict)
            piece = handle.get_slice(name)
            shape, dtype = tuple(piece.get_shape()), piece.get_dtype()
            weights = len(shape) >= 2 and dtype in ("F64", "F32", "F16", "BF16") and 0 not in shape
            made = choose(name) if weights else None
            if made is not None:
                try:
                    made.way.parts(made, made.grid(int(np.prod(shape[:-1])), shape[-1]))
                except ValueError as error:
                    raise ValueError(f"{name} of {file.name}, shape {shape}: {error}; or name it in skip=") from None
            jobs.append(_Job(name, shape, dtype, made))
    return jobs


def _opened(file: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(file, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{file} is not a whole safetensors file: {error}") from None


def _bytes(job: _Job) -> int:
    """Bytes of a tensor, its dtype's width taken from its name (F16, BF16, I8, F8_E4M3, BOOL)."""
    digits = "".join(c for c in job.dtype.partition("_")[0] if c.isdigit())
    return int(np.prod(job.shape, dtype=np.int64)) * (int(digits) // 8 if digits else 1)


def _mark(file: Path, jobs: list[_Job]) -> dict[str, str]:
    """Metadata of the file to write: what it is made of, and how."""
    held = {
        job.name: {"scheme": str(job.made), "shape": list(job.shape), "stored": list(_parts(job))}
        for job in jobs
        if job.made is not None
    }
    return {_MARK: json.dumps({"source": file.name, "sample": _sample(file), "tensors": held}, sort_keys=True)}


def _sample(file: Path) -> str:
    """A digest of a file's size and of 256 places in it, that a change of its weights would show in."""
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as handle:
        for n in range(256):
            handle.seek(size * n // 256)
            digest.update(handle.read(4096))
    return digest.hexdigest()


def _check_same(out: Path, mark: dict[str, str]) -> None:
    with _opened(out) as handle:
        found = (handle.metadata() or {}).get(_MARK)
    if found != mark[_MARK]:
        raise ValueError(f"{out} holds other work (another source, or other schemes); remove it or choose another target")


def _write(file: Path, out: Path, jobs: list[_Job], mark: dict[str, str], report: Callable[[str, int], None]) -> None:
    with _opened(file) as handle:
        layout: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
        for job in jobs:
            if job.made is None:
                layout[job.name] = (dtype_of(job.dtype, job.name), job.shape)
                continue
            for name, part in _parts(job).items():
                layout[f"{job.name}.{name}"] = _dense(part)
        with ShardWriter(out, layout, mark) as writer:
            done = 0
            for job in jobs:
                if job.made is None:
                    writer.put(job.name, stored_array(file, job.name))
                else:
                    for last in _quantize_into(handle.get_slice(job.name), job, writer):
                        report(job.name, done + last * _bytes(job) // job.shape[0])
                done += _bytes(job)


def _parts(job: _Job) -> dict[str, Part]:
    assert job.made is not None
    return job.made.way.parts(job.made, job.made.grid(int(np.prod(job.shape[:-1])), job.shape[-1]))


def _small(part: Part) -> bool:
    return part.bits < 8 * part.dtype.itemsize


def _dense(part: Part) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of a part in dense storage."""
    return (np.dtype(np.uint8), (-(-part.count * part.bits // 8),)) if _small(part) else (part.dtype, part.shape)


def _quantize_into(piece: Any, job: _Job, writer: ShardWriter) -> Iterator[int]:
    """Quantize a tensor by blocks of rows; yields how many entries of its first axis are done."""
    made, parts = job.made, _parts(job)
    assert made is not None
    inner = int(np.prod(job.shape[1:-1]))  # rows of the matrix in one entry of the first axis
    step = max(1, _BLOCK_BYTES // (4 * inner * job.shape[-1]))
    unit = 8 * made.granularity.height  # whole bytes of every packed array, whole blocks
    step = -(-step // unit) * unit
    if made.granularity.kind in ("tensor", "flat") or any(part.height < 1 for part in parts.values()):  # all rows share something
        step = job.shape[0]
    for first in range(0, job.shape[0], step):
        last = min(first + step, job.shape[0])
        try:
            q = quantize(piece[first:last], made)
        except ValueError as error:
            raise ValueError(f"{job.name}: {error}") from None
        for name, part in parts.items():
            array = q.part(name)
            begin = first * inner // max(part.height, 1)
            if _small(part):
                each = part.count // part.shape[0] * part.bits if part.shape else part.bits
                words = pack(np.ascontiguousarray(array).view(f"u{part.dtype.itemsize}"), part.bits)
                writer.put_at(f"{job.name}.{name}", begin * each // 8, words)
            else:
                writer.put_at(f"{job.name}.{name}", begin, array)
        yield last


class Checkpoint(Mapping[str, Any]):
    """The tensors of a quantized model by name: `QuantizedTensor` where one was quantized, the array where it was copied.

    Tensors are read when asked for. `schemes`: the scheme of every quantized one.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._files: dict[str, Path] = {}
        self.schemes: dict[str, Scheme] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        for file in source_files(self.folder):
            with _opened(file) as handle:
                meta = (handle.metadata() or {}).get(_MARK)
                if meta is None:
                    raise ValueError(f"{file} is no file of quantize_checkpoint (its metadata lacks {_MARK})")
                held = json.loads(meta)["tensors"]
                parts = {f"{name}.{part}" for name, facts in held.items() for part in facts["stored"]}
                for name in [*held, *(n for n in handle.keys() if n not in parts)]:  # noqa: SIM118 (not a dict)
                    self._files[name] = file
            for name, facts in held.items():
                self.schemes[name] = scheme(facts["scheme"])
                self._shapes[name] = tuple(facts["shape"])

    def __getitem__(self, name: str) -> Any:
        with _opened(self._files[name]) as handle:
            if name not in self.schemes:
                return stored_array(self._files[name], name)
            made, shape = self.schemes[name], self._shapes[name]
            parts = made.way.parts(made, made.grid(int(np.prod(shape[:-1])), shape[-1]))
            stored: dict[str, np.ndarray | Packed] = {}
            for part_name, part in parts.items():
                array = handle.get_tensor(f"{name}.{part_name}")
                dtype, want = _dense(part)
                if array.dtype != dtype or array.shape != want:
                    raise ValueError(
                        f"{name}.{part_name} of {self._files[name]} has shape {array.shape}; {made} needs {want}, {dtype}"
                    )
                stored[part_name] = Packed(array, part) if _small(part) else array
            return QuantizedTensor(made, shape, len(shape) - 1, stored)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def quantized_size(self) -> tuple[int, int]:
        """Elements of the quantized tensors, and the bits that they take, all overheads counted."""
        elements = bits = 0
        for name, made in self.schemes.items():
            *leading, depth = self._shapes[name]
            rows = int(np.prod(leading, dtype=np.int64))
            elements += rows * depth
            bits += made.stored_bits(rows, depth)
        return elements, bits

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in set(self._files.values()))


def open_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint:
    """What `quantize_checkpoint` wrote. Raises ValueError for other files, FileNotFoundError where there is nothing."""
    return Checkpoint(folder)


class _bar:
    """A progress bar, or nothing."""

    def __init__(self, shown: bool, total: int) -> None:
        self._shown, self._total = shown, total

    def __enter__(self) -> Report:
        if not self._shown:
            return lambda name, done, total: None
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns)
        self._progress.start()
        task = self._progress.add_task("quantizing", total=self._total)

        def report(name: str, done: int, total: int) -> None:
            self._progress.update(task, completed=done, description=name[-40:])

        return report

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._progress.stop()
