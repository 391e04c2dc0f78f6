"""Assemble the language model's training text and its held-out excerpt from CPython's own documentation.

Training text: the topics of ``pydoc_data.topics`` and the docstrings of the standard library (read with :mod:`ast`,
never imported; tests left out). Held-out text: the whole topics named in ``heldout_topics.txt``. A paragraph of the
training text that shares ``OVERLAP`` or more characters verbatim with the held-out text (white space collapsed) is
dropped, and so is a repeated paragraph.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
import sysconfig
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from pydoc_data.topics import topics

PYTHON_VERSION = "3.11.7"
TRAINING_SHA256 = "8828758c2d837e51080886447a0232b4eb6dbc14e7591c34c3f1b7b1ee0388f8"
HELDOUT_SHA256 = "f95c922bdd5ad07226f4e3034b62dec0608ae86803513eb79bf28844f227ca86"
OVERLAP = 64
SKIPPED_FOLDERS = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
HELDOUT_NAMES = Path(__file__).with_name("heldout_topics.txt")


@dataclass(frozen=True)
class Texts:
    """The two texts, where the docstrings begin in the training text, and what was dropped from it (characters)."""

    training: str
    heldout: str
    topics_end: int
    dropped_overlap: int
    dropped_repeats: int

    @property
    def training_sha256(self) -> str:
        return sha256(self.training)

    @property
    def heldout_sha256(self) -> str:
        return sha256(self.heldout)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def heldout_names() -> list[str]:
    lines = HELDOUT_NAMES.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def heldout_text() -> str:
    """The held-out topics, whole, in the order of the data file."""
    missing = [name for name in heldout_names() if name not in topics]
    if missing:
        raise SystemExit(f"pydoc_data.topics of Python {sys.version.split()[0]} lacks the held-out topics {missing}")
    return "\n\n".join(topics[name].strip("\n") for name in heldout_names()) + "\n"


def docstrings(library: Path) -> Iterator[str]:
    """Docstrings of every module, class and function under `library`, in path order, then in source order."""
    for path in sorted(library.rglob("*.py"), key=lambda p: p.relative_to(library).as_posix()):
        if SKIPPED_FOLDERS & set(path.relative_to(library).parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except SyntaxError:  # deliberately broken files that some distributions carry
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text and len(text) >= 32:
                    yield text


def paragraphs(documents: Iterable[str]) -> list[str]:
    """Split into paragraphs; a document's last one ends with an extra newline, so that documents stay apart."""
    out: list[str] = []
    for document in documents:
        parts = [part for part in re.split(r"\n[ \t]*\n", document.strip("\n")) if part.strip()]
        if parts:
            out += [*parts[:-1], parts[-1] + "\n"]
    return out


def collapse(text: str) -> str:
    return " ".join(text.split())


def overlapping(parts: list[str], windows: set[str]) -> set[int]:
    """Indices of the paragraphs touched by a run of OVERLAP characters that is one of `windows`."""
    flat = [collapse(part) for part in parts]
    starts = list(accumulate((len(part) + 1 for part in flat), initial=0))
    text = " ".join(flat)
    touched: set[int] = set()
    for i in range(len(text) - OVERLAP + 1):
        if text[i : i + OVERLAP] in windows:
            touched.update(range(bisect_right(starts, i) - 1, bisect_right(starts, i + OVERLAP - 1)))
    return touched


def assemble() -> Texts:
    """Both texts of the running Python. Pure function of the installed standard library."""
    heldout = heldout_text()
    excluded = set(heldout_names())
    prose = paragraphs(text for name, text in topics.items() if name not in excluded)
    parts = prose + paragraphs(docstrings(Path(sysconfig.get_path("stdlib"))))

    unique: list[str] = []
    seen: set[str] = set()
    repeats = 0
    topics_left = 0
    for i, part in enumerate(parts):
        key = collapse(part)
        if len(key) >= OVERLAP and key in seen:
            repeats += len(part)
            continue
        seen.add(key)
        unique.append(part)
        topics_left += i < len(prose)

    flat = collapse(heldout)
    windows = {flat[i : i + OVERLAP] for i in range(len(flat) - OVERLAP + 1)}
    overlap = 0
    # Dropping paragraphs makes new neighbours, so repeat until nothing matches across a seam either.
    while touched := overlapping(unique, windows):
        overlap += sum(len(unique[i]) for i in touched)
        topics_left -= sum(i < topics_left for i in touched)
        unique = [part for i, part in enumerate(unique) if i not in touched]
    topics_end = len("\n\n".join(unique[:topics_left]))
    return Texts("\n\n".join(unique), heldout, topics_end, overlap, repeats)


def checked(any_text: bool = False) -> Texts:
    """`assemble`, stopping when the text is not the pinned one (unless `any_text`)."""
    texts = assemble()
    for what, got, want in (
        ("training", texts.training_sha256, TRAINING_SHA256),
        ("held-out", texts.heldout_sha256, HELDOUT_SHA256),
    ):
        if got != want and not any_text:
            raise SystemExit(
                f"the {what} text of this Python {sys.version.split()[0]} differs from the pinned one:\n"
                f"  SHA-256 here   {got}\n  SHA-256 pinned {want}\n"
                f"Use CPython {PYTHON_VERSION} with its full standard library, or pass --any-text to use this text."
            )
    return texts
