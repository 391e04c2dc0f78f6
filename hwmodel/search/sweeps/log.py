"""The log (NAME-wal) that a process leaves when it is killed: SQLite passes over what it cannot read in it, so this looks.

Format: a header of 32 bytes (magic, version, page size, sequence, two salts, two checksums), then frames of 24 bytes (page, size
of the database or 0 where the transaction goes on, the salts, two checksums over everything so far) and a page each. Source:
sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

_HEADER, _FRAME = 32, 24
_MAGIC = 0x377F0682  # checksums over little-endian words; the same + 1: big-endian
_MASK = 0xFFFFFFFF


class StoreWarning(UserWarning):
    """A store of which something is lost, that will be computed again."""


def check_log(target: Path, path: str) -> None:
    """StoreWarning where finished transactions in the log of a store cannot be read: those points count as not computed."""
    log = target.with_name(target.name + "-wal")
    lost: int | None = 0
    for _ in range(3):  # somebody may write: what is seen must be seen with an unchanged file
        try:
            before, content, after = log.stat(), log.read_bytes(), log.stat()
        except FileNotFoundError:
            return
        lost = lost_transactions(content)
        if lost == 0:
            return
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            break
    else:
        return
    what = "cannot be read" if lost is None else f"has {lost} transactions that cannot be read"
    warnings.warn(
        f"the log of store {path!r}, {log.name}, {what} (damage, or a loss of power); what they held counts as not computed, the"
        " rest is as it was",
        StoreWarning,
        stacklevel=2,
    )


def lost_transactions(content: bytes) -> int | None:
    """How many transactions were finished in a log behind the place where its checksums end; None where its header does not fit."""
    if len(content) <= _HEADER:
        return 0
    magic, _, size, _, *salts, first, second = struct.unpack(">8I", content[:_HEADER])
    order = {_MAGIC: "<", _MAGIC + 1: ">"}.get(magic)
    if order is None or _sum(content[: _HEADER - 8], order, 0, 0) != (first, second):
        return None
    sums, whole, lost = (first, second), True, 0
    for at in range(_HEADER, len(content) - _FRAME - size + 1, _FRAME + size):
        _, commit, one, other, *own = struct.unpack(">6I", content[at : at + _FRAME])
        if [one, other] != salts:  # of the time before the log began anew
            whole = False
            continue
        if whole:
            page = content[at + _FRAME : at + _FRAME + size]
            sums = _sum(page, order, *_sum(content[at : at + 8], order, *sums))
            whole = sums == tuple(own)
        if not whole and commit:
            lost += 1
    return lost


def _sum(data: bytes, order: str, one: int, other: int) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + other) & _MASK
        other = (other + odd + one) & _MASK
    return one, other
