"""Where the index contradicts itself or a file is found, and a file that is to be read again is."""

from typing import Any

import attrs

from state.ids import OwnershipToken, ProcessUuid, Scope
from state.messages.backfill import ClaimBackfill, KnownRollout, ListKnownRollouts, LoadCheckpoints
from state.messages.consolidation import HOME_SCOPE
from state.messages.drift import (
    CompareReadings,
    FindIndexDrift,
    GenerationRow,
    ListGenerations,
    ListHeldLeases,
    ListThreadRows,
    LookUpRollouts,
    ReadingDrift,
    RecordLostFiles,
    RereadRollouts,
)
from state.messages.leases import NotOwner
from state.messages.thread_edits import PatchThreadGit, SetThreadTitle
from state.messages.thread_rows import TouchThread
from state.rollouts.model import DynamicTool
from tests.fakes.consolidation import SHOP, claimed, publish, remember
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, found, index, path_of, read, thread_id

OTHER = OwnershipToken("not the scan's")


def compared(state: MemoryState, *readings: Any) -> tuple[ReadingDrift, ...]:
    """Hold readings against the rows."""
    return state.ask(CompareReadings(readings=readings, model_provider_default="openai"))


def scanning(state: MemoryState) -> None:
    """Hold the scan."""
    state.ask(ClaimBackfill(terms=terms(SCAN, process="scanner", lease_ms=86_400_000)))


def statuses(state: MemoryState) -> dict[str, str]:
    """The status of each file."""
    rows: tuple[KnownRollout, ...] = state.ask(ListKnownRollouts()).rollouts
    return {row.path: row.status.value for row in rows}


def test_what_was_recorded_does_not_differ_from_its_reading(state: MemoryState) -> None:
    tool = DynamicTool(name="search", description="", input_schema="{}")
    content = facts(1, dynamic_tools=(tool,), model_provider="", memory_mode="strange")
    index(state, content)

    assert compared(state, read(found(path_of(1)), content)) == ()


def test_every_column_that_differs_is_named_with_both_values(state: MemoryState) -> None:
    index(state, facts(1))
    changed = facts(1, title="other", git_branch=None, content_digest="digest-2")

    (drift,) = compared(state, read(found(path_of(1)), changed))

    assert (drift.path, drift.thread_id) == (path_of(1), thread_id(1))
    assert set(drift.columns) == {
        ("title", "task 1", "other"),
        ("git_branch", "main", "nothing"),
        ("content_digest", "digest-1", "digest-2"),
    }


def test_every_column_of_a_thread_that_a_reading_gives_is_compared(state: MemoryState) -> None:
    """Whatever column somebody edits by hand is found; only those that no file says are left out."""
    not_from_files = {"id", "name", "archived_at_ms", "content_revision", "is_file_gone"}
    for _, column, kind, *_rest in state.rows("PRAGMA table_info(threads)"):
        if column in not_from_files:
            continue
        state.rows("DELETE FROM threads")
        state.rows("DELETE FROM rollout_files")
        index(state, facts(1))
        value = 77 if kind == "INTEGER" else "disabled"
        state.rows(f"UPDATE threads SET {column} = ?", value)

        (drift,) = compared(state, read(found(path_of(1)), facts(1)))
        assert [name for name, *_ in drift.columns] == [column]


def test_archived_differs_when_the_folder_says_otherwise(state: MemoryState) -> None:
    index(state, facts(1))
    state.rows("UPDATE threads SET archived_at_ms = 5")

    (drift,) = compared(state, read(found(path_of(1)), facts(1)))

    assert drift.columns == (("archived", "5", "0"),)


def test_file_that_holds_another_thread_or_none_differs_as_a_whole(state: MemoryState) -> None:
    index(state, facts(1))

    (other,) = compared(state, read(found(path_of(1)), facts(2)))
    (none,) = compared(state, read(found(path_of(1)), None))

    assert other.columns == (("thread_id", thread_id(1), thread_id(2)),)
    assert none.columns == (("thread_id", thread_id(1), "no thread"),)


