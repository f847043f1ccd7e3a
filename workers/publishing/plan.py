"""What is to happen to each file: decided from what is wanted, what is ours, and what stands there. Writes nothing.

not there, wanted                        write; restore if it was ours with this very content
there, ours, unchanged                   nothing, replace, or remove, as wanted
there, ours, rewritten by Codex          keep its version aside, and restore
there, ours, otherwise changed           keep: a person edited it
there, not ours                          keep, whatever its content
"""

import enum
from collections.abc import Callable, Mapping

import attrs

from workers.publishing.home_files import Blocked, Found, digest_of
from workers.publishing.manifest import Kept, Manifest

SUMMARY = "memory_summary.md"
INDEX = "MEMORY.md"


class Action(enum.Enum):
    """What happens to one path."""

    WRITE = "write"
    RESTORE = "restore"
    REMOVE = "remove"
    FORGET = "forget"
    KEEP = "keep"
    NOTHING = "nothing"


@attrs.frozen(kw_only=True)
class Step:
    """One path's action. displaces: what stands there is Codex's, and is saved before it is replaced."""

    path: str
    action: Action
    found: Found | None = None
    displaces: bool = False
    kept: Kept | None = None


def plan(
    wanted: Mapping[str, bytes],
    manifest: Manifest,
    look: Callable[[str], Found | Blocked | None],
    by_codex: Callable[[str, Found], bool],
) -> tuple[Step, ...]:
    """Decide for every path that is wanted or ours. What is written comes first, the summary as its last; what is
    removed comes after, the summary as its first: a summary never leads to what is not there."""
    writes = [_wanted(path, wanted[path], manifest, look(path), by_codex) for path in sorted(wanted, key=_rank)]
    others = sorted(set(manifest.files) - set(wanted), key=_rank, reverse=True)
    return (*writes, *(_unwanted(path, manifest, look(path)) for path in others))


def _rank(path: str) -> tuple[int, str]:
    below = path.partition("/")[2]
    return (2 if below == SUMMARY else 1 if below == INDEX else 0), path


def _wanted(
    path: str,
    data: bytes,
    manifest: Manifest,
    found: Found | Blocked | None,
    by_codex: Callable[[str, Found], bool],
) -> Step:
    ours = manifest.files.get(path, ())
    digest = digest_of(data)
    if found is None:
        return Step(path=path, action=Action.RESTORE if ours == (digest,) else Action.WRITE)
    if isinstance(found, Blocked):
        return _keep(path, found.reason, "move it away if memoryd is to write there", ours=bool(ours))
    if not ours:
        return _keep(path, "not written by memoryd", "move it away if memoryd is to write its own", ours=False)
    if found.digest in ours:
        return Step(path=path, action=Action.NOTHING if found.digest == digest else Action.WRITE, found=found)
    if by_codex(path, found):
        return Step(path=path, action=Action.RESTORE, found=found, displaces=True)
    return _keep(
        path,
        "changed since memoryd wrote it",
        "keep your version, or move it away: the next publish puts memoryd's back",
        ours=True,
    )


def _unwanted(path: str, manifest: Manifest, found: Found | Blocked | None) -> Step:
    if found is None:
        return Step(path=path, action=Action.FORGET)
    if isinstance(found, Found) and found.digest in manifest.files[path]:
        return Step(path=path, action=Action.REMOVE, found=found)
    reason = found.reason if isinstance(found, Blocked) else "changed since memoryd wrote it"
    return _keep(path, reason, "remove it yourself if you no longer want it", ours=True)


def _keep(path: str, reason: str, hint: str, *, ours: bool) -> Step:
    return Step(path=path, action=Action.KEEP, kept=Kept(path=path, reason=reason, hint=hint, ours=ours))
