"""What is said of a thread is in its rollout where that can be, in the journal, and in its row."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from state import thread_editing
from state.folder import StateFolder, prepare
from state.messages.backfill import BackfillClaimed, ClaimBackfill, FinishBackfill, GetBackfillState
from state.messages.thread_edits import MemoryMode
from state.messages.thread_rows import DeleteThread
from state.rollouts.representation import zstd
from state.rollouts.writer_lock import ActiveWriterError, WriterLock
from state.store import open_store
from state.thread_editing import GitPatch, patch_git, set_memory_mode, set_name
from state.thread_storage import NoRolloutError, StoreMissingError, ThreadStorage, settled_row
from tests.fakes.memory_state import terms
from tests.fakes.readings import thread_id
from tests.fakes.stored_threads import ONE, StoredThreads, make_home, stored_threads
from workers.backfill.survey import has_work
from workers.redaction import redact

GIT = {"commit_hash": "abc", "branch": "main", "repository_url": "https://ann:hunter2@example.com/r.git"}
NOWHERE = thread_id(9)


@pytest.fixture
async def stored(tmp_path: Path, folder: StateFolder) -> AsyncIterator[StoredThreads]:
    """A home with a legacy thread that has git facts."""
    async with stored_threads(make_home(tmp_path / "codex", git=GIT), folder) as stored:
        yield stored


@pytest.fixture
async def paginated(tmp_path: Path, folder: StateFolder) -> AsyncIterator[StoredThreads]:
    """A home with a paginated thread."""
    async with stored_threads(make_home(tmp_path / "codex", history_mode="paginated", git=GIT), folder) as stored:
        yield stored


async def test_patch_changes_what_it_names_and_the_line_has_the_whole_triple(stored: StoredThreads) -> None:
    row = await patch_git(stored.storage, ONE, GitPatch(branch="dev"))

    assert (row.git_sha, row.git_branch) == ("abc", "dev")
    line = stored.lines()[-1]
    assert line["payload"]["git"] == GIT | {"branch": "dev"}, "what the store has redacted is not lost to the file"
    assert (line["type"], line["payload"]["memory_mode"]) == ("session_meta", "enabled")
    before = await stored.row()
    await stored.scan()
    after = await stored.row()
    assert before is not None
    assert after is not None
    assert (after.git_branch, after.title, after.preview) == ("dev", before.title, before.preview)


async def test_cleared_triple_stays_cleared_without_the_database(
    stored: StoredThreads, folder: StateFolder, tmp_path: Path
) -> None:
    await patch_git(stored.storage, ONE, GitPatch(sha=None, branch=None, origin_url=None))
    assert stored.lines()[-1]["payload"]["git"] == {}

    fresh = StateFolder(path=tmp_path / "fresh")
    async with stored_threads(stored.home, fresh) as rebuilt:
        row = await rebuilt.row()
    assert row is not None
    assert (row.git_sha, row.git_branch, row.git_origin_url) == (None, None, None)


async def test_edit_of_a_paginated_thread_outlives_the_database_and_touches_no_rollout(
    tmp_path: Path, folder: StateFolder
) -> None:
    """The defect of Codex 0.169.0 that branch edits of paginated threads, and all names, go with the database."""
    home = make_home(tmp_path / "codex", history_mode="paginated", git=GIT)
    async with stored_threads(home, folder) as stored:
        (path,) = stored.files()
        before = (home.path / path).read_bytes()
        await patch_git(stored.storage, ONE, GitPatch(branch="dev", sha=None))
        await set_name(stored.storage, ONE, "the login")
        await set_memory_mode(stored.storage, ONE, MemoryMode.DISABLED)
        assert (home.path / path).read_bytes() == before
    for file in folder.path.glob("state.sqlite*"):
        file.unlink()

    async with stored_threads(home, folder) as rebuilt:
        row = await rebuilt.row()
    assert row is not None
    assert (row.git_sha, row.git_branch, row.name, row.memory_mode) == (None, "dev", "the login", "disabled")


@pytest.mark.parametrize("history_mode", ["legacy", "paginated"])
async def test_edit_leaves_nothing_for_the_scan_to_do(tmp_path: Path, folder: StateFolder, history_mode: str) -> None:
    async with stored_threads(make_home(tmp_path / "codex", history_mode=history_mode, git=GIT), folder) as stored:
        await stored.scan()
        for number in range(3):
            await patch_git(stored.storage, ONE, GitPatch(branch=f"number {number}"))
            assert await settled_row(stored.storage, ONE) == await stored.row()
        await set_memory_mode(stored.storage, ONE, MemoryMode.DISABLED)
        assert not await has_work(stored.handle, stored.home.path)
        before = await stored.row()
        await stored.scan()
        assert await stored.row() == before


async def test_what_is_too_much_to_read_with_an_edit_is_left_to_the_scan(
    stored: StoredThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored.scan()
    monkeypatch.setattr(thread_editing, "READ_BYTES_MAX", 0)
    row = await patch_git(stored.storage, ONE, GitPatch(branch="dev"))
    assert row.git_branch == "dev"
    assert await settled_row(stored.storage, ONE) is None
    assert await has_work(stored.handle, stored.home.path)
    await stored.scan()
    assert await settled_row(stored.storage, ONE) == await stored.row()
    after = await stored.row()
    assert after is not None
    assert after.git_branch == "dev"


def _say_again(path: Path, old: bytes, new: bytes) -> None:
    """Append a rollout's first line with something else in it, as another program does."""
    first, *_ = path.read_bytes().splitlines(keepends=True)
    with path.open("ab") as file:
        file.write(first.replace(old, new))


