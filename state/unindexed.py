"""Threads as their files alone show them, for whoever is asked while there is no index.

Slow on purpose: every file is read at every question. What was only ever said to the index is not known here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from state.ids import ThreadId
from state.messages.backfill import RolloutRead
from state.messages.threads import SourceKind, Thread, ThreadAnchor, ThreadDirection, ThreadFilter, ThreadPage
from state.rollouts import FoundRollout, Redact, find_rollouts, read_rollout
from state.rollouts.names import GivenName, read_thread_names
from state.rules.recording import columns_of
from state.rules.source_kinds import is_of
from state.rules.thread_listing import SORT_COLUMN

_SPAWNED = frozenset({SourceKind.SUB_AGENT_THREAD_SPAWN})


def read_thread(codex_home: Path, found: FoundRollout, *, redact: Redact, model_provider_default: str) -> Thread | None:
    """The thread of a rollout; None when it holds none. Blocks.

    Raises:
      OSError: it cannot be read.
    """
    read = RolloutRead(found=found, reading=read_rollout(codex_home, found, None, redact=redact))
    facts = read.reading.facts
    if facts is None:
        return None
    columns: dict[str, Any] = columns_of(read, facts, model_provider_default)
    del columns["content_digest"]
    archived_at_ms = columns["updated_at_ms"] if found.archived else None
    return Thread(**columns, name=None, archived_at_ms=archived_at_ms, content_revision=0)


def list_unindexed(
    codex_home: Path, wanted: ThreadFilter, *, redact: Redact, model_provider_default: str
) -> ThreadPage:
    """A page of the threads that pass a filter, as a listing of the index would give it. Blocks."""
    names = _names(codex_home)
    threads: dict[str, Thread] = {}
    for found in find_rollouts(codex_home)[0]:
        try:
            thread = read_thread(codex_home, found, redact=redact, model_provider_default=model_provider_default)
        except OSError:
            continue
        # Of two files of one thread the index prefers the active one, then the later one; so does the order here.
        if thread is not None and (thread.id not in threads or not found.archived):
            given = names.get(thread.id)
            threads.setdefault(thread.id, attrs.evolve(thread, name=None if given is None else given.name))
    below = _descendants(threads, wanted)
    passing = [
        thread for thread in threads.values() if _passes(thread, wanted) and (below is None or thread.id in below)
    ]
    is_descending = wanted.direction is ThreadDirection.DESCENDING
    passing.sort(key=lambda thread: _key(thread, wanted), reverse=is_descending)
    page = passing[: wanted.limit]
    return ThreadPage(
        threads=tuple(page),
        next_anchor=_anchor(page[-1], wanted) if len(passing) > wanted.limit and page else None,
        first_anchor=_anchor(page[0], wanted) if page else None,
        rows_scanned=len(threads),
    )


def _names(codex_home: Path) -> dict[ThreadId, GivenName]:
    try:
        return read_thread_names(codex_home)
    except OSError:
        return {}


def _descendants(threads: dict[str, Thread], wanted: ThreadFilter) -> set[str] | None:
    """The sub-agents that were asked for; None when any thread was."""
    ancestor = wanted.parent_thread_id or wanted.ancestor_thread_id
    if ancestor is None:
        return None
    below: set[str] = set()
    parents = {ancestor}
    while parents:
        children = {
            one.id for one in threads.values() if one.parent_thread_id in parents and is_of(one.source, _SPAWNED)
        }
        parents = {ThreadId(child) for child in children - below if child != ancestor}
        below |= parents
        if wanted.parent_thread_id is not None:
            break
    return below


def _passes(thread: Thread, wanted: ThreadFilter) -> bool:
    if wanted.anchor is not None:
        place, anchor = _key(thread, wanted), (wanted.anchor.at_ms, wanted.anchor.id)
        is_behind = place < anchor if wanted.direction is ThreadDirection.DESCENDING else place > anchor
        if not is_behind:
            return False
    return (
        thread.preview != ""
        and (thread.archived_at_ms is not None) == wanted.archived
        and thread.id not in wanted.excluded_ids
        and _is_among(thread.source, wanted.sources)
        and _is_among(thread.model_provider, wanted.model_providers)
        and _is_among(thread.cwd, wanted.cwds)
        and (wanted.source_kinds is None or is_of(thread.source, wanted.source_kinds))
        and any((wanted.title_contains or "") in one for one in (thread.title, thread.name or ""))
    )


def _is_among(value: str, allowed: Sequence[str] | None) -> bool:
    return allowed is None or value in allowed


def _key(thread: Thread, wanted: ThreadFilter) -> tuple[int, str]:
    return getattr(thread, SORT_COLUMN[wanted.sort]), thread.id


def _anchor(thread: Thread, wanted: ThreadFilter) -> ThreadAnchor:
    return ThreadAnchor(at_ms=getattr(thread, SORT_COLUMN[wanted.sort]), id=thread.id)
