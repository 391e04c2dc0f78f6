"""`python -m hwmodel` is the `hwmodel` command."""

from __future__ import annotations

import os
import signal
import sys

from hwmodel.cli import INTERRUPTED, main


def run() -> None:
    """Run the command and leave with its exit code; after Ctrl-C leave by the signal itself, so that a shell's loop stops too."""
    code = main()
    if code == INTERRUPTED and os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(code)


if __name__ == "__main__":
    run()
