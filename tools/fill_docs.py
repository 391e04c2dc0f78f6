"""Fill in what the examples of a documentation page give: `# -> value` behind every expression of its Python blocks.

    python tools/fill_docs.py TEMPLATE PAGE

Lines that are statements stay as they are. A line `@TABLE@` becomes the table of presets.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import numfmt as nf


def filled(text: str) -> str:
    """The page with results."""
    names: dict[str, Any] = {}
    out, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```python"
        elif inside and line.strip():
            code = line.partition("  # -> ")[0]
            if isinstance(ast.parse(code).body[0], ast.Expr):
                line = f"{code}  # -> {eval(code, names)!r}"
            else:
                exec(code, names)
        out.append(table() if line == "@TABLE@" else line)
    return "\n".join(out) + "\n"


def table() -> str:
    """The presets as a table."""
    rows = ["| scheme | what | bits an element | source | status |", "|---|---|---|---|---|"]
    for row in nf.schemes().itertuples():
        rows.append(f"| `{row.scheme}` | {row.what} | {row.bits_per_element:.4g} | {row.source} | {row.status} |")
    return "\n".join(rows)


if __name__ == "__main__":
    template, page = map(Path, sys.argv[1:3])
    page.write_text(filled(template.read_text(encoding="utf-8")), encoding="utf-8")
