"""Fill in what the examples of a documentation page give: `# -> value` behind every expression of its Python blocks.

    python tools/fill_docs.py PAGE

Lines that are statements stay as they are. The table of presets is written anew.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import numfmt as nf

HEADER = "| scheme | what | bits an element | source | status |"


def filled(text: str) -> str:
    """The page with results."""
    names: dict[str, Any] = {}
    out, inside, listing = [], False, False
    for line in text.splitlines():
        if line == HEADER:
            out.append(table())
        listing = line == HEADER or (listing and line.startswith("|"))
        if listing:
            continue
        if line.startswith("```"):
            inside = line == "```python"
        elif inside and line.strip():
            code = line.partition("  # -> ")[0]
            if isinstance(ast.parse(code).body[0], ast.Expr):
                line = f"{code}  # -> {eval(code, names)!r}"
            else:
                exec(code, names)
        out.append(line)
    return "\n".join(out) + "\n"


def table() -> str:
    """The presets as a table."""
    rows = [HEADER, "|---|---|---|---|---|"]
    for row in nf.schemes().itertuples():
        rows.append(f"| `{row.scheme}` | {row.what} | {row.bits_per_element:.4g} | {row.source} | {row.status} |")
    return "\n".join(rows)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
