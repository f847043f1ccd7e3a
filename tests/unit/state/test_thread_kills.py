"""A kill at any change of a file leaves a thread that is whole: the next start has what was, or what was asked for."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from state.folder import StateFolder
from state.thread_deleting import delete
from state.thread_editing import GitPatch, patch_git, set_name
from state.thread_moving import archive, unarchive
from state.thread_storage import ThreadStorage
from tests.fakes.dying_os import DyingOs, Killed, die_after
from tests.fakes.stored_threads import ONE, StoredThreads, make_home, stored_threads

MODULES = (
    "state.thread_moving",
    "state.thread_deleting",
    "state.rollouts.append",
    "state.rollouts.name_list",
    "state.rollouts.places",
    "state.rollouts.plain_form",
    "state.rollouts.writer_lock",
)
CHANGES = DyingOs.CHANGES | {"write", "replace", "ftruncate", "utime"}
STEPS_MAX = 60

Change = Callable[[ThreadStorage], Awaitable[object]]


async def _patch(storage: ThreadStorage) -> None:
    await patch_git(storage, ONE, GitPatch(branch="dev"))


async def _name(storage: ThreadStorage) -> None:
    await set_name(storage, ONE, "dev")


async def _archive(storage: ThreadStorage) -> None:
    await archive(storage, ONE)


async def _unarchive(storage: ThreadStorage) -> None:
    await unarchive(storage, ONE)


async def _delete(storage: ThreadStorage) -> None:
    await delete(storage, ONE)


async def look(stored: StoredThreads) -> tuple[object, ...]:
    """What is there of the thread: branch, name, place; () when nothing is. Index and files must agree."""
    row = await stored.row()
    files = stored.files()
    if row is None:
        assert files == []
        assert stored.name() is None
        return ()
    assert files == [row.rollout_path]
    assert row.rollout_path.startswith("archived_sessions/") is (row.archived_at_ms is not None)
    assert (row.preview, row.name) == ("fix the login", stored.name())
    git = [line["payload"]["git"]["branch"] for line in stored.lines() if "git" in line["payload"]]
    assert git[-1:] == ([row.git_branch] if row.git_branch else [])
    return row.git_branch, row.name, row.archived_at_ms is not None


@pytest.mark.parametrize("change", [_patch, _name, _archive, _unarchive, _delete])
async def test_kill_at_any_step_leaves_what_was_or_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    monkeypatch.setattr(DyingOs, "CHANGES", CHANGES)
    seen = set()
    for lives in range(1, STEPS_MAX):
        home = make_home(tmp_path / f"codex-{lives}", archived=change is _unarchive)
        folder = StateFolder(path=tmp_path / f"state-{lives}")
        is_killed = False
        async with stored_threads(home, folder) as stored:
            before = await look(stored)
            with monkeypatch.context() as patched:
                die_after(patched, lives, *MODULES)
                try:
                    await change(stored.storage)
                except Killed:
                    is_killed = True
        async with stored_threads(home, folder) as stored:
            after = await look(stored)
            seen.add(after)
            if after in ((), before):
                seen.add(before)
            if after == before:
                await change(stored.storage)
                await stored.scan()
                after = await look(stored)
        async with stored_threads(home, folder) as stored:
            assert await look(stored) == after
            assert after != before
        if not is_killed:
            break
    else:
        raise AssertionError(f"more than {STEPS_MAX} steps")
    assert len(seen) == 2, "every kill gave one of two states"
