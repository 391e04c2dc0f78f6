"""`hwmodel pareto`: the front of a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodel.commands.arguments import listed, print_frame

if TYPE_CHECKING:
    import pandas as pd

_READ = (".csv", ".parquet", ".json", ".db")
_TABLES = (".csv", ".parquet", ".json")
_PICTURES = (".svg", ".png", ".pdf")
_WRITTEN = (".html", *_TABLES, *_PICTURES)
_SHOWN = 60  # rows printed
_WIDE = 7  # columns


def add_pareto(commands: Any) -> None:
    """The arguments of the command."""
    made = commands.add_parser(
        "pareto",
        help="the Pareto front of a table or of a sweep's store",
        description="The rows of a table that no other row beats in the named columns, with their knee and the hypervolume.",
    )
    made.add_argument("file", metavar="FILE", help=f"a table or the store of a sweep: {', '.join(_READ)}")
    made.add_argument("--minimize", default="", metavar="COLUMNS", help="comma-separated columns of which less is better")
    made.add_argument("--maximize", default="", metavar="COLUMNS", help="comma-separated columns of which more is better")
    made.add_argument("--per", default="", metavar="COLUMNS", help="one front for each group of these columns")
    made.add_argument("--epsilon", type=float, help="thin the front: one row a box of this width (see `hw.pareto`)")
    made.add_argument("--knee", nargs="?", const="distance", metavar="METHOD", help="mark the knee: distance, angle or trade_off")
    made.add_argument("--reference", default="", metavar="VALUES", help="print the hypervolume up to COLUMN=VALUE,...")
    made.add_argument("--x", help="horizontal axis of pictures and pages (default: the first objective)")
    made.add_argument("--y", help="vertical axis (default: the second objective)")
    made.add_argument("--color", help="column that colours the points, of at most 8 values")
    made.add_argument("--label", help="column that names the points")
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    made.add_argument("--out", action="append", default=[], metavar="FILE", help=f"write {', '.join(_WRITTEN)}; may be repeated")
    made.add_argument("--theme", choices=["light", "dark"], default="light", help="colours of pictures (default: light)")
    made.add_argument("--width", choices=["narrow", "wide"], default="wide", help="of pictures (default: wide)")
    made.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print and write the front; returns the exit code."""
    for name in arguments.out:
        if Path(name).suffix.lower() not in _WRITTEN:
            raise ValueError(f"--out {name!r} has suffix {Path(name).suffix!r}; use one of {', '.join(_WRITTEN)}")
    low, high, per = listed(arguments.minimize), listed(arguments.maximize), listed(arguments.per) or None
    if not low and not high:
        raise ValueError("--minimize and --maximize are empty; name at least one column")
    if arguments.epsilon is not None and arguments.knee:
        raise ValueError("--epsilon thins the front that --knee looks at; give one of them")
    reference = _reference(arguments.reference)
    frame = _read(arguments.file)
    from hwmodel.search.fronts import hypervolume, knee, pareto

    front = pareto(frame, low, high, per=per, epsilon=arguments.epsilon)
    if arguments.knee:
        rows = knee(frame, low, high, method=arguments.knee, per=per).index
        front = front.assign(knee=front.index.isin(rows))
    volume = hypervolume(frame, low, high, reference=reference, per=per) if reference else None
    for name in arguments.out:
        _write(name, arguments, frame, front, low, high, per)
    if arguments.json:
        _print_json(frame, front, volume)
        return 0
    objectives = [*low, *high]
    first = [*([arguments.label] if arguments.label else []), *objectives, *(["knee"] if arguments.knee else [])]
    shown = front[_columns(front, first)]
    if len(low) + len(high) <= 2:
        shown = shown.sort_values(objectives[0], kind="stable")
    knee_text = shown["knee"].map({True: "knee", False: ""}) if arguments.knee else None
    if knee_text is not None:
        shown = shown.assign(knee=knee_text)
    left, hidden = len(shown) - _SHOWN, len(front.columns) - len(shown.columns)
    more = [f"{left:,} more rows"] * (left > 0) + [f"{hidden} more columns"] * (hidden > 0)
    note = f"{', '.join(more)}; --json or --out FILE.csv give all" if more else None
    print_frame(shown.head(_SHOWN), f"{len(front):,} of {len(frame):,} rows on the front", fixed=(), caption=note)
    if arguments.knee and not front["knee"].any():
        print("no knee: the front does not bulge towards the better side")
    if volume is not None:
        print(f"hypervolume: {volume:.6g}" if isinstance(volume, float) else f"hypervolume\n{volume.to_string()}")
    return 0


