"""How the interop tests start other programs: from a bare environment, so that every machine starts the same one.

Nothing of the surrounding shell reaches a child: no OPENAI_, CODEX_ or MEMORYD_ variable, no proxy, no dotfile.
"""

import os
from pathlib import Path

PROCESS_SECONDS_MAX = 60.0
"""The longest that any single child may take. The slowest one measured, a turn with a big reply, takes about one."""


def bare_environment(person: Path, **more: str) -> dict[str, str]:
    """PATH, UTC, UTF-8, what `more` names, and `person`, a folder without dotfiles, as home and for temporary files."""
    folder = str(person)
    return {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "TZ": "UTC", "LANG": "C.UTF-8", **more}