def test_file_that_is_not_indexed_is_not_compared(state: MemoryState) -> None:
    index(state, facts(1))
    state.rows("UPDATE rollout_files SET status = 'pending'")

    assert compared(state, read(found(path_of(1)), facts(2)), read(found("unknown"), facts(3))) == ()


def test_sound_index_contradicts_itself_nowhere(state: MemoryState) -> None:
    for number in range(3):
        index(state, facts(number + 1))
    drift = state.ask(FindIndexDrift())

    assert not any(attrs.astuple(drift))


def test_contradictions_are_found(state: MemoryState) -> None:
    for number in (1, 2, 3, 4, 5):
        index(state, facts(number))
    state.rows("DELETE FROM threads WHERE id = ?", thread_id(1))
    state.rows("UPDATE threads SET rollout_path = 'elsewhere' WHERE id = ?", thread_id(2))
    state.rows("DELETE FROM rollout_files WHERE thread_id = ?", thread_id(3))
    state.rows("DELETE FROM extraction_jobs WHERE thread_id = ?", thread_id(4))
    state.rows("UPDATE rollout_files SET status = 'vanished' WHERE thread_id = ?", thread_id(5))
    drift = state.ask(FindIndexDrift())

    assert [(one.thread_id, one.path) for one in drift.without_thread] == [(thread_id(1), path_of(1))]
    assert [(one.thread_id, one.thread_path) for one in drift.elsewhere] == [(thread_id(2), "elsewhere")]
    assert [(one.thread_id, one.file_status) for one in drift.without_file] == [
        (thread_id(3), None),
        (thread_id(5), "vanished"),
    ]
    assert [one.thread_id for one in drift.without_job] == [thread_id(4)]


def test_lists_of_contradictions_are_cut(state: MemoryState) -> None:
    for number in range(1, 6):
        index(state, facts(number))
    state.rows("DELETE FROM threads")

    assert len(state.ask(FindIndexDrift(limit=2)).without_thread) == 2


def test_file_to_be_read_again_loses_its_checkpoint_and_is_pending(state: MemoryState) -> None:
    tool = DynamicTool(name="search", description="", input_schema="{}")
    for number in (1, 2):
        index(state, facts(number, dynamic_tools=(tool,)))

    assert state.ask(RereadRollouts(token=SCAN, paths=(path_of(1), "unknown"))) == 1

    assert statuses(state) == {path_of(1): "pending", path_of(2): "indexed"}
    assert set(state.ask(LoadCheckpoints(paths=(path_of(1), path_of(2))))) == {path_of(2)}
    assert state.rows("SELECT thread_id FROM thread_dynamic_tools") == [(thread_id(2),)]
    assert state.value("SELECT count(*) FROM threads") == 2


def test_reading_again_puts_every_column_right(state: MemoryState) -> None:
    index(state, facts(1))
    before = state.tables()["threads"]
    state.rows("UPDATE threads SET title = 'x', tokens_used = 0, archived_at_ms = 5, rollout_path = 'y'")
    state.ask(RereadRollouts(token=SCAN, paths=(path_of(1),)))
    index(state, facts(1))

    assert state.tables()["threads"] == before
    assert compared(state, read(found(path_of(1)), facts(1))) == ()


def test_vanished_file_is_not_to_be_read(state: MemoryState) -> None:
    index(state, facts(1))
    state.rows("UPDATE rollout_files SET status = 'vanished'")

    assert state.ask(RereadRollouts(token=SCAN, paths=(path_of(1),))) == 0
    assert statuses(state) == {path_of(1): "vanished"}


def test_nothing_is_changed_without_the_scans_token(state: MemoryState) -> None:
    index(state, facts(1))
    before = state.tables()

    assert state.ask(RereadRollouts(token=OTHER, paths=(path_of(1),))) == NotOwner()
    assert state.ask(RecordLostFiles(token=OTHER, threads=(thread_id(1),))) == NotOwner()
    assert state.tables() == before