def _columns(front: pd.DataFrame, first: list[str]) -> list[str]:
    """What a terminal shows: `first`, then what tells the rows apart, names and whole numbers before measures."""
    differs = [c for c in front.columns if c not in first and front[c].nunique(dropna=False) > 1]
    return [*dict.fromkeys([*first, *sorted(differs, key=lambda c: front[c].dtype.kind == "f")])][: max(_WIDE, len(first))]


def _read(name: str) -> pd.DataFrame:
    """The table of a file; ValueError for other suffixes, files that do not parse and missing packages."""
    import pandas as pd

    path = Path(name)
    suffix = path.suffix.lower()
    if suffix not in _READ:
        raise ValueError(f"{name!r} has suffix {path.suffix!r}; give one of {', '.join(_READ)}")
    if not path.is_file():
        raise ValueError(f"{name!r} is no file")
    if suffix == ".db":
        return _numbered(_store(name))
    readers: dict[str, Any] = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    try:
        return _numbered(readers[suffix](path))
    except ImportError as error:
        raise ValueError(f"{name!r} cannot be read: {error}") from error
    except (ValueError, OSError) as error:
        raise ValueError(f"{name!r} cannot be read as {suffix[1:]}: {error}") from error


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows numbered from 0; an index with a name becomes a column."""
    return frame.reset_index(drop=frame.index.names == [None])


def _store(name: str) -> pd.DataFrame:
    from hwmodel.search.sweeps.reading import read_store

    return read_store(name)


def _reference(text: str) -> dict[str, float]:
    found = {}
    for part in listed(text):
        name, _, value = part.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise ValueError(f"--reference has {part!r}; write COLUMN=VALUE, for example energy_uj=20,perplexity=30") from None
    return found


def _write(
    name: str, arguments: argparse.Namespace, frame: Any, front: Any, low: list[str], high: list[str], per: list[str] | None
) -> None:
    from hwmodel.report.save import write_whole

    suffix = Path(name).suffix.lower()
    objectives = [*low, *high]
    x, y = arguments.x or objectives[0], arguments.y or (objectives[1] if len(objectives) > 1 else objectives[0])
    look = {"color": arguments.color, "label": arguments.label, "knee": arguments.knee, "per": per}
    try:
        if suffix == ".html":
            from hwmodel.report.front_page import front_page

            title = f"Pareto front of {Path(arguments.file).name}"
            front_page(frame, name, x=x, y=y, minimize=low, maximize=high, title=title, command=arguments.typed, **look)
        elif suffix in _PICTURES:
            from hwmodel.report.front_plot import plot_front

            plot_front(frame, x, y, low, high, theme=arguments.theme, width=arguments.width, path=name, **look)
        elif suffix == ".csv":
            write_whole(Path(name), front.to_csv(index=False).encode())
        elif suffix == ".json":
            write_whole(Path(name), front.to_json(orient="records", indent=1).encode())
        else:
            write_whole(Path(name), front.to_parquet(index=False))
    except ImportError as error:
        raise ValueError(f"--out {name}: {error}") from error


def _print_json(frame: Any, front: Any, volume: Any) -> None:
    import json

    found = {"rows": len(frame), "front": json.loads(front.to_json(orient="records"))}
    if volume is not None:
        found["hypervolume"] = volume if isinstance(volume, float) else json.loads(volume.to_json())
    print(json.dumps(found, indent=1))
