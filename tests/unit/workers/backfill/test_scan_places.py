"""A scan of some places does there what a whole scan does, costs what they cost, and lets everybody else in between."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import trio

from config import Settings
from state.messages.backfill import (
    BackfillHeld,
    ClaimBackfill,
    FindKnownRollouts,
    GetBackfillState,
    ListKnownRollouts,
    ListPendingRollouts,
    RecordRollouts,
    RegisterRollouts,
)
from state.messages.base import Lane, Request
from state.messages.extraction import ClaimExtraction, Eligibility
from state.messages.leases import ClaimTerms
from state.messages.threads import GetThread, ThreadFound
from state.store import StateHandle
from tests.fakes.codex_home import CodexHome, RolloutFile
from workers.backfill.changes import Changes, Places
from workers.backfill.recorder import ASKED_AT_ONCE_MAX, RECORD_FILES_MAX, BackfillSummary
from workers.backfill.survey import REGISTER_FILES_MAX, has_work
from workers.backfill.worker import CHUNK_FILES_MAX, REGISTERED_AT_ONCE_MAX, scan
from workers.progress import NoProgress

ReplyT = TypeVar("ReplyT")


@attrs.define
class Index:
    """A store, the home that it is about, and every request that was answered, in the order of the answers."""

    handle: StateHandle
    home: CodexHome
    answered: list[Request[Any]] = attrs.field(factory=list)
    after_each: Callable[[Request[Any]], None] = lambda _request: None

    def place(self, rollout: RolloutFile) -> str:
        """Where a rollout is, below the home."""
        return str(rollout.path.relative_to(self.home.path))

    async def scan(self, places: Places = None, changes: Changes | None = None) -> BackfillSummary | BackfillHeld:
        """One scan."""
        return await scan(
            self.handle,
            self.home.path,
            Settings(),
            NoProgress(),
            retry_failed_now=False,
            places=places,
            changes=changes,
        )

    async def statuses(self) -> dict[str, str]:
        """Every file's status by its place."""
        page = await self.handle.ask(ListKnownRollouts())
        return {row.path: row.status.value for row in page.rollouts}


