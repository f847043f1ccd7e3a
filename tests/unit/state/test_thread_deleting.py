"""A deleted thread is gone with everything that was said of it, and nothing of another goes with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from state.folder import StateFolder
from state.rollouts.name_list import append_name
from state.rollouts.representation import zstd
from state.rollouts.writer_lock import WriterLock
from state.thread_deleting import HistoryNeededError, delete, finish_deletions
from state.thread_editing import set_name
from state.thread_moving import archive, unarchive
from state.thread_storage import NoRolloutError, ThreadStorage
from tests.fakes.readings import thread_id
from tests.fakes.stored_threads import ONE, StoredThreads, make_home, stored_threads
from workers.redaction import redact

TWO, THREE = thread_id(2), thread_id(3)


@pytest.fixture
async def stored(tmp_path: Path, folder: StateFolder) -> AsyncIterator[StoredThreads]:
    """A home with two threads that have names."""
    home = make_home(tmp_path / "codex")
    home.session(thread_id=TWO).user("another")
    async with stored_threads(home, folder) as stored:
        for one in (ONE, TWO):
            await set_name(stored.storage, one, f"name of {one}")
        yield stored


async def test_thread_goes_with_its_file_its_names_its_row_and_its_edits(stored: StoredThreads) -> None:
    assert await delete(stored.storage, ONE) == (ONE,)

    assert (stored.files(), stored.name(), await stored.row()) == ([], None, None)
    assert ONE.encode() not in stored.handle.folder.journal.read_bytes()
    assert list(stored.handle.folder.deletions_dir.iterdir()) == []
    assert (len(stored.files(TWO)), stored.name(TWO)) == (1, f"name of {TWO}")
    await stored.scan()
    assert await stored.row() is None
    assert await stored.row(TWO) is not None
    with pytest.raises(NoRolloutError, match=f"^no rollout found for thread id {ONE}$"):
        await delete(stored.storage, ONE)


async def test_archived_and_compressed_ones_go_too(stored: StoredThreads) -> None:
    await archive(stored.storage, ONE)
    (path,) = stored.files()
    plain = stored.home.path / path
    plain.with_name(plain.name + ".zst").write_bytes(zstd.compress(plain.read_bytes()))
    await delete(stored.storage, ONE)
    assert stored.files() == []


async def test_what_was_set_aside_goes_too(stored: StoredThreads) -> None:
    (path,) = stored.files()
    data = (stored.home.path / path).read_bytes()
    for number in (1, 2):
        other = stored.home.path / "archived_sessions" / path.rpartition("/")[2]
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(data)
        await archive(stored.storage, ONE)
        await unarchive(stored.storage, ONE)
        assert len(list(other.parent.iterdir())) == number
    await delete(stored.storage, ONE)
    assert list(other.parent.iterdir()) == []


async def test_row_without_a_file_goes(stored: StoredThreads) -> None:
    (stored.home.path / stored.files()[0]).unlink()
    assert await delete(stored.storage, ONE) == (ONE,)
    assert await stored.row() is None


async def test_file_that_only_claims_the_thread_in_its_name_stays(stored: StoredThreads) -> None:
    liar = stored.home.path / "sessions" / f"rollout-2026-01-02T03-04-05-{ONE}.jsonl"
    liar.write_bytes((stored.home.path / stored.files(TWO)[0]).read_bytes())
    await delete(stored.storage, ONE)
    assert stored.files() == [f"sessions/{liar.name}"]


async def test_agents_go_first(stored: StoredThreads) -> None:
    source = {"subagent": {"thread_spawn": {"parent_thread_id": ONE, "depth": 1}}}
    stored.home.session(thread_id=THREE, source=source).user("look")  # type: ignore[arg-type]
    await stored.scan()
    assert await delete(stored.storage, ONE) == (THREE, ONE)
    assert stored.files(THREE) == []


async def test_thread_whose_history_a_fork_needs_stays(stored: StoredThreads) -> None:
    fork = stored.home.session(
        thread_id=THREE,
        forked_from_id=ONE,
        history_mode="paginated",
        history_base={"thread_id": ONE, "end_ordinal_exclusive": 2},
    )
    fork.user("go on")
    await stored.scan()
    with pytest.raises(HistoryNeededError, match=f"^cannot delete thread {ONE}: forked history still references it$"):
        await delete(stored.storage, ONE)
    assert len(stored.files()) == 1
    assert await delete(stored.storage, THREE) == (THREE,)
    assert await delete(stored.storage, ONE) == (ONE,)


async def test_deletion_that_was_begun_is_ended_by_the_next_start(
    tmp_path: Path, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "codex")
    append_name(home.path, ONE, "n", 1)
    async with stored_threads(home, folder) as stored:
        folder.deletions_dir.mkdir()
        (folder.deletions_dir / ONE).touch()
        (folder.deletions_dir / "something else").touch()
        monkeypatch.setattr(WriterLock.__init__, "__kwdefaults__", {"wait_seconds": 0.01})
        held = WriterLock(home.path, ONE)
        await finish_deletions(stored.handle, home.path)
        assert len(stored.files()) == 1, "whoever writes it now is not interrupted"
        held.release()

    async with stored_threads(home, folder) as stored:
        assert (stored.files(), stored.name(), await stored.row()) == ([], None, None)
        assert [path.name for path in folder.deletions_dir.iterdir()] == ["something else"]


async def test_without_a_store_the_files_go(tmp_path: Path) -> None:
    home = make_home(tmp_path / "codex")
    append_name(home.path, ONE, "n", 1)
    storage = ThreadStorage(handle=None, codex_home=home.path, redact=redact, model_provider_default="openai")
    assert await delete(storage, ONE) == (ONE,)
    assert list(home.path.rglob("rollout-*")) == []
    assert (home.path / "session_index.jsonl").read_bytes() == b""
