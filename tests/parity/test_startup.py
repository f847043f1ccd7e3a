"""Owning start-up: a handle only once the index is whole, and never an endless wait."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import trio
from structlog.testing import capture_logs

from config import Settings
from config.settings import BACKFILL_LEASE_MS
from state.errors import StateFolderError
from state.folder import StateFolder
from state.ids import OwnershipToken, ProcessUuid
from state.messages.backfill import BackfillClaimed, ClaimBackfill, FinishBackfill, GetBackfillState
from state.messages.leases import ClaimTerms
from state.messages.service import RegisterProcess
from state.messages.threads import ListThreads
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from tests.fakes.other_process import other_process
from workers.startup import BackfillWaitError, Waiting, open_only, start, try_start

SHORT = Waiting(seconds_max=2.0, poll_seconds=0.01)
IMPATIENT = Waiting(seconds_max=0.1, poll_seconds=0.01)

NOBODYS_HOME = Path("/home/ann/.codex")
"""The home that `tests.fakes.other_process` means; there is nothing in it."""


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A home with three sessions."""
    path = tmp_path / "codex"
    path.mkdir()
    home = CodexHome(path=path)
    for number in range(3):
        home.session().user(f"Please write test {number}.")
    return home


@pytest.fixture
def logged() -> Iterator[None]:
    """Logs are set up."""
    structlog.configure()
    yield
    structlog.reset_defaults()


async def titles(handle: StateHandle) -> set[str]:
    """The titles in the index."""
    return {thread.title for thread in (await handle.ask(ListThreads(limit=100))).threads}


THREE = {f"Please write test {number}." for number in range(3)}


async def claim(handle: StateHandle) -> OwnershipToken:
    """Become the one who scans."""
    token = handle.mint_token()
    terms = ClaimTerms(token=token, owner=handle.owner("scan"), lease_ms=BACKFILL_LEASE_MS)
    assert isinstance(await handle.ask(ClaimBackfill(terms=terms)), BackfillClaimed)
    return token


async def test_handle_is_given_only_after_the_rows_exist(home: CodexHome, folder: StateFolder) -> None:
    async with try_start(folder, home.path, Settings(), waiting=SHORT) as handle:
        assert await titles(handle) == THREE
        assert (await handle.ask(GetBackfillState())).complete


async def test_what_appeared_since_the_last_start_is_there_too(home: CodexHome, folder: StateFolder) -> None:
    for number in (3, 4):
        async with try_start(folder, home.path, Settings(), waiting=SHORT) as handle:
            assert len(await titles(handle)) == number
        home.session().user(f"Please write test {number}.")


async def test_second_starter_waits_for_the_first_and_then_gets_a_handle(
    home: CodexHome, folder: StateFolder, logged: None
) -> None:
    given: list[set[str]] = []

    async def second() -> None:
        async with try_start(folder, home.path, Settings(), waiting=Waiting(seconds_max=20, poll_seconds=0.01)) as got:
            given.append(await titles(got))

    async with open_store(folder, str(home.path)) as first:
        token = await claim(first)
        with capture_logs() as entries:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(second)
                with trio.fail_after(10):
                    while True:
                        waits = [entry for entry in entries if "waiting up to" in entry["event"]]
                        if len(waits) >= 3:
                            break
                        await trio.sleep(0.01)
                assert given == []
                await first.ask(FinishBackfill(token=token, listed=False))

    assert given == [THREE]
    assert waits[0]["event"] == (
        f"state db backfill is running at {home.path}; waiting up to 20s before retrying startup initialization"
    )
    assert [entry["log_level"] for entry in waits[:3]] == ["warning", "info", "info"]


async def test_starters_at_the_same_time_all_get_a_handle_with_all_rows(home: CodexHome, folder: StateFolder) -> None:
    for number in range(3, 60):
        home.session(hours_ago=number).command("make", output="x" * 20_000)
    given: list[int] = []

    async def one() -> None:
        async with try_start(folder, home.path, Settings(), waiting=Waiting(seconds_max=20, poll_seconds=0.01)) as got:
            state = await got.ask(GetBackfillState())
            assert state.complete
            given.append(state.files_by_status["indexed"])

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(one)

    assert given == [60, 60, 60]


async def test_stuck_scan_makes_the_starter_fail_within_the_bound(folder: StateFolder, logged: None) -> None:
    with other_process("hold", folder) as other:
        other.word()
        with trio.fail_after(20), pytest.raises(BackfillWaitError) as failed:
            async with try_start(folder, NOBODYS_HOME, Settings(), waiting=SHORT):
                raise AssertionError("there is no handle")

        assert str(failed.value) == (
            f"timed out waiting for state db backfill at {NOBODYS_HOME} after 2s (status: running)"
        )
        assert failed.value.retryable


