"""What makes the answers of an evaluator: a store made with another one is not used."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodel.search.sweeps.blocks import canonical

if TYPE_CHECKING:
    import pandas as pd


def digest(text: str | bytes) -> str:
    """A short name of a content."""
    return hashlib.blake2b(text.encode() if isinstance(text, str) else text, digest_size=16).hexdigest()


def own(evaluate: Any) -> bool:
    """Whether it is the evaluator that comes with hwmodel."""
    return hasattr(evaluate, "together")


def identity(evaluate: Any, version: Any, work: pd.DataFrame | None, accelerators: list[str]) -> dict[str, Any]:
    """What makes the results of an evaluator: its name and version, contents that it reads. JSON can hold it.

    A function of the caller's is known by its name and, without `version`, by its code (comments aside); what it calls is not
    looked at. ValueError for callables that cannot be told apart so.
    """
    found: dict[str, Any] = {}
    if own(evaluate):
        found = {"evaluator": "hwmodel", "version": version or _packages()}
        found["accelerators"] = {name: _accelerator_digest(name) for name in accelerators}
    else:
        found = {"evaluator": _name(evaluate), "version": version if version is not None else _code(evaluate)}
    if work is not None:
        found["work"] = digest(work.to_json(orient="split", double_precision=15) + canonical(sorted(map(str, work.columns))))
    return found


@lru_cache(maxsize=1)
def _packages() -> str:
    """The code and tables of this package as they are installed: any change of them may change a price."""
    made = hashlib.blake2b(digest_size=16)
    for name in ("hwmodel", "numfmt"):
        spec = find_spec(name)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            files = (p for p in Path(folder).rglob("*") if p.suffix in (".py", ".csv", ".yaml"))
            for path in sorted(files, key=lambda p: p.relative_to(folder).as_posix()):
                made.update(f"{name}/{path.relative_to(folder).as_posix()}\n".encode() + path.read_bytes())
    return f"source {made.hexdigest()}"


def network_digest(name: str) -> str:
    """Of a network's files: their names, sizes and times; of one that comes with the package, its name."""
    path = Path(name).expanduser()
    if not path.exists():
        return name
    files = sorted(p for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file())
    return digest(canonical([[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in files]))


def _accelerator_digest(name: str) -> str:
    from hwmodel.accelerators import accelerator

    return digest(repr(accelerator(name)))


def _name(evaluate: Callable[..., Any]) -> str:
    if isinstance(evaluate, partial):
        try:
            given = canonical([list(evaluate.args), evaluate.keywords])
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"evaluate is a partial function of {error}; give version=, which changes whenever its answers do"
            ) from error
        return f"{_name(evaluate.func)} of {given}"
    known = evaluate if hasattr(evaluate, "__qualname__") else type(evaluate)
    return f"{known.__module__}.{known.__qualname__}"


def _code(evaluate: Callable[..., Any]) -> str:
    known = evaluate.func if isinstance(evaluate, partial) else evaluate
    if hasattr(known, "version"):
        return str(known.version)
    try:
        source = textwrap.dedent(inspect.getsource(known if hasattr(known, "__qualname__") else type(known)))
        return f"code {digest(ast.dump(ast.parse(source)))}"
    except (OSError, TypeError, SyntaxError):
        return "unknown"
