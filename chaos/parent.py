"""Children that do not outlive whoever started them, also when he is killed."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """See to it that this process ends when its stdin does, which its parent holds, and at once where Linux helps.

    A parent's thread counts as the parent there: it must live as long as the child may.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, name="end with parent", daemon=True).start()


def dying_with_parent() -> Callable[[], None] | None:
    """For `preexec_fn` of a program that knows nothing of its parent; only where one thread runs. None: no help."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return arrange
