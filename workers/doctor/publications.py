"""Published memories: every link names what its row says, every published folder is there, nothing lies around.

What is published into a Codex home is looked at in `workers.doctor.handed_over`.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import trio

from state.folder import StateFolder
from state.messages.consolidation import HOME_SCOPE
from state.messages.drift import GenerationRow, ListGenerations
from state.store import StateHandle
from workers.consolidation.staging import digest_of, missing_file
from workers.doctor.finding import Area, Findings, Severity, shown
from workers.doctor.state_folder import is_old

GENERATION_BYTES_MAX = 64 << 20
"""A generation has some hundred kilobytes. What is larger is not ours to digest."""


async def check_publications(findings: Findings, handle: StateHandle) -> None:
    """Look at what is published."""
    rows = await handle.ask(ListGenerations())
    await trio.to_thread.run_sync(_check, findings, handle.folder, rows)


def _check(findings: Findings, folder: StateFolder, rows: Sequence[GenerationRow]) -> None:
    published = [row for row in rows if row.generation_folder is not None]
    for row in published:
        _check_generation(findings, folder.memories_dir, row)
    for path in leftovers(folder, rows):
        findings.add(
            Area.MEMORIES,
            "leftover",
            Severity.NOTE,
            f"{path} was left by somebody who never published it",
            subject=str(path),
            repair="--repair removes it; so does the next time that its memories are published",
            can_repair=True,
        )
    if published and not findings.has("link_wrong", "generation_lost"):
        findings.add(
            Area.MEMORIES,
            "published",
            Severity.OK,
            f"{len(published)} sets of memories are published as they should be",
        )


def _check_generation(findings: Findings, memories_dir: Path, row: GenerationRow) -> None:
    assert row.generation_folder is not None
    name = "the home" if row.scope == HOME_SCOPE else row.scope.key
    folder = memories_dir / row.generation_folder
    missing = missing_file(folder)
    if missing is not None:
        findings.add(
            Area.MEMORIES,
            "generation_lost",
            Severity.WARNING,
            f"the published memories of {shown(name)} are gone: {missing} is missing",
            subject=row.link,
            repair="--repair writes them again",
            can_repair=True,
        )
    elif _digest(folder) not in (None, row.published_digest):
        findings.add(
            Area.MEMORIES,
            "generation_edited",
            Severity.NOTE,
            f"the published memories of {shown(name)} were changed by somebody else in {folder}",
            subject=row.link,
            repair="nothing is overwritten now; the next time that they are published the change is gone",
        )
    links = [(row.link, row.generation_folder)]
    if row.scope == HOME_SCOPE:
        links += [(file, f"{row.link}/{file}") for file in ("memory_summary.md", "MEMORY.md")]
    for link, target in links:
        _check_link(findings, memories_dir, link, target)


def _check_link(findings: Findings, memories_dir: Path, link: str, target: str) -> None:
    path = memories_dir / link
    wanted = os.path.relpath(memories_dir / target, path.parent)
    try:
        named = os.readlink(path)
    except FileNotFoundError:
        named = None
    except OSError:
        findings.add(
            Area.MEMORIES,
            "link_blocked",
            Severity.WARNING,
            f"{path} should be a link to {wanted}, and something else is in its place",
            subject=link,
            repair="move it away; then --repair makes the link",
        )
        return
    if named != wanted:
        findings.add(
            Area.MEMORIES,
            "link_wrong",
            Severity.WARNING,
            f"the link {path} names {shown(named)}, and its row says {shown(wanted)}",
            subject=link,
            repair="--repair points it right",
            can_repair=True,
        )


def _digest(folder: Path) -> str | None:
    """The digest of a published folder as it is now; None when it cannot be told."""
    files: dict[str, str] = {}
    size_bytes = 0
    try:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                size_bytes += path.stat().st_size
                if size_bytes > GENERATION_BYTES_MAX:
                    return None
                files[str(path.relative_to(folder))] = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return digest_of(files)


def leftovers(folder: StateFolder, rows: Sequence[GenerationRow]) -> list[Path]:
    """Staged folders that nobody can publish any more, and links that were never put in place.

    A folder whose scope is held may be somebody's work, and what was made a moment ago, too.
    """
    found: list[Path] = []
    for row in rows:
        if row.is_held:
            continue
        generations = folder.memories_dir / "generations" / row.scope_folder
        current = os.path.basename(row.generation_folder or "")
        found += [path for path in _listed(generations) if path.name > current and is_old(path)]
    for parent in (folder.memories_dir, folder.memories_dir / "scopes"):
        found += [path for path in _listed(parent) if path.name.startswith(".") and path.is_symlink() and is_old(path)]
    return found


def _listed(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []
