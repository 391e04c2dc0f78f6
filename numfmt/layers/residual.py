"""Blocks of two branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ResidualBlock:
    """after(add(main(x), shortcut(x))); shortcut None is x itself, after None does nothing.

    main, shortcut, after: callables, such as `Sequential` of integer layers. add: of two arguments, such as `ResidualAdd`.
    """

    def __init__(
        self,
        main: Callable[[Any], Any],
        add: Callable[[Any, Any], Any],
        shortcut: Callable[[Any], Any] | None = None,
        after: Callable[[Any], Any] | None = None,
    ) -> None:
        for name, part in (("main", main), ("add", add), ("shortcut", shortcut), ("after", after)):
            if part is not None and not callable(part):
                raise ValueError(f"{name} is {part!r}, which cannot be called; give a layer or a Sequential")
        self.main, self.add, self.shortcut, self.after = main, add, shortcut, after

    def __call__(self, x: Any) -> Any:
        """x through both branches."""
        total = self.add(self.main(x), x if self.shortcut is None else self.shortcut(x))
        return total if self.after is None else self.after(total)

    def explain(self, given: object = None) -> str:
        """The branches, a line each."""
        lines = []
        for name, part in (("main", self.main), ("shortcut", self.shortcut), ("add", self.add), ("after", self.after)):
            said = "x" if part is None else part.explain() if hasattr(part, "explain") else repr(part)
            lines.append(f"{name}: " + said.replace("\n", "\n  "))
        return "\n  ".join(lines)

    def __repr__(self) -> str:
        return f"ResidualBlock(shortcut={'x' if self.shortcut is None else 'convolution'})"
