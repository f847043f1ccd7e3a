"""Looking at the disk and at the rows, for everything or for some places. Writes nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from state.messages.backfill import FindKnownRollouts, KnownRollout, ListKnownRollouts
from state.rollouts import FoundRollout, UnreadablePath, find_rollouts, rollout_name
from state.store import StateHandle
from workers.backfill.changes import Places
from workers.backfill.plan import ScanPlan, plan_scan

ItemT = TypeVar("ItemT")

REGISTER_FILES_MAX = 25
"""Files in one message about rows: a third of a millisecond of work, so that other requests get in between."""


async def has_work(handle: StateHandle, codex_home: Path, places: Places = None) -> bool:
    """Say whether a scan would find anything to do. Only looks, so that an idle service writes nothing.

    Raises:
      StoreError: the store could not answer.
    """
    survey = await look(handle, codex_home, places, retry_failed_now=False)
    return bool(survey.plan.to_read or survey.plan.vanished or survey.unreadable)


@attrs.frozen(kw_only=True)
class Survey:
    """What is on disk, what the store knows of it, and what is to be done about it."""

    found: Sequence[FoundRollout]
    unreadable: Sequence[UnreadablePath]
    known: Sequence[KnownRollout]
    plan: ScanPlan


async def look(handle: StateHandle, codex_home: Path, places: Places, *, retry_failed_now: bool) -> Survey:
    """Compare what is on disk with what the store knows, here or everywhere (None).

    Raises:
      StoreError: the store could not answer.
    """
    # Disk first, rows after: a file that appears in between is found by the next scan.
    found, unreadable = await trio.to_thread.run_sync(find_rollouts, codex_home, places, abandon_on_cancel=True)
    known = await _known_below(handle, "") if places is None else await _known_at(handle, sorted(places))
    plan = plan_scan(found, unreadable, known, wall_ms=handle.clock().wall_ms, retry_failed_now=retry_failed_now)
    return Survey(found=found, unreadable=unreadable, known=known, plan=plan)


async def _known_below(handle: StateHandle, folder: str) -> list[KnownRollout]:
    known: list[KnownRollout] = []
    after: str | None = ""
    while after is not None:
        page = await handle.ask(ListKnownRollouts(after=after, below=folder))
        known.extend(page.rollouts)
        after = page.next_after
    return known


async def _known_at(handle: StateHandle, places: Sequence[str]) -> list[KnownRollout]:
    """The rows of these places and of all below those that are not named like a rollout."""
    known: dict[str, KnownRollout] = {}
    for part in slices(places, REGISTER_FILES_MAX):
        known.update((row.path, row) for row in await handle.ask(FindKnownRollouts(paths=tuple(part))))
    for place in places:
        if rollout_name(place.rpartition("/")[2]) is None:
            known.update((row.path, row) for row in await _known_below(handle, place))
    return list(known.values())


def slices(items: Sequence[ItemT], size: int) -> Iterator[Sequence[ItemT]]:
    """Cut items, in order, into parts of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))
