"""The command `memoryd` of the installed wheel: finds the application's own modules before any others.

The modules lie privately in memoryd/_app, because their names at the root (state, workers, ...) are generic: another
installed package, or the folder that a person stands in, may have modules of the same names. So _app is put first.
"""

import gc
import signal
import sys
from pathlib import Path


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(400_000)  # as supervisor.py does
    # Until `run` and `once` watch signals themselves, Ctrl-C ends the process quietly and not with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    here = Path(__file__).resolve().parent
    private = here / "_app"
    # In an editable install this file still lies in the checkout, as config/launcher/__init__.py.
    sys.path.insert(0, str(private if private.is_dir() else here.parent.parent))
    import supervisor

    code = supervisor.main()
    gc.freeze()
    sys.exit(code)