async def test_what_another_program_said_right_before_an_edit_is_not_lost(stored: StoredThreads) -> None:
    await stored.scan()
    before = await stored.row()
    assert before is not None
    (path,) = stored.files()
    _say_again(stored.home.path / path, b'"abc"', b'"def"')

    row = await patch_git(stored.storage, ONE, GitPatch(branch="dev"))

    assert (row.git_sha, row.git_branch) == ("def", "dev")
    assert stored.lines()[-1]["payload"]["git"] == GIT | {"commit_hash": "def", "branch": "dev"}
    assert await stored.row() == row
    assert await settled_row(stored.storage, ONE) == row


@pytest.mark.parametrize("history_mode", ["legacy", "paginated"])
async def test_missing_row_is_rebuilt_from_the_rollout(tmp_path: Path, folder: StateFolder, history_mode: str) -> None:
    """The defect of Codex 0.169.0 that a paginated thread's missing row gets an empty title and an unknown source."""
    home = make_home(tmp_path / "codex", history_mode=history_mode)
    async with stored_threads(home, folder) as stored:
        await stored.handle.ask(DeleteThread(thread_id=ONE))
        row = await patch_git(stored.storage, ONE, GitPatch(branch="dev"))
    assert (row.title, row.preview, row.source, row.git_branch) == ("fix the login", "fix the login", "cli", "dev")


async def test_row_that_names_another_thread_s_file_is_put_right(stored: StoredThreads) -> None:
    """The defect of Codex 0.169.0 that such a row fails every edit with an internal error."""
    other = stored.home.session(thread_id=thread_id(2))
    other.user("another")
    (path,) = stored.files()
    wrong = other.path.read_bytes()
    moved = stored.home.path / "sessions" / Path(path).name
    os.rename(stored.home.path / path, moved)
    (stored.home.path / path).write_bytes(wrong)

    row = await patch_git(stored.storage, ONE, GitPatch(branch="dev"))

    assert (row.rollout_path, row.git_branch) == (f"sessions/{Path(path).name}", "dev")
    assert (stored.home.path / path).read_bytes() == wrong


async def test_thread_whose_file_is_gone_is_not_edited(paginated: StoredThreads) -> None:
    """The defect of Codex 0.169.0 that such an edit succeeds in the database alone."""
    (path,) = paginated.files()
    (paginated.home.path / path).unlink()
    before = await paginated.row()
    with pytest.raises(NoRolloutError) as refused:
        await patch_git(paginated.storage, ONE, GitPatch(branch="dev"))
    assert refused.value.has_row
    assert await paginated.row() == before


async def test_two_patches_of_different_fields_both_survive(stored: StoredThreads) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patch_git, stored.storage, ONE, GitPatch(branch="dev"))
        nursery.start_soon(patch_git, stored.storage, ONE, GitPatch(sha="def"))
        nursery.start_soon(set_memory_mode, stored.storage, ONE, MemoryMode.DISABLED)

    row = await stored.row()
    assert row is not None
    assert (row.git_sha, row.git_branch, row.memory_mode) == ("def", "dev", "disabled")
    triples = [line["payload"]["git"] for line in stored.lines() if line["payload"].get("git")]
    assert triples[-1] == GIT | {"branch": "dev", "commit_hash": "def"}


async def test_mode_is_said_without_the_triple_and_kept_in_the_next_one(stored: StoredThreads) -> None:
    await set_memory_mode(stored.storage, ONE, MemoryMode.DISABLED)
    assert "git" not in stored.lines()[-1]["payload"]
    await patch_git(stored.storage, ONE, GitPatch(branch="dev"))
    assert stored.lines()[-1]["payload"]["memory_mode"] == "disabled"


