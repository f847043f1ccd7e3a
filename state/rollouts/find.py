"""Which rollout files there are, newest first.

Everything below `sessions/` and `archived_sessions/` counts, at any depth, if it is a regular file named
`rollout-*.jsonl`. What looks like a rollout but cannot be used is reported with its reason and never stops the
search: an error costs the folder or file where it happened. Compressed siblings (`.jsonl.zst`) are not rollouts here.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import attrs

from state.rollouts.filename import RolloutName, rollout_name
from state.rollouts.model import FoundRollout, UnreadablePath
from state.rollouts.regular import NOT_REGULAR, SYMBOLIC_LINK, plain_reason

SESSIONS = "sessions"
ARCHIVED_SESSIONS = "archived_sessions"

NOT_UTF8 = "its name is not UTF-8"


def find_rollouts(codex_home: Path) -> tuple[list[FoundRollout], list[UnreadablePath]]:
    """List the rollouts of a Codex home.

    Returns:
      Rollouts by (stamp of the file name, path), descending, over both folders, names without a stamp last; and the
      unreadable paths in ascending order. Two listings of the same files are equal. A missing folder, or a missing
      Codex home, holds no rollouts.
    """
    search = _Search(codex_home)
    found: list[tuple[int, str, FoundRollout]] = []
    for top in (SESSIONS, ARCHIVED_SESSIONS):
        for path, name, entry in search.walk(top):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # archived or deleted since the folder was listed; the next search sees where it is
            except OSError as error:
                search.report(path, plain_reason(error))
                continue
            rollout = FoundRollout(
                path=path,
                archived=top == ARCHIVED_SESSIONS,
                size_bytes=status.st_size,
                mtime_ns=status.st_mtime_ns,
                inode=status.st_ino,
            )
            found.append((-1 if name.stamp_ms is None else name.stamp_ms, path, rollout))
    found.sort(key=lambda item: item[:2], reverse=True)
    search.unreadable.sort(key=lambda item: item.path)
    return [rollout for _, _, rollout in found], search.unreadable


@attrs.define
class _Search:
    """One search, and what it could not use so far."""

    home: Path
    unreadable: list[UnreadablePath] = attrs.field(factory=list)

    def report(self, path: str, reason: str) -> None:
        """Remember that `path` could not be used."""
        printable = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
        self.unreadable.append(UnreadablePath(path=printable, reason=reason))

    def walk(self, top: str) -> Iterator[tuple[str, RolloutName, os.DirEntry[str]]]:
        """Yield (path below the home, its name read, its entry) of every usable rollout below `top`, in no order."""
        folders = [top]
        while folders:
            folder = folders.pop()
            for entry in self._entries(folder):
                path = f"{folder}/{entry.name}"
                name = rollout_name(entry.name)
                try:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    reason = _refusal(entry, is_folder)
                    if not is_folder and name is None and not entry.is_dir():
                        continue
                except OSError as error:
                    is_folder, reason = False, plain_reason(error)
                if reason is not None:
                    self.report(path, reason)
                elif is_folder:
                    folders.append(path)
                elif name is not None:
                    yield path, name, entry

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What is in a folder. A listing that fails on its way keeps what came before: it is never tried again."""
        entries: list[os.DirEntry[str]] = []
        try:
            with os.scandir(self.home / folder) as listing:
                entries.extend(listing)
        except FileNotFoundError:
            pass  # never made, or removed since its parent was listed
        except OSError as error:
            self.report(folder, plain_reason(error))
        return entries


def _refusal(entry: os.DirEntry[str], is_folder: bool) -> str | None:
    """Why this entry could not be used, were it wanted; None when it could."""
    if entry.is_symlink():
        return SYMBOLIC_LINK
    if not is_folder and not entry.is_file(follow_symlinks=False):
        return NOT_REGULAR
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return NOT_UTF8  # such a path could neither be stored nor be shown
    return None
