"""One rollout recorded without the scan's token: as a scan would, and never backwards."""

from state.messages.backfill import FileStatus, ListPendingRollouts, RolloutRead
from state.messages.thread_edits import MemoryMode, PatchThreadGit
from state.messages.thread_rows import ApplyRolloutItems, RolloutApplied, RolloutOutdated
from state.messages.threads import GetThread, Thread, ThreadFound
from state.rollouts.model import DynamicTool
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, found, index, path_of, read, thread_id

ONE = thread_id(1)
INDEXED = RolloutApplied(status=FileStatus.INDEXED, thread_id=ONE, reason=None)


def apply(outcome: RolloutRead, **more: object) -> ApplyRolloutItems:
    """Ask to record one reading."""
    return ApplyRolloutItems(read=outcome, model_provider_default="openai", **more)  # type: ignore[arg-type]


def thread(state: MemoryState) -> Thread:
    """The row of the first thread."""
    answer = state.ask(GetThread(thread_id=ONE))
    assert isinstance(answer, ThreadFound)
    return answer.thread


def test_reading_is_stored_as_a_scan_stores_it(state: MemoryState) -> None:
    tools = (DynamicTool(name="search", description="", input_schema="{}"),)
    content = facts(1, dynamic_tools=tools, memory_mode="disabled")
    scanned = MemoryState()
    index(scanned, content)
    scanned.rows("UPDATE backfill SET fencing_number = 0")

    assert state.ask(apply(read(found(path_of(1)), content))) == INDEXED
    for table, rows in scanned.tables().items():
        if table != "backfill":
            assert state.tables()[table] == rows, table
    assert state.ask(ListPendingRollouts()) == ()
    scanned.close()


def test_asking_again_changes_nothing(state: MemoryState) -> None:
    state.ask(apply(read(found(path_of(1)), facts(1))))
    before = state.tables()

    assert state.ask(apply(read(found(path_of(1)), facts(1)))) == INDEXED
    assert state.tables() == before


def test_older_reading_than_what_is_known_changes_nothing(state: MemoryState) -> None:
    index(state, facts(1), mtime_ns=5, size_bytes=200)
    before = state.tables()

    for older in (found(path_of(1), mtime_ns=4, size_bytes=300), found(path_of(1), mtime_ns=5, size_bytes=199)):
        assert state.ask(apply(read(older, facts(1, title="old")))) == RolloutOutdated()
    assert state.tables() == before


def test_rollout_without_a_thread_is_skipped_with_its_reason(state: MemoryState) -> None:
    assert state.ask(apply(read(found(path_of(1)), None))) == RolloutApplied(
        status=FileStatus.SKIPPED, thread_id=None, reason="it has no session_meta"
    )


def test_rollout_that_another_one_goes_before_writes_no_row(state: MemoryState) -> None:
    index(state, facts(1))

    reply = state.ask(apply(read(found("archived_sessions/rollout-x.jsonl"), facts(1, title="old"))))

    assert isinstance(reply, RolloutApplied)
    assert (reply.status, reply.thread_id) == (FileStatus.SHADOWED, ONE)
    assert reply.reason is not None
    assert path_of(1) in reply.reason
    assert thread(state).title == "task 1"


def test_file_that_no_scan_would_find_has_a_thread_and_no_row_of_its_own(state: MemoryState) -> None:
    """Its row would be that of a file that is gone, at the next scan, and hide the thread."""
    assert state.ask(apply(read(found("sessions/copy of mine.jsonl"), facts(1)))) == INDEXED
    assert thread(state).rollout_path == "sessions/copy of mine.jsonl"
    assert state.rows("SELECT * FROM rollout_files") == []


def test_time_of_update_is_what_the_asker_says_or_the_files(state: MemoryState) -> None:
    state.ask(apply(read(found(path_of(1)), facts(1)), updated_at_ms=42))
    assert thread(state).updated_at_ms == 42

    state.ask(apply(read(found(path_of(1)), facts(1))))
    assert thread(state).updated_at_ms == CONTENT_AT_MS


def test_what_was_said_goes_before_the_rollout(state: MemoryState) -> None:
    state.ask(apply(read(found(path_of(1)), facts(1, git_branch="main", git_sha="abc"))))
    state.ask(PatchThreadGit(thread_id=ONE, branch=None))
    grown = found(path_of(1), size_bytes=200)
    state.ask(apply(read(grown, facts(1, git_branch="other", git_sha="def"))))

    assert (thread(state).git_branch, thread(state).git_sha) == (None, "def")


def test_mode_of_a_new_thread_is_the_rollouts_if_it_says_one(state: MemoryState) -> None:
    new = {"new_thread_memory_mode": MemoryMode.DISABLED}
    state.ask(apply(read(found(path_of(1)), facts(1, memory_mode="enabled")), **new))
    assert thread(state).memory_mode == "enabled"


def test_mode_that_is_given_for_a_new_thread_stays_while_the_rollout_says_none(state: MemoryState) -> None:
    new = {"new_thread_memory_mode": MemoryMode.DISABLED}
    state.ask(apply(read(found(path_of(1)), facts(1, memory_mode="")), **new))
    assert thread(state).memory_mode == "disabled"

    index(state, facts(1, memory_mode="", content_digest="more"), size_bytes=200)
    assert thread(state).memory_mode == "disabled"
    rebuilt = MemoryState(journal=state.journal)
    index(rebuilt, facts(1, memory_mode=""))
    assert thread(rebuilt).memory_mode == "disabled"
    rebuilt.close()


def test_mode_that_is_given_for_a_thread_with_a_row_changes_nothing(state: MemoryState) -> None:
    index(state, facts(1, memory_mode=""))
    state.ask(apply(read(found(path_of(1)), facts(1, memory_mode="")), new_thread_memory_mode=MemoryMode.DISABLED))

    assert thread(state).memory_mode == "enabled"


def test_reading_with_figures_of_the_file_as_it_was_listed_is_registered_with_them(state: MemoryState) -> None:
    state.ask(apply(read(found(path_of(1), inode=9), facts(1))))

    assert state.rows("SELECT inode, status FROM rollout_files") == [(9, "indexed")]
