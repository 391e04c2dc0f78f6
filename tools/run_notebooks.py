"""Execute the notebooks from top to bottom: `python tools/run_notebooks.py [--write] [NAME...]`.

With HWMODEL_SHORT=1 in the environment they measure on less data. --write stores the outputs in the files.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"


def main(arguments: list[str]) -> None:
    names = [a for a in arguments if not a.startswith("--")]
    paths = [FOLDER / name for name in names] or sorted(FOLDER.glob("*.ipynb"))
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        start = time.perf_counter()
        client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(FOLDER.parent)}})
        client.execute()
        print(f"{path.name}: {len(notebook.cells)} cells in {time.perf_counter() - start:.0f} s")
        if "--write" in arguments:
            for cell in notebook.cells:
                cell.metadata.pop("execution", None)  # times of this run
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main(sys.argv[1:])