async def test_secret_in_a_name_is_in_codex_s_list_alone(stored: StoredThreads) -> None:
    await set_name(stored.storage, ONE, "like https://ann:hunter2@example.com")
    row = await stored.row()
    assert row is not None
    assert stored.name() == "like https://ann:hunter2@example.com"
    assert row.name is not None
    assert "hunter2" not in row.name
    assert b"hunter2" not in stored.handle.folder.journal.read_bytes()


async def test_archived_thread_is_patched_and_neither_named_nor_moded(tmp_path: Path, folder: StateFolder) -> None:
    async with stored_threads(make_home(tmp_path / "codex", archived=True), folder) as stored:
        row = await patch_git(stored.storage, ONE, GitPatch(branch="dev"))
        assert row.archived_at_ms is not None
        for refused in (set_name(stored.storage, ONE, "n"), set_memory_mode(stored.storage, ONE, MemoryMode.DISABLED)):
            with pytest.raises(NoRolloutError, match=f"^no rollout found for thread id {ONE}$"):
                await refused


async def test_compressed_rollout_becomes_plain_and_has_the_line(stored: StoredThreads) -> None:
    (path,) = stored.files()
    plain = stored.home.path / path
    plain.with_name(plain.name + ".zst").write_bytes(zstd.compress(plain.read_bytes()))
    plain.unlink()
    await patch_git(stored.storage, ONE, GitPatch(branch="dev"))
    assert stored.files() == [path]
    assert stored.lines()[-1]["payload"]["git"]["branch"] == "dev"


async def test_thread_that_another_program_writes_is_not_edited(
    stored: StoredThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WriterLock.__init__, "__kwdefaults__", {"wait_seconds": 0.01})
    held = WriterLock(stored.home.path, ONE, wait_seconds=0)
    before, row = stored.lines(), await stored.row()
    with pytest.raises(ActiveWriterError):
        await patch_git(stored.storage, ONE, GitPatch(branch="dev"))
    assert (stored.lines(), await stored.row()) == (before, row)
    await set_name(stored.storage, ONE, "a name needs no rollout")
    held.release()
    await patch_git(stored.storage, ONE, GitPatch(branch="dev"))


async def test_live_thread_s_own_writer_takes_the_line(stored: StoredThreads) -> None:
    class Writer:
        is_recorded = True

        def __init__(self) -> None:
            self.taken: list[bytes] = []

        async def append(self, line: bytes) -> None:
            self.taken.append(line)

    writer = Writer()
    held = WriterLock(stored.home.path, ONE)
    row = await patch_git(stored.storage, ONE, GitPatch(branch="dev"), writer)
    held.release()
    assert row.git_branch == "dev"
    assert b'"branch":"dev"' in writer.taken[0]
    assert len(stored.lines()) == 2


async def test_unknown_thread_is_told_so_and_nothing_is_made(stored: StoredThreads) -> None:
    before = stored.home.digest()
    for refused in (
        patch_git(stored.storage, NOWHERE, GitPatch(branch="dev")),
        set_name(stored.storage, NOWHERE, "n"),
        set_memory_mode(stored.storage, NOWHERE, MemoryMode.ENABLED),
    ):
        with pytest.raises(NoRolloutError) as error:
            await refused
        assert not error.value.has_row
    assert stored.home.digest() == before


async def test_without_a_store_a_thread_can_be_named_and_nothing_else(tmp_path: Path) -> None:
    home = make_home(tmp_path / "codex")
    storage = ThreadStorage(handle=None, codex_home=home.path, redact=redact, model_provider_default="openai")
    await set_name(storage, ONE, "n")
    assert (home.path / "session_index.jsonl").read_text().count('"n"') == 1
    for refused in (
        patch_git(storage, ONE, GitPatch(branch="dev")),
        set_memory_mode(storage, ONE, MemoryMode.DISABLED),
    ):
        with pytest.raises(StoreMissingError, match=f"^sqlite state db unavailable for thread {ONE}$"):
            await refused


async def test_patch_waits_for_no_backfill_and_is_not_undone_by_one(tmp_path: Path, folder: StateFolder) -> None:
    home = make_home(tmp_path / "codex", git=GIT)
    prepare(folder)
    async with open_store(folder, str(home.path)) as handle:
        stored = StoredThreads(home, handle)
        claim = ClaimBackfill(terms=terms("another process"))
        assert isinstance(await handle.ask(claim), BackfillClaimed)

        row = await patch_git(stored.storage, ONE, GitPatch(branch=None))

        assert (row.git_branch, row.preview) == (None, "fix the login")
        state = await handle.ask(GetBackfillState())
        assert not state.complete
        await handle.ask(FinishBackfill(token=claim.terms.token, listed=False))
        await stored.scan()
        assert (await handle.ask(GetBackfillState())).complete
        after = await stored.row()
    assert after is not None
    assert (after.git_branch, after.git_sha) == (None, "abc")