@pytest.fixture
def index(handle: StateHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An empty index of an empty home."""
    made = Index(handle, CodexHome(path=tmp_path / "codex"))
    ask = handle.ask

    async def recording(request: Request[ReplyT]) -> ReplyT:
        reply = await ask(request)
        made.answered.append(request)
        made.after_each(request)
        return reply

    monkeypatch.setattr(handle, "ask", recording)
    return made


async def test_only_the_place_is_looked_at_and_the_rest_is_left_as_it_is(index: Index) -> None:
    one, two = index.home.session(), index.home.session()

    summary = await index.scan(frozenset({index.place(one)}))

    assert isinstance(summary, BackfillSummary)
    assert (summary.files, summary.indexed) == (1, 1)
    assert await index.statuses() == {index.place(one): "indexed"}
    assert await has_work(index.handle, index.home.path, frozenset({index.place(two)}))
    assert not await has_work(index.handle, index.home.path, frozenset({index.place(one)}))


async def test_append_is_read_from_where_the_last_reading_stopped(index: Index) -> None:
    rollout = index.home.session()
    await index.scan()
    appended = rollout.user("Always use pnpm.")

    summary = await index.scan(frozenset({index.place(rollout)}))

    assert isinstance(summary, BackfillSummary)
    assert summary.bytes == appended


async def test_scan_of_some_places_has_not_listed_the_home(index: Index) -> None:
    rollout = index.home.session()
    await index.scan(frozenset({index.place(rollout)}))
    assert (await index.handle.ask(GetBackfillState())).listed_at_ms is None

    await index.scan()
    assert (await index.handle.ask(GetBackfillState())).complete


async def test_what_a_place_costs_does_not_depend_on_the_history(index: Index) -> None:
    for number in range(50):
        index.home.session(hours_ago=number)
    await index.scan()
    rollout = index.home.session()
    index.answered.clear()

    await index.scan(frozenset({index.place(rollout)}))

    assert [request for request in index.answered if isinstance(request, ListKnownRollouts)] == []
    assert {request.paths for request in index.answered if isinstance(request, FindKnownRollouts)} == {
        (index.place(rollout),)
    }


async def test_looking_at_an_unchanged_place_writes_nothing(index: Index) -> None:
    rollout = index.home.session()
    await index.scan()
    index.answered.clear()

    assert not await has_work(index.handle, index.home.path, frozenset({index.place(rollout), "sessions"}))
    assert [request for request in index.answered if request.mutates] == []


async def test_file_that_is_gone_has_vanished_and_what_it_shadowed_waits_to_be_read(index: Index) -> None:
    active = index.home.session()
    archived = index.home.session(archived=True, thread_id=active.thread_id)
    await index.scan()
    assert await index.statuses() == {index.place(active): "indexed", index.place(archived): "shadowed"}
    active.path.unlink()

    await index.scan(frozenset({index.place(active)}))
    waiting = await index.handle.ask(ListPendingRollouts())
    await index.scan(frozenset(waiting))

    assert waiting == (index.place(archived),)
    assert await index.statuses() == {index.place(active): "vanished", index.place(archived): "indexed"}


async def test_folder_that_is_gone_takes_its_files_with_it_and_no_others(index: Index) -> None:
    gone, stays = index.home.session(hours_ago=24 * 40), index.home.session(hours_ago=24)
    await index.scan()
    gone.path.unlink()
    gone.path.parent.rmdir()

    await index.scan(frozenset({index.place(gone).rpartition("/")[0]}))

    assert await index.statuses() == {index.place(gone): "vanished", index.place(stays): "indexed"}


async def test_archived_file_is_one_thread_that_moved(index: Index) -> None:
    rollout = index.home.session()
    rollout.user("Add a login page.")
    await index.scan()
    moved = index.home.path / "archived_sessions" / rollout.path.name
    moved.parent.mkdir()
    before = index.place(rollout)
    rollout.path.rename(moved)

    await index.scan(frozenset({before, f"archived_sessions/{moved.name}"}))

    assert await index.statuses() == {before: "vanished", f"archived_sessions/{moved.name}": "indexed"}


async def test_name_that_was_given_before_the_thread_had_a_row_is_recorded_with_it(index: Index) -> None:
    rollout = index.home.session()
    index.home.name_thread(rollout.thread_id, "login")

    await index.scan(frozenset({index.place(rollout)}))

    found = await index.handle.ask(GetThread(thread_id=rollout.thread_id))
    assert isinstance(found, ThreadFound)
    assert found.thread.name == "login"


@pytest.mark.parametrize("places", [None, frozenset({"sessions"})])
async def test_file_of_names_that_cannot_be_read_costs_the_names_only(index: Index, places: Places) -> None:
    rollout = index.home.session()
    (index.home.path / "session_index.jsonl").mkdir()

    await index.scan(places)

    assert await index.statuses() == {index.place(rollout): "indexed"}


async def test_scan_that_another_process_holds_is_not_begun(index: Index) -> None:
    rollout = index.home.session()
    token = index.handle.mint_token()
    terms = ClaimTerms(token=token, owner=index.handle.owner("somebody else"), lease_ms=60_000)
    await index.handle.ask(ClaimBackfill(terms=terms))

    assert isinstance(await index.scan(frozenset({index.place(rollout)})), BackfillHeld)
    assert await index.statuses() == {}


async def test_what_changes_during_a_scan_is_read_before_the_rest_of_it(index: Index) -> None:
    history = [index.home.session(hours_ago=24 + number) for number in range(CHUNK_FILES_MAX * 6)]
    changes = Changes()
    live: list[RolloutFile] = []

    def begin_a_session(request: Request[Any]) -> None:
        if isinstance(request, RecordRollouts) and not live:
            live.append(index.home.session())
            changes.add([index.place(live[0])])

    index.after_each = begin_a_session

    await index.scan(changes=changes)

    records = [request for request in index.answered if isinstance(request, RecordRollouts)]
    read = [[outcome.found.path for outcome in record.outcomes] for record in records]  # type: ignore[union-attr]
    assert [index.place(live[0])] in read[1:-1]
    assert len([request for request in index.answered if isinstance(request, ClaimBackfill)]) == 1
    assert set((await index.statuses()).values()) == {"indexed"}
    assert len(await index.statuses()) == len(history) + 1
    assert not changes


async def test_what_a_scan_cannot_take_up_on_its_way_stays_noted(index: Index) -> None:
    gone = index.home.session(hours_ago=1)
    await index.scan()
    index.home.session()
    gone.path.unlink()
    changes = Changes()
    changes.add([index.place(gone), "session_index.jsonl"])

    await index.scan(frozenset({"sessions"}), changes)
    assert changes.take() == frozenset({index.place(gone), "session_index.jsonl"})


async def test_burst_of_thousands_lets_every_other_request_in_between(index: Index) -> None:
    """By order, not by time: while a request waits, nothing is answered that was not asked before it."""
    for number in range(2_000):
        index.home.session(hours_ago=number / 60)
    waited: list[int] = []
    is_done = trio.Event()

    def bulk_answered() -> int:
        return sum(request.lane is Lane.BULK for request in index.answered)

    async def claim_again_and_again() -> None:
        while not is_done.is_set():
            before = bulk_answered()
            terms = ClaimTerms(
                token=index.handle.mint_token(), owner=index.handle.owner("extraction-0"), lease_ms=120_000
            )
            eligibility = Eligibility.from_settings(Settings().extraction)
            await index.handle.ask(ClaimExtraction(terms=terms, eligibility=eligibility))
            waited.append(bulk_answered() - before)
            await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(claim_again_and_again)
        await index.scan(frozenset({"sessions"}))
        is_done.set()

    assert len(await index.statuses()) == 2_000
    assert bulk_answered() >= 2_000 / REGISTER_FILES_MAX + 2_000 / RECORD_FILES_MAX
    assert len(waited) > 10
    assert max(waited) <= ASKED_AT_ONCE_MAX + REGISTERED_AT_ONCE_MAX + 2
    for request in index.answered:
        if isinstance(request, RegisterRollouts):
            assert len(request.found) <= REGISTER_FILES_MAX
        if isinstance(request, RecordRollouts):
            assert len(request.outcomes) <= RECORD_FILES_MAX