def test_lost_file_gets_a_vanished_row_once(state: MemoryState) -> None:
    for number in (1, 2):
        index(state, facts(number))
    state.rows("DELETE FROM rollout_files WHERE thread_id = ?", thread_id(1))
    request = RecordLostFiles(token=SCAN, threads=(thread_id(1), thread_id(2), thread_id(9)))

    assert state.ask(request) == 1
    assert state.ask(request) == 0
    assert statuses(state) == {path_of(1): "vanished", path_of(2): "indexed"}
    (row,) = state.ask(LookUpRollouts(threads=(thread_id(1),)))
    assert (row.path, row.reason) == (path_of(1), "the file is gone")


def test_rollouts_are_looked_up_by_path_and_by_thread(state: MemoryState) -> None:
    for number in (1, 2, 3):
        index(state, facts(number))
    rows = state.ask(LookUpRollouts(paths=(path_of(1), "unknown"), threads=(thread_id(3),)))

    assert [(row.path, row.thread_id) for row in rows] == [(path_of(1), thread_id(1)), (path_of(3), thread_id(3))]
    assert state.ask(LookUpRollouts()) == ()


def test_pages_of_thread_rows_hold_every_thread_once(state: MemoryState) -> None:
    for number in range(1, 6):
        index(state, facts(number, preview="" if number == 2 else "seen"))
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = state.ask(ListThreadRows(after=after, limit=2))
        seen += [thread.id for thread in page.threads]
        after = page.next_after

    assert seen == [thread_id(number) for number in range(1, 6)]


def test_page_of_thread_rows_says_which_columns_of_its_threads_were_edited(state: MemoryState) -> None:
    for number in (1, 2, 3):
        index(state, facts(number))
        state.ask(SetThreadTitle(thread_id=thread_id(number), title="mine"))
    state.ask(PatchThreadGit(thread_id=thread_id(2), branch=None))
    page = state.ask(ListThreadRows(after=thread_id(1), limit=1))

    assert page.edited == {thread_id(2): {"title", "git_branch"}}
    assert state.ask(ListThreadRows(after=thread_id(3))).edited == {}


def test_every_lease_is_listed_with_its_owner_and_its_end(state: MemoryState) -> None:
    remember(state, 1)
    scanning(state)
    claimed(state, "mine", process="other", lease_ms=1_000)
    state.clock.advance(2_000)
    held = {(one.kind, one.subject, one.process, one.is_stale) for one in state.ask(ListHeldLeases())}

    assert held == {
        ("backfill", "", ProcessUuid("scanner"), False),
        ("consolidation", SHOP.key, ProcessUuid("other"), True),
    }


def test_generations_are_listed_with_link_and_folder(state: MemoryState) -> None:
    remember(state, 1)
    claimed(state, "token")
    before = state.ask(ListGenerations())
    publish(state, "token")
    rows: dict[Scope, GenerationRow] = {row.scope: row for row in state.ask(ListGenerations())}

    assert [(row.is_held, row.generation_folder) for row in before] == [(True, None)]
    assert rows[SHOP].link == f"scopes/{rows[SHOP].scope_folder}"
    assert (rows[SHOP].generation_folder, rows[SHOP].published_digest) == ("generations/shop/token", "digest-1")
    assert rows[HOME_SCOPE].link == "current"
    assert list(rows)[-1] == HOME_SCOPE


def test_what_was_said_of_a_thread_is_no_drift(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(SetThreadTitle(thread_id=thread_id(1), title="mine"))
    state.ask(PatchThreadGit(thread_id=thread_id(1), branch=None))

    assert compared(state, read(found(path_of(1)), facts(1))) == ()
    state.rows("UPDATE threads SET title = 'by hand', git_branch = 'by hand'")
    (drift,) = compared(state, read(found(path_of(1)), facts(1)))
    assert set(drift.columns) == {("title", "by hand", "mine"), ("git_branch", "by hand", "nothing")}


def test_thread_that_was_said_to_be_updated_after_its_file_is_no_drift(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(TouchThread(thread_id=thread_id(1), at_ms=state.clock.wall_ms))

    assert compared(state, read(found(path_of(1)), facts(1))) == ()
