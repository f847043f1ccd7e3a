"""A rollout in the place that another one of the same thread is moved to: it is kept, under a name that nobody reads.

A thread in both folders is shown as its active rollout says. When that one is archived, the other is in its way; it may
hold what the active one does not.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from state.rollouts.filename import COMPRESSED_SUFFIX
from state.rollouts.places import is_there, rollout_folder

_PREFIX = "replaced-"


def set_aside(folder: int, name: str) -> None:
    """Give the rollout of this name in an open folder another one, in each of its forms. Blocks.

    Raises:
      OSError: it cannot be renamed.
    """
    for form in ("", COMPRESSED_SUFFIX):
        if is_there(name + form, folder):
            free = next(other for other in _names(name + form) if not is_there(other, folder))
            os.rename(name + form, free, src_dir_fd=folder, dst_dir_fd=folder)


def remove_set_aside(codex_home: Path, path: str) -> None:
    """Remove what was set aside for the rollout of this path. Asking again is safe. Blocks.

    Raises:
      OSError: it cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError), rollout_folder(codex_home, path) as (folder, name):
        for form in ("", COMPRESSED_SUFFIX):
            for other in itertools.takewhile(lambda one: is_there(one, folder), _names(name + form)):
                os.unlink(other, dir_fd=folder)


def _names(name: str) -> Iterator[str]:
    return (f"{_PREFIX}{number}-{name}" for number in itertools.count(1))
