"""The results of a sweep."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodel.search.sweeps.identity import own
from hwmodel.search.sweeps.space import Space
from hwmodel.search.sweeps.store import Store

if TYPE_CHECKING:
    import pandas as pd

_SOURCES = 64  # designs whose constants are listed

Names = Sequence[str]


class Sweep:
    """A sweep that is done: its table, the front, the failures.

    `.store` is the file (None: in memory), `.computed` how many points this call computed, `.question` what the store remembers.
    """

    def __init__(
        self, place: Store | Path, question: dict[str, Any], space: Space, evaluate: Any, goals: Any, computed: int
    ) -> None:
        self._place, self.question, self.space, self._evaluate = place, question, space, evaluate
        self._goals, self.computed = goals, computed
        self._frame: pd.DataFrame | None = None
        if isinstance(place, Store):
            weakref.finalize(self, place.close)

    @property
    def store(self) -> Path | None:
        """The file of the results."""
        return self._place if isinstance(self._place, Path) else None

    def frame(self) -> pd.DataFrame:
        """One row a point that has a result, in the order of the points: columns of the axes, then of the results. The index is the
        number of the point."""
        if self._frame is None:
            from hwmodel.search.sweeps.reading import frame_of, reading

            if isinstance(self._place, Store):
                self._frame = frame_of(self._place.db, self._place.path)
            else:
                with reading(self._place) as db:
                    self._frame = frame_of(db, str(self._place))
        return self._frame.copy()

    @property
    def failures(self) -> pd.DataFrame:
        """The points that have none: axes and `error`."""
        from hwmodel.search.sweeps.reading import failures_of, reading

        if isinstance(self._place, Store):
            return failures_of(self._place.db, self._place.path)
        with reading(self._place) as db:
            return failures_of(db, str(self._place))

    @property
    def counts(self) -> dict[str, Any]:
        """Points stored with a result, failed, and computed by this call."""
        from hwmodel.search.sweeps.reading import facts, reading

        if isinstance(self._place, Store):
            found = facts(self._place.db)
        else:
            with reading(self._place) as db:
                found = facts(db)
        return {"stored": found["stored"], "failed": found["failed"], "computed": self.computed}

    def front(self, minimize: Sequence[str] = (), maximize: Sequence[str] = ()) -> pd.DataFrame:
        """The rows of `.frame()` on the Pareto front (hw.pareto); without names those that the search worked towards."""
        from hwmodel.search.fronts.pareto import pareto

        if not minimize and not maximize:
            minimize, maximize = self._goals
        return pareto(self.frame(), minimize=minimize, maximize=maximize)

    @property
    def sources(self) -> pd.DataFrame:
        """The constants behind the numbers (name, value, unit, source, status), for up to 64 different accelerators, plans and
        workloads; what an axis gives has status "user". Empty where the evaluator is the caller's."""
        if not own(self._evaluate):
            from hwmodel.sources import frame

            return frame(())
        from hwmodel.search.sweeps.constants import sources_of

        return sources_of(self._evaluate, self.frame(), self.space, _SOURCES)

    def to_csv(self, path: str | Path) -> None:
        """`.frame()` at `path`, `.sources` beside it as NAME.sources.csv; both or neither. Raises OSError."""
        from hwmodel.report.exports import write_csv

        write_csv({"frame": self.frame().reset_index(), "sources": self.sources}, path)

    def to_parquet(self, path: str | Path) -> None:
        """`.frame()`; the question and the sources as JSON under `hwmodel` in the file's metadata. Raises ImportError without
        pyarrow (extra `plot`), OSError."""
        from hwmodel.report.exports import write_parquet

        frames = {"frame": self.frame().reset_index()}
        write_parquet("sweep", {"question": self.question}, frames, {"sources": self.sources}, path)

    def to_html(
        self,
        path: str | Path,
        *,
        x: str | None = None,
        y: str | None = None,
        minimize: Names = (),
        maximize: Names = (),
        **options: Any,
    ) -> str:
        """A page with the front that says what each point is (hw.front_page, with its options); needs no network.

        Without names the objectives are those that the sweep was given, or x and y downwards; x and y are the first two of them, or
        latency_s and energy_j. Raises ValueError where there is nothing to draw.
        """
        import hwmodel

        if not minimize and not maximize:
            minimize, maximize = self._goals
        frame = self.frame().reset_index()
        names = [*minimize, *maximize, *(n for n in ("latency_s", "energy_j") if n in frame.columns)]
        names = list(dict.fromkeys([*([x] if x else []), *([y] if y else []), *names]))
        if len(names) < 2:
            raise ValueError("a front needs two columns: give x= and y=, or minimize= and maximize=")
        x = x or next(n for n in names if n != y)
        y = y or next(n for n in names if n != x)
        goals = {"minimize": list(minimize), "maximize": list(maximize)} if minimize or maximize else {"minimize": [x, y]}
        page: Any = getattr(hwmodel, "front_page")  # noqa: B009
        return str(page(frame, path, x=x, y=y, **goals, **options))

    def __repr__(self) -> str:
        found = self.counts
        where = f", store {str(self.store)!r}" if self.store else ""
        failed = f", {found['failed']} failed: see .failures" if found["failed"] else ""
        return f"Sweep({found['stored']} points, {found['computed']} computed now{failed}{where})"
