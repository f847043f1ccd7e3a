"""Finding a rollout by its thread's id: the index is asked, the file decides, the tree is the last word."""

from pathlib import Path

import pytest

from state.lookup import find_rollout
from state.messages.thread_places import ThreadPlace
from state.messages.thread_rows import InsertThreadIfAbsent, ThreadFields
from state.messages.threads import GetThread, ThreadFound
from state.store import StateHandle
from tests.unit.state.rollouts.transcript import (
    OTHER_THREAD,
    THREAD,
    rollout_file_name,
    session_meta,
    unchanged,
    user,
    write_rollout,
)


async def path_found(
    handle: StateHandle | None, home: Path, thread_id: str = THREAD, place: ThreadPlace = ThreadPlace.ACTIVE
) -> str | None:
    """The path that a lookup answers."""
    found = await find_rollout(handle, home, thread_id, place, redact=unchanged, model_provider_default="openai")
    return found.path if found is not None else None


async def enter(handle: StateHandle, path: str) -> None:
    """Have a row that says where the rollout is."""
    fields = ThreadFields(id=THREAD, rollout_path=path, created_at_ms=1, updated_at_ms=2, model_provider="openai")
    await handle.ask(InsertThreadIfAbsent(fields=fields))


async def path_in_index(handle: StateHandle) -> str:
    """What the thread's row says."""
    answer = await handle.ask(GetThread(thread_id=THREAD))
    assert isinstance(answer, ThreadFound)
    return answer.thread.rollout_path


async def test_path_from_the_index_needs_no_canonical_name(handle: StateHandle, tmp_path: Path) -> None:
    """Baseline: a row may point at any file that is there; the naming of rollouts is not asked for."""
    write_rollout(tmp_path, session_meta(), name="custom.jsonl")
    await enter(handle, "sessions/2026/11/20/custom.jsonl")

    assert await path_found(handle, tmp_path) == "sessions/2026/11/20/custom.jsonl"


async def test_path_of_another_threads_file_is_a_miss_and_is_repaired(handle: StateHandle, tmp_path: Path) -> None:
    """Baseline: the head of the file names another id, so the files are searched, and the row is read-repaired."""
    write_rollout(tmp_path, session_meta(OTHER_THREAD), name=rollout_file_name(OTHER_THREAD))
    right = write_rollout(tmp_path, session_meta()).relative_to(tmp_path).as_posix()
    await enter(handle, f"sessions/2026/11/20/{rollout_file_name(OTHER_THREAD)}")

    assert await path_found(handle, tmp_path) == right
    assert await path_in_index(handle) == right


async def test_stale_path_is_a_miss_and_is_repaired(handle: StateHandle, tmp_path: Path) -> None:
    """Baseline: a path without a file is stale."""
    right = write_rollout(tmp_path, session_meta()).relative_to(tmp_path).as_posix()
    await enter(handle, "sessions/2020/01/01/gone.jsonl")

    assert await path_found(handle, tmp_path) == right
    assert await path_in_index(handle) == right


async def test_search_alone_finds_it_without_an_index(tmp_path: Path) -> None:
    """Baseline: without a database the file search decides."""
    right = write_rollout(tmp_path, session_meta()).relative_to(tmp_path).as_posix()

    assert await path_found(None, tmp_path) == right
    assert await path_found(None, tmp_path, OTHER_THREAD) is None


async def test_missing_row_is_written_from_the_file_that_was_found(handle: StateHandle, tmp_path: Path) -> None:
    """Baseline: without a row the repair is a whole reconcile from the file, with the file's own provider."""
    write_rollout(tmp_path, session_meta(model_provider="mock") + user("hello"))
    await path_found(handle, tmp_path)

    answer = await handle.ask(GetThread(thread_id=THREAD))
    assert isinstance(answer, ThreadFound)
    assert (answer.thread.preview, answer.thread.model_provider) == ("hello", "mock")


async def test_active_and_archived_lookups_do_not_see_each_others_files(tmp_path: Path) -> None:
    """Baseline: one searches sessions/, its twin archived_sessions/; a later version has both at once."""
    archived = write_rollout(tmp_path, session_meta(), folder="archived_sessions").relative_to(tmp_path).as_posix()

    assert await path_found(None, tmp_path) is None
    assert await path_found(None, tmp_path, place=ThreadPlace.ARCHIVED) == archived
    assert await path_found(None, tmp_path, place=ThreadPlace.ANY) == archived


@pytest.mark.parametrize("asked", ["", "not-a-uuid"])
async def test_id_that_is_no_uuid_finds_nothing(tmp_path: Path, asked: str) -> None:
    """Baseline: None, without a look at index or files."""
    write_rollout(tmp_path, session_meta())

    assert await path_found(None, tmp_path, asked) is None


async def test_folder_that_is_missing_finds_nothing(tmp_path: Path) -> None:
    """Baseline: without the folder there is nothing to search."""
    assert await path_found(None, tmp_path / "no home") is None
