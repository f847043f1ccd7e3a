"""A disk that takes longer to sync than this one: for peers and memoryd alike, whatever they are written in.

A small C library, compiled when it is needed, waits before each fsync and fdatasync of a child process. Where there is
no compiler, or no preloading, the figures with slow syncs are left out, and the report says so.
"""

import shutil
import subprocess
import sys
from pathlib import Path

_SOURCE = Path(__file__).with_name("slow_sync.c")


def environment_with_slow_syncs(folder: Path, added_ms: float) -> dict[str, str] | None:
    """What a child's environment needs so that each of its syncs takes so much longer; None where that can't be done.

    Args:
      folder: where the compiled library is put; it must live as long as the children.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "slow_sync.so"
    if not library.exists():
        made = subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl"], capture_output=True, check=False
        )
        if made.returncode != 0:
            return None
    return {"LD_PRELOAD": str(library), "SLOW_SYNC_US": str(round(added_ms * 1000))}
