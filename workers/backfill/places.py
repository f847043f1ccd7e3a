"""From what the operating system reports to places below the Codex home. Nothing is opened, links are not followed.

A place stands for itself and all that is below it. A rollout's place is its path without the suffix of the compressed
form. A file with any other name has none; a folder has one, since what was put into it before it was watched is not
reported. Of what is gone nobody can say what it was, so it has one too.
"""

import os
from collections.abc import Iterable, Sequence

import attrs

from state.rollouts import logical_name, rollout_name
from state.rollouts.find import ARCHIVED_SESSIONS, SESSIONS
from state.rollouts.names import SESSION_INDEX

OF_THE_HOME = frozenset({SESSIONS, ARCHIVED_SESSIONS, SESSION_INDEX})
"""What matters of the home itself. Its databases and logs change all the time."""

Heard = set[tuple[str, str]]
"""What was reported: "added", "modified" or "deleted", and the absolute path that it happened to."""


@attrs.frozen(kw_only=True)
class Root:
    """One folder that is watched.

    Attributes:
      place: its own place; '' for the home itself.
      folder: its real path, as the system reports it.
      identity: (device, inode), by which a folder that was replaced is told from the one before.
    """

    place: str
    folder: str
    identity: tuple[int, int]


def places_of(heard: Heard, roots: Sequence[Root]) -> set[str]:
    """The places that have changed. '' says that the home itself did."""
    places = set()
    for happened, path in heard:
        for root in roots:
            if path == root.folder:
                places.add(root.place)
            elif path.startswith(f"{root.folder}/"):
                place = _place_below(path[len(root.folder) + 1 :], root, is_gone=happened == "deleted")
                if place is not None:
                    places.add(place)
    return places


def _place_below(rest: str, root: Root, *, is_gone: bool) -> str | None:
    if not root.place:
        return rest if rest in OF_THE_HOME else None
    folder, slash, name = rest.rpartition("/")
    name = logical_name(name)
    if rollout_name(name) is None and not is_gone and not os.path.isdir(f"{root.folder}/{rest}"):
        return None
    return f"{root.place}/{folder}{slash}{name}"


def folders_below(tops: Iterable[str]) -> tuple[list[str], bool]:
    """Every folder of these trees that can be listed, and whether that is all: no link to a folder, none unreadable."""
    folders: list[str] = []
    others: list[OSError | str] = []
    for top in tops:
        for folder, names, _ in os.walk(top, onerror=others.append):
            folders.append(folder)
            others += [name for name in names if os.path.islink(f"{folder}/{name}")]
    return folders, not others
