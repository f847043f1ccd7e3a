"""Finding a thread's rollout: the index if the file agrees, else the tree, and the row put right."""

from pathlib import Path

import pytest

from state.errors import StoreClosedError
from state.folder import StateFolder
from state.lookup import RolloutPlace, find_rollout
from state.messages.thread_edits import SetThreadTitle
from state.messages.thread_places import FindRolloutPath, RolloutPathFound, ThreadPlace
from state.messages.thread_rows import DeleteThread, InsertThreadIfAbsent, ThreadFields
from state.messages.threads import GetThread, Thread, ThreadFound
from state.store import StateHandle, open_store, open_store_for_reading
from tests.fakes.clock import ManualClock
from tests.unit.state.rollouts.transcript import (
    OTHER_THREAD,
    THREAD,
    rollout_file_name,
    session_meta,
    user,
    without_hunter,
    write_rollout,
)

CODEX_HOME = "/home/ann/.codex"


async def look(
    handle: StateHandle | None, codex_home: Path, thread_id: str = THREAD, place: ThreadPlace = ThreadPlace.ANY
) -> RolloutPlace | None:
    """Find a rollout."""
    return await find_rollout(
        handle, codex_home, thread_id, place, redact=without_hunter, model_provider_default="openai"
    )


async def enter(handle: StateHandle, path: str, *, archived_at_ms: int | None = None) -> None:
    """Have a row that says that the thread's rollout is there."""
    await handle.ask(
        InsertThreadIfAbsent(
            fields=ThreadFields(
                id=THREAD,
                rollout_path=path,
                created_at_ms=1,
                updated_at_ms=2,
                model_provider="openai",
                archived_at_ms=archived_at_ms,
            )
        )
    )


async def thread(handle: StateHandle) -> Thread:
    """The thread's row."""
    answer = await handle.ask(GetThread(thread_id=THREAD))
    assert isinstance(answer, ThreadFound)
    return answer.thread


def relative(codex_home: Path, path: Path) -> str:
    """A path as rows have it."""
    return path.relative_to(codex_home).as_posix()


async def test_path_of_the_index_is_accepted_whatever_the_file_is_called(handle: StateHandle, tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta(), name="copy of mine.jsonl")
    write_rollout(tmp_path, session_meta())
    await enter(handle, relative(tmp_path, path))

    assert await look(handle, tmp_path) == RolloutPlace(
        path="sessions/2026/11/20/copy of mine.jsonl", archived=False, is_verified=True
    )


async def test_path_whose_file_is_another_threads_is_rejected_and_the_row_put_right(
    handle: StateHandle, tmp_path: Path
) -> None:
    wrong = write_rollout(tmp_path, session_meta(OTHER_THREAD), name=rollout_file_name(OTHER_THREAD))
    right = write_rollout(tmp_path, session_meta())
    await enter(handle, relative(tmp_path, wrong))

    place = await look(handle, tmp_path)

    assert place == RolloutPlace(path=relative(tmp_path, right), archived=False, is_verified=True)
    assert (await thread(handle)).rollout_path == relative(tmp_path, right)


async def test_path_whose_file_is_gone_is_stale_and_the_row_put_right(handle: StateHandle, tmp_path: Path) -> None:
    right = write_rollout(tmp_path, session_meta(), folder="archived_sessions")
    await enter(handle, "sessions/gone.jsonl")

    place = await look(handle, tmp_path)

    assert place == RolloutPlace(path=relative(tmp_path, right), archived=True, is_verified=True)
    row = await thread(handle)
    assert (row.rollout_path, row.archived_at_ms) == (relative(tmp_path, right), row.updated_at_ms)


async def test_without_a_store_the_tree_alone_is_searched(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta())

    assert await look(None, tmp_path, THREAD.upper()) == RolloutPlace(
        path=relative(tmp_path, path), archived=False, is_verified=True
    )
    assert await look(None, tmp_path, OTHER_THREAD) is None
    assert await look(None, tmp_path, place=ThreadPlace.ARCHIVED) is None


