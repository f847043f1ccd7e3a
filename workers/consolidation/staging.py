"""Writing a complete generation beside the current one, so that readers see either all of it or none.

A generation's folder is named after its claim's fencing number and token and never written twice. What a crash leaves
behind is a folder that no row names; the scope's next publications remove it.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from state.folder import sync_folder

KEEP_GENERATIONS = 2
"""The current generation and the one before it: a reader that opened the older one can finish."""


NEEDED_FILES = ("MEMORY.md", "memory_summary.md")
"""What every generation holds; a folder without one of them is as good as gone."""


def missing_file(folder: Path) -> Path | None:
    """The first needed file that this generation's folder has lost; None when it has all."""
    return next((folder / name for name in NEEDED_FILES if not (folder / name).is_file()), None)


def generation_folder(scope_folder: str, fencing_number: int, token: str) -> str:
    """The folder of one claim, relative to the memories folder."""
    return f"generations/{scope_folder}/{fencing_number:08d}-{token[:8]}"


def digest_of(files: Mapping[str, str]) -> str:
    """Hex BLAKE2b-128 over names and contents; equal digests mean equal files."""
    digest = hashlib.blake2b(digest_size=16)
    for name, text in sorted(files.items()):
        for part in (name.encode(), text.encode()):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def stage(memories_dir: Path, folder: str, files: Mapping[str, str]) -> None:
    """Write the files into a new folder and sync them, and every folder on the way, to disk.

    Raises:
      OSError: the folder exists already, or the disk refused; what was written so far is removed again.
    """
    target = memories_dir / folder
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.mkdir(mode=0o700)
    try:
        for name, text in sorted(files.items()):
            path = target / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        for sub_folder in {target, *(path.parent for path in map(target.joinpath, files))}:
            sync_folder(sub_folder)
        for parent in (target.parent, target.parent.parent, memories_dir):
            sync_folder(parent)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def remove_older_generations(memories_dir: Path, current: str) -> None:
    """Remove the scope's folders that are older than the KEEP_GENERATIONS newest up to the current one.

    Safe to do twice, and without holding the scope: a folder of a later claim than the current one may be somebody's
    work, and is left to the next publication, for which it is an older one if nobody has published it.
    """
    here = memories_dir / current
    up_to_current = sorted(entry.name for entry in here.parent.iterdir() if entry.name <= here.name)
    for name in up_to_current[:-KEEP_GENERATIONS]:
        shutil.rmtree(here.parent / name, ignore_errors=True)