def test_bound_is_thirty_seconds_and_the_scan_is_asked_for_every_second() -> None:
    assert Waiting() == Waiting(seconds_max=30.0, poll_seconds=1.0)


async def test_scan_of_a_killed_process_is_taken_over_at_once(folder: StateFolder) -> None:
    with other_process("hold", folder) as other:
        other.word()
        other.kill()
        async with try_start(folder, NOBODYS_HOME, Settings(), waiting=IMPATIENT) as handle:
            assert (await handle.ask(GetBackfillState())).complete


async def test_whoever_looks_again_keeps_nobody_waiting_whose_index_is_whole(
    home: CodexHome, folder: StateFolder
) -> None:
    async with try_start(folder, home.path, Settings(), waiting=SHORT) as first:
        await claim(first)
        async with try_start(folder, home.path, Settings(), waiting=IMPATIENT) as second:
            assert await titles(second) == THREE


async def test_start_that_fails_is_a_warning_and_no_handle(folder: StateFolder, tmp_path: Path, logged: None) -> None:
    with other_process("hold", folder) as other, capture_logs() as entries:
        other.word()
        async with start(folder, NOBODYS_HOME, Settings(), waiting=IMPATIENT) as handle:
            assert handle is None
        async with start(folder, tmp_path, Settings(), waiting=IMPATIENT) as handle:
            assert handle is None
    warned = [entry["event"] for entry in entries if entry["log_level"] == "warning"]

    assert warned[1].startswith("failed to initialize state runtime: timed out waiting for state db backfill at ")
    assert warned[2].startswith("failed to initialize state runtime: the state folder ")


async def test_start_that_works_gives_the_handle_and_hides_no_error_of_its_block(
    home: CodexHome, folder: StateFolder
) -> None:
    async def fail() -> None:
        async with start(folder, home.path, Settings(), waiting=SHORT) as handle:
            assert handle is not None
            assert await titles(handle) == THREE
            raise StateFolderError("mine")

    with pytest.raises(StateFolderError, match="mine"):
        await fail()


async def test_without_a_logger_the_wait_is_said_once_on_stderr(
    folder: StateFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    structlog.reset_defaults()
    with other_process("hold", folder) as other:
        other.word()
        async with start(folder, NOBODYS_HOME, Settings(), waiting=IMPATIENT) as handle:
            assert handle is None
    said = capsys.readouterr()

    assert said.err.count("waiting up to 0.1s before retrying startup initialization\n") == 1
    assert said.err.count("failed to initialize state runtime: ") == 1
    assert said.out == ""


async def test_open_only_gives_nothing_and_makes_nothing_where_nothing_is(home: CodexHome, folder: StateFolder) -> None:
    async with open_only(folder, home.path) as handle:
        assert handle is None
    assert not folder.path.exists()


async def test_open_only_reads_a_whole_index_and_changes_nothing(home: CodexHome, folder: StateFolder) -> None:
    async with try_start(folder, home.path, Settings(), waiting=SHORT):
        pass
    home.session().user("This is not indexed.")
    async with open_only(folder, home.path) as handle:
        assert handle is not None
        assert await titles(handle) == THREE
        with pytest.raises(TypeError):
            await handle.ask(RegisterProcess(process=ProcessUuid("me"), pid=1))


async def test_open_only_warns_of_an_index_that_is_not_whole_and_never_scans(
    home: CodexHome, folder: StateFolder, logged: None
) -> None:
    async with open_store(folder, str(home.path)):
        pass
    with capture_logs() as entries:
        async with open_only(folder, home.path) as handle:
            assert handle is None
    assert [(entry["log_level"], entry["event"]) for entry in entries] == [
        ("warning", f"state db backfill not complete at {home.path} (status: pending)")
    ]
    async with open_store(folder, str(home.path)) as store:
        assert (await store.ask(GetBackfillState())).files_by_status == {}


async def test_open_only_warns_of_a_database_that_cannot_be_opened(
    home: CodexHome, folder: StateFolder, logged: None
) -> None:
    folder.path.mkdir()
    folder.database.write_bytes(b"no database" * 100)
    with capture_logs() as entries:
        async with open_only(folder, home.path) as handle:
            assert handle is None
    assert [entry["log_level"] for entry in entries] == ["warning"]
    assert folder.database.read_bytes().startswith(b"no database")


async def test_damaged_database_is_set_aside_and_said(home: CodexHome, tmp_path: Path, logged: None) -> None:
    folder = StateFolder(path=tmp_path / "state")
    async with try_start(folder, home.path, Settings()):
        pass
    folder.database.write_bytes(b"garbage" * 1000)

    with capture_logs() as said:
        async with try_start(folder, home.path, Settings()) as handle:
            assert await titles(handle) == THREE

    (moved_to,) = folder.quarantine_dir.iterdir()
    assert f"is set aside in {moved_to}" in said[0]["event"]