async def test_row_that_is_missing_is_written_from_the_file(handle: StateHandle, tmp_path: Path) -> None:
    write_rollout(tmp_path, session_meta(model_provider="azure") + user("say hunter2"))

    assert await look(handle, tmp_path) is not None

    row = await thread(handle)
    assert (row.preview, row.model_provider) == ("say [gone]", "azure")


async def test_edits_of_a_row_that_was_put_right_stay(handle: StateHandle, tmp_path: Path) -> None:
    moved = write_rollout(tmp_path, session_meta() + user("hello"))
    await look(handle, tmp_path)
    await handle.ask(SetThreadTitle(thread_id=THREAD, title="mine"))
    moved.rename(moved.with_name(rollout_file_name(name_stamp="2026-11-20T09-30-00")))

    await look(handle, tmp_path)

    assert (await thread(handle)).title == "mine"


@pytest.mark.parametrize("data", [b"", user("hello"), session_meta("no-uuid")])
async def test_file_that_does_not_say_whose_it_is_is_answered_only_if_there_is_no_better(
    handle: StateHandle, tmp_path: Path, data: bytes
) -> None:
    doubtful = write_rollout(tmp_path, data, name="doubtful.jsonl")
    await enter(handle, relative(tmp_path, doubtful))
    assert await look(handle, tmp_path) == RolloutPlace(
        path=relative(tmp_path, doubtful), archived=False, is_verified=False
    )
    assert (await thread(handle)).rollout_path == relative(tmp_path, doubtful)

    right = write_rollout(tmp_path, session_meta())
    assert await look(handle, tmp_path) == RolloutPlace(
        path=relative(tmp_path, right), archived=False, is_verified=True
    )


@pytest.mark.parametrize("asked", ["", "no-uuid", f"{THREAD}.jsonl", "../../etc"])
async def test_id_that_is_no_uuid_is_nobodys(handle: StateHandle, tmp_path: Path, asked: str) -> None:
    write_rollout(tmp_path, session_meta())

    assert await look(handle, tmp_path, asked) is None


async def test_only_the_place_that_is_wanted_counts(handle: StateHandle, tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta(), folder="archived_sessions")
    await enter(handle, relative(tmp_path, path), archived_at_ms=5)

    assert await look(handle, tmp_path, place=ThreadPlace.ACTIVE) is None
    archived = await look(handle, tmp_path, place=ThreadPlace.ARCHIVED)
    assert archived == RolloutPlace(path=relative(tmp_path, path), archived=True, is_verified=True)


async def test_store_that_cannot_answer_costs_the_index_and_not_the_search(
    folder: StateFolder, clock: ManualClock, tmp_path: Path
) -> None:
    path = write_rollout(tmp_path, session_meta())
    async with open_store(folder, CODEX_HOME, clock=clock, inline=True) as handle:
        pass
    with pytest.raises(StoreClosedError):
        await handle.ask(FindRolloutPath(thread_id=THREAD))

    assert await look(handle, tmp_path) == RolloutPlace(path=relative(tmp_path, path), archived=False, is_verified=True)


async def test_store_that_was_opened_for_reading_is_asked_and_not_changed(
    folder: StateFolder, clock: ManualClock, tmp_path: Path
) -> None:
    path = write_rollout(tmp_path, session_meta())
    async with open_store(folder, CODEX_HOME, clock=clock, inline=True) as handle:
        await enter(handle, "sessions/gone.jsonl")
    async with open_store_for_reading(folder, CODEX_HOME, clock=clock) as reader:
        assert reader is not None
        place = await look(reader, tmp_path)
        known = await reader.ask(FindRolloutPath(thread_id=THREAD))

    assert place == RolloutPlace(path=relative(tmp_path, path), archived=False, is_verified=True)
    assert known == RolloutPathFound(thread_id=THREAD, path="sessions/gone.jsonl", archived=False)


async def test_lookup_after_a_deletion_writes_the_row_anew(handle: StateHandle, tmp_path: Path) -> None:
    write_rollout(tmp_path, session_meta() + user("hello"))
    await look(handle, tmp_path)
    await handle.ask(DeleteThread(thread_id=THREAD))

    await look(handle, tmp_path)

    assert (await thread(handle)).preview == "hello"
