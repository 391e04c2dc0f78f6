"""`python -m hwmodel` is the `hwmodel` command."""

from __future__ import annotations

import os
import signal
import sys

from hwmodel.cli import INTERRUPTED, main

_AGAIN_S = 5.0


def _interrupt(number: int, frame: object) -> None:
    """Ctrl-C. Python drops an exception raised inside a finalizer or a callback of compiled code: ask again until it is heard."""
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    raise KeyboardInterrupt


def run() -> None:
    """Run the command and leave with its exit code; after Ctrl-C leave by the signal itself, so that a shell's loop stops too."""
    if os.name == "posix" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background job ignores it
        signal.signal(signal.SIGINT, _interrupt)
    code = main()
    if os.name == "posix":
        signal.setitimer(signal.ITIMER_REAL, 0)
    if code == INTERRUPTED and os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(code)


if __name__ == "__main__":
    run()
