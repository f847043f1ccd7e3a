"""Which rollout files there are, newest first.

Everything below `sessions/` and `archived_sessions/` counts, at any depth, if it is a regular file named
`rollout-*.jsonl`, or `rollout-*.jsonl.zst` with no plain file beside it; both are known by the plain name. What looks
like a rollout but cannot be used is reported with its reason and never stops the search: an error costs the folder or
file where it happened.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import attrs

from state.rollouts.filename import COMPRESSED_SUFFIX, RolloutName, logical_name, rollout_name
from state.rollouts.model import FoundRollout, UnreadablePath
from state.rollouts.regular import NOT_REGULAR, SYMBOLIC_LINK, plain_reason

SESSIONS = "sessions"
ARCHIVED_SESSIONS = "archived_sessions"

NOT_UTF8 = "its name is not UTF-8"


def find_rollouts(
    codex_home: Path, paths: Iterable[str] | None = None
) -> tuple[list[FoundRollout], list[UnreadablePath]]:
    """List the rollouts of a Codex home.

    Args:
      paths: look only at these, written as in `FoundRollout.path`, and at all that is below those that are folders.
        It costs what these paths cost, whatever the size of the home. Paths elsewhere in the home hold no rollouts.

    Returns:
      Rollouts by (stamp of the file name, path), descending, over both folders, names without a stamp last; and the
      unreadable paths in ascending order. Two listings of the same files are equal. A missing folder, or a missing
      Codex home, holds no rollouts.
    """
    search = _Search(codex_home)
    found: list[tuple[int, str, FoundRollout]] = []
    for folder, names in _places(paths):
        for path, name, entry in search.walk(folder, names):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # archived or deleted since the folder was listed; the next search sees where it is
            except OSError as error:
                search.report(path, plain_reason(error))
                continue
            rollout = FoundRollout(
                path=path,
                archived=path.startswith(f"{ARCHIVED_SESSIONS}/"),
                size_bytes=status.st_size,
                mtime_ns=status.st_mtime_ns,
                inode=status.st_ino,
            )
            found.append((-1 if name.stamp_ms is None else name.stamp_ms, path, rollout))
    found.sort(key=itemgetter(0, 1), reverse=True)
    # A folder that several paths lead through is reported once.
    unreadable = sorted(set(search.unreadable), key=lambda item: item.path)
    return [rollout for _, _, rollout in found], unreadable


def _places(paths: Iterable[str] | None) -> Iterator[tuple[str, list[str] | None]]:
    """Where to look: folders of the home, each with the names that are wanted in it, or None for all that is below."""
    if paths is None:
        paths = (SESSIONS, ARCHIVED_SESSIONS)
    wanted = set(paths)
    names: dict[str, list[str]] = {}
    for path in sorted(wanted):
        parts = path.split("/")
        if parts[0] not in (SESSIONS, ARCHIVED_SESSIONS) or not {"", ".", ".."}.isdisjoint(parts):
            continue
        if any("/".join(parts[:depth]) in wanted for depth in range(1, len(parts))):
            continue  # below a folder that is walked as a whole
        if len(parts) == 1:
            yield path, None
        else:
            names.setdefault("/".join(parts[:-1]), []).append(parts[-1])
    yield from names.items()


class _Entry(Protocol):
    """What is used of an `os.DirEntry`."""

    @property
    def name(self) -> str: ...
    def is_dir(self, *, follow_symlinks: bool = True) -> bool: ...
    def is_file(self, *, follow_symlinks: bool = True) -> bool: ...
    def is_symlink(self) -> bool: ...
    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result: ...


@attrs.frozen
class _NamedEntry:
    """Stands for the `os.DirEntry` that a listing of the folder would give, without the cost of listing it."""

    name: str
    path: Path
    status: os.stat_result

    @classmethod
    def of(cls, folder: Path, name: str) -> "_NamedEntry":
        path = folder / name
        return cls(name, path, os.lstat(path))

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISDIR(self.stat(follow_symlinks=follow_symlinks).st_mode)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISREG(self.stat(follow_symlinks=follow_symlinks).st_mode)

    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.status.st_mode)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        if not (follow_symlinks and self.is_symlink()):
            return self.status
        try:
            return os.stat(self.path)
        except OSError:
            return self.status  # a link to nothing is neither a folder nor a file


@attrs.define
class _Search:
    """One search, and what it could not use so far."""

    home: Path
    unreadable: list[UnreadablePath] = attrs.field(factory=list)

    def report(self, path: str, reason: str) -> None:
        """Remember that `path` could not be used."""
        printable = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
        self.unreadable.append(UnreadablePath(path=printable, reason=reason))

    def walk(self, top: str, names: list[str] | None) -> Iterator[tuple[str, RolloutName, _Entry]]:
        """Yield (path below the home, its name read, its entry) of every usable rollout below `top`, in no order.

        names: what to look at in `top` itself; None: everything.
        """
        folders = [top]
        while folders:
            folder = folders.pop()
            entries = self._entries(folder) if names is None else self._named(folder, names)
            for logical, entry in _by_name(entries):
                path = f"{folder}/{logical}"
                name = rollout_name(logical)
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
                    folders.append(f"{folder}/{entry.name}")
                elif name is not None:
                    yield path, name, entry
            names = None

    def _entries(self, folder: str) -> Sequence[_Entry]:
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

    def _named(self, folder: str, names: list[str]) -> list[_Entry]:
        """What a listing of a folder would show under these names, if a walk from its top folder came to it."""
        if not self._comes_to(folder):
            return []
        entries: list[_Entry] = []
        for name in names:
            forms = (name, name + COMPRESSED_SUFFIX) if rollout_name(name) is not None else (name,)
            for form in forms:
                try:
                    entries.append(_NamedEntry.of(self.home / folder, form))
                except (FileNotFoundError, NotADirectoryError):
                    continue  # gone, with or without its folder; or in its other form
                except OSError as error:
                    if error.errno == errno.ENAMETOOLONG and form != name:
                        continue  # so it cannot be in that form
                    self.report(f"{folder}/{name}", plain_reason(error))
                break
        return entries

    def _comes_to(self, folder: str) -> bool:
        """Say whether every folder on the way is one that a walk enters; report the one that it does not."""
        parts = folder.split("/")
        for depth in range(2, len(parts) + 1):  # the top folder itself may be a link
            path = "/".join(parts[:depth])
            try:
                mode = os.lstat(self.home / path).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return False
            except OSError as error:
                self.report(path, plain_reason(error))
                return False
            if stat.S_ISLNK(mode):
                self.report(path, SYMBOLIC_LINK)
            if not stat.S_ISDIR(mode):
                return False
        return True


def _by_name(entries: Sequence[_Entry]) -> Iterator[tuple[str, _Entry]]:
    """Each entry with the name of its rollout, but for a compressed file whose plain form is there too."""
    names = {entry.name for entry in entries}
    for entry in entries:
        logical = logical_name(entry.name)
        if logical == entry.name or logical not in names:
            yield logical, entry


def _refusal(entry: _Entry, is_folder: bool) -> str | None:
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
