"""A real worker that was stopped past its lease and robbed: when it wakes it changes no row and no published file."""

import os
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio

from config.settings import Settings
from state.folder import StateFolder
from state.store import open_store
from tests.fakes.codex_home import CodexHome
from tests.fakes.late_owner import SETTINGS, Plan, late_owner
from workers.backfill.worker import scan
from workers.progress import NoProgress

pytestmark = pytest.mark.slow

LEASE_MS = 1_500
"""Short, so that the test need not wait for long; long enough that a busy machine does not lose it before the stop."""

OWN_TABLES = {"processes", "workers"}
"""These tell which processes have the store open: a process that ends is struck out there, as it must be."""


def tell(home: CodexHome, *texts: str) -> None:
    """Let there be a session with each of these wishes."""
    for text in texts:
        session = home.session()
        session.user(text)
        session.assistant("Done.")
        session.completed()


def index(home: CodexHome, folder: StateFolder) -> None:
    """Bring the index up to date."""

    async def look() -> None:
        async with open_store(folder, str(home.path)) as handle:
            await scan(handle, home.path, Settings(), NoProgress(), retry_failed_now=True)

    trio.run(look)


def tables(folder: StateFolder) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but of OWN_TABLES."""
    connection = apsw.Connection(str(folder.database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        names = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: list(connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2"))
            for name in names
            if name not in OWN_TABLES
        }
    finally:
        connection.close()


def published(folder: StateFolder) -> dict[str, bytes | str]:
    """The whole memories folder: every file's bytes, and where every link leads."""
    found: dict[str, bytes | str] = {}
    for here, folders, files in os.walk(folder.memories_dir):
        for name in (*folders, *files):
            path = Path(here) / name
            key = str(path.relative_to(folder.memories_dir))
            if path.is_symlink():
                found[key] = os.readlink(path)
            elif path.is_file():
                found[key] = path.read_bytes()
    return found


def is_staged_by(name: str, *, fencing_number: int) -> bool:
    """Say whether a file belongs to what the project's claim of this number has staged."""
    parts = name.split("/")
    return parts[0] == "generations" and parts[1] != "home" and parts[2].startswith(f"{fencing_number:08d}-")


def plan(home: CodexHome, folder: StateFolder, *workers: str, stop: str | None = None, **more: Any) -> Plan:
    """What a process does; it has a short lease if it stops."""
    return Plan(
        state=str(folder.path),
        codex_home=str(home.path),
        workers=workers,
        lease_ms=LEASE_MS if stop else 60_000,
        stop=stop,
    )


def work(the_plan: Plan) -> None:
    """Do it all."""
    with late_owner(the_plan) as process:
        process.wait()


@pytest.mark.parametrize("stop", ["after ClaimConsolidation", "before PublishConsolidation"])
def test_consolidation_that_is_robbed_and_wakes_after_the_thief_has_published_changes_nothing(
    home: CodexHome, folder: StateFolder, stop: str
) -> None:
    rows, files, rows_after, files_after = wake_late(home, folder, stop)

    assert rows_after == rows
    # It may leave or remove what it has staged itself: no row and no link ever names it.
    of_late_owner = {name for name in {*files, *files_after} if is_staged_by(name, fencing_number=1)}
    assert {name: text for name, text in files_after.items() if name not in of_late_owner} == {
        name: text for name, text in files.items() if name not in of_late_owner
    }
    (link,) = (text for name, text in files_after.items() if name.startswith("scopes/"))
    assert isinstance(link, str)
    assert "/00000002-" in link


@pytest.mark.parametrize("stop", ["before PointCurrent", "after PointCurrent"])
def test_consolidation_that_wakes_after_another_has_published_a_newer_generation_leaves_that_the_current_one(
    home: CodexHome, folder: StateFolder, stop: str
) -> None:
    rows, files, rows_after, files_after = wake_late(home, folder, stop)

    assert rows_after == rows
    assert files_after == files


def wake_late(home: CodexHome, folder: StateFolder, stop: str) -> tuple[Any, ...]:
    """Stop an owner, let another publish, wake the first; answer rows and files before it woke and after it ended."""
    tell(home, "Please always use tabs in this project.")
    index(home, folder)
    work(plan(home, folder, "extraction"))
    with late_owner(plan(home, folder, "consolidation", stop=stop)) as late:
        late.wait_stopped()
        tell(home, "Never write to the production database.")
        index(home, folder)
        work(plan(home, folder, "extraction", "consolidation"))
        rows, files = tables(folder), published(folder)
        assert any(b"production database" in text for text in files.values() if isinstance(text, bytes))

        late.go_on()
        late.wait()
    return rows, files, tables(folder), published(folder)


@pytest.mark.parametrize("stop", ["after ClaimExtraction", "before FinishAndClaimExtractions"])
def test_extraction_that_wakes_after_another_has_done_its_job_and_published_changes_nothing(
    home: CodexHome, folder: StateFolder, stop: str
) -> None:
    tell(home, "Please always use tabs in this project.")
    index(home, folder)
    with late_owner(plan(home, folder, "extraction", stop=stop)) as late:
        late.wait_stopped()
        work(plan(home, folder, "extraction", "consolidation"))
        rows, files = tables(folder), published(folder)
        assert any(b"use tabs" in text for text in files.values() if isinstance(text, bytes))

        late.go_on()
        late.wait()
    assert tables(folder) == rows
    assert published(folder) == files


def test_settings_of_these_processes_let_every_session_be_extracted_at_once() -> None:
    assert SETTINGS.extraction.idle_ms() == 0
