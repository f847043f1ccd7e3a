"""A thread is in one place at any time, its row follows, and its agents go with it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from state.folder import StateFolder
from state.rollouts.representation import zstd
from state.rollouts.writer_lock import ActiveWriterError, WriterLock
from state.thread_moving import archive, unarchive
from state.thread_storage import NoRolloutError, ThreadStorage
from tests.fakes.codex_home import CodexHome
from tests.fakes.readings import thread_id
from tests.fakes.stored_threads import ONE, StoredThreads, make_home, stored_threads
from workers.redaction import redact

CHILD, GRANDCHILD, STRANGER = thread_id(2), thread_id(3), thread_id(4)


def agent_of(parent: str) -> dict[str, object]:
    """The source of a thread that another one has started."""
    return {"subagent": {"thread_spawn": {"parent_thread_id": parent, "depth": 1}}}


@pytest.fixture
async def family(tmp_path: Path, folder: StateFolder) -> AsyncIterator[StoredThreads]:
    """A thread, what it has started, and one that has nothing to do with it."""
    home = make_home(tmp_path / "codex")
    for child, parent in ((CHILD, ONE), (GRANDCHILD, CHILD)):
        home.session(thread_id=child, source=agent_of(parent)).user("look")  # type: ignore[arg-type]
    home.session(thread_id=STRANGER).user("hello")
    async with stored_threads(home, folder) as stored:
        yield stored


async def places(stored: StoredThreads) -> list[bool]:
    """Who is archived, by the rows; the files must agree."""
    archived = []
    for one in (ONE, CHILD, GRANDCHILD, STRANGER):
        row = await stored.row(one)
        assert row is not None
        assert stored.files(one) == [row.rollout_path]
        assert row.rollout_path.startswith("archived_sessions/") is (row.archived_at_ms is not None)
        archived.append(row.archived_at_ms is not None)
    return archived


async def test_thread_and_its_agents_go_and_come_back(family: StoredThreads) -> None:
    before = {one: family.files(one) for one in (ONE, CHILD, GRANDCHILD)}
    mtime_ns = (family.home.path / before[ONE][0]).stat().st_mtime_ns

    assert await archive(family.storage, ONE) == (ONE, GRANDCHILD, CHILD)
    assert await places(family) == [True, True, True, False]
    row = await family.row()
    assert row is not None
    assert row.updated_at_ms == mtime_ns // 1_000_000
    await family.scan()
    assert await family.row() == row

    assert await unarchive(family.storage, ONE) == (ONE, CHILD, GRANDCHILD)
    assert await places(family) == [False, False, False, False]
    assert {one: family.files(one) for one in before} == before
    await family.scan()
    assert await places(family) == [False, False, False, False]


async def test_thread_that_is_not_there_is_not_moved(family: StoredThreads) -> None:
    with pytest.raises(NoRolloutError, match=f"^no archived rollout found for thread id {ONE}$"):
        await unarchive(family.storage, ONE)
    await archive(family.storage, ONE)
    with pytest.raises(NoRolloutError, match=f"^no rollout found for thread id {ONE}$"):
        await archive(family.storage, ONE)


async def test_agent_that_is_being_written_is_left(family: StoredThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WriterLock.__init__, "__kwdefaults__", {"wait_seconds": 0.01})
    held = WriterLock(family.home.path, CHILD)
    assert await archive(family.storage, ONE) == (ONE, GRANDCHILD)
    with pytest.raises(ActiveWriterError):
        await archive(family.storage, CHILD)
    held.release()
    assert await places(family) == [True, False, True, False]


async def test_row_of_a_file_that_was_moved_by_hand_is_put_right_on_the_way(family: StoredThreads) -> None:
    (path,) = family.files()
    there = family.home.path / "archived_sessions"
    there.mkdir()
    os.rename(family.home.path / path, there / Path(path).name)
    assert await unarchive(family.storage, ONE) == (ONE, CHILD, GRANDCHILD)[:1]
    assert family.files() == [path]


async def _in_both_folders(stored: StoredThreads) -> Path:
    """Put another rollout of thread ONE into the archive, under the same name; where it lies."""
    (path,) = stored.files()
    other = stored.home.path / "archived_sessions" / path.rpartition("/")[2]
    other.parent.mkdir()
    other.write_bytes((stored.home.path / path).read_bytes() + b"{}\n")
    await stored.scan()
    return other


async def test_thread_in_both_folders_is_archived_and_its_other_rollout_kept(family: StoredThreads) -> None:
    (path,) = family.files()
    data = (family.home.path / path).read_bytes()
    other = await _in_both_folders(family)
    await archive(family.storage, ONE)

    row = await family.row()
    assert row is not None
    assert (row.rollout_path, other.read_bytes()) == (f"archived_sessions/{other.name}", data)
    assert other.with_name(f"replaced-1-{other.name}").read_bytes() == data + b"{}\n"
    await family.scan()
    assert await family.row() == row
    assert not (family.home.path / path).exists()


async def test_thread_in_both_folders_is_not_archived_so_it_is_not_brought_back(family: StoredThreads) -> None:
    before = family.files()
    other = await _in_both_folders(family)
    with pytest.raises(NoRolloutError, match=f"^no archived rollout found for thread id {ONE}$"):
        await unarchive(family.storage, ONE)
    other.unlink()
    assert (await places(family), family.files()) == ([False] * 4, before)


async def test_file_of_that_name_is_never_written_over(family: StoredThreads) -> None:
    (path,) = family.files()
    (family.home.path / "archived_sessions").mkdir()
    other = family.home.path / "archived_sessions" / Path(path).name
    other.write_bytes(b"somebody's\n")
    with pytest.raises(FileExistsError):
        await archive(family.storage, ONE)
    assert other.read_bytes() == b"somebody's\n"
    assert (family.home.path / path).exists()


@pytest.mark.parametrize("has_plain", [True, False])
async def test_compressed_rollout_is_moved_as_it_is(tmp_path: Path, folder: StateFolder, *, has_plain: bool) -> None:
    home = make_home(tmp_path / "codex")
    async with stored_threads(home, folder) as stored:
        (path,) = stored.files()
        plain = home.path / path
        compressed = plain.with_name(plain.name + ".zst")
        compressed.write_bytes(zstd.compress(plain.read_bytes()))
        if not has_plain:
            plain.unlink()
        await archive(stored.storage, ONE)
        assert stored.files() == [f"archived_sessions/{plain.name}{'' if has_plain else '.zst'}"]
        row = await stored.row()
        assert row is not None
        assert row.rollout_path == f"archived_sessions/{plain.name}"


async def test_link_in_the_way_is_not_followed(family: StoredThreads, tmp_path: Path) -> None:
    await archive(family.storage, STRANGER)
    year = next((family.home.path / "sessions").iterdir())
    elsewhere = tmp_path / "elsewhere"
    os.rename(year, elsewhere)
    year.symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(OSError, match=r"(?i)symbolic|loop|not a directory"):
        await unarchive(family.storage, STRANGER)
    assert sorted(elsewhere.rglob("*")) == before


async def test_without_a_store_the_file_alone_is_moved(tmp_path: Path) -> None:
    home = make_home(tmp_path / "codex")
    storage = ThreadStorage(handle=None, codex_home=home.path, redact=redact, model_provider_default="openai")
    assert await archive(storage, ONE) == (ONE,)
    assert _below(home, "archived_sessions") == 1
    assert await unarchive(storage, ONE) == (ONE,)
    assert _below(home, "sessions") == 1


def _below(home: CodexHome, folder: str) -> int:
    return len(list((home.path / folder).rglob("*.jsonl")))
