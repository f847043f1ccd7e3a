"""What a scan has to do: which files it reads, which it leaves, and which have vanished."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.messages.backfill import FileStatus, KnownRollout
from state.rollouts.model import FoundRollout, UnreadablePath
from tests.fakes.readings import found
from workers.backfill.plan import ScanPlan, plan_scan

NOW_MS = 1_000_000
A, B = "sessions/2026/a.jsonl", "sessions/2026/b.jsonl"


def known(path: str, status: FileStatus = FileStatus.INDEXED, *, due_ms: int | None = None) -> KnownRollout:
    """The row of a file that has not changed since."""
    file = found(path)
    return KnownRollout(
        path=path,
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        inode=file.inode,
        status=status,
        next_attempt_at_ms=due_ms,
    )


def plan(
    files: list[FoundRollout],
    rows: list[KnownRollout],
    *,
    unreadable: tuple[str, ...] = (),
    retry_failed_now: bool = False,
) -> ScanPlan:
    """Plan a scan at NOW_MS."""
    return plan_scan(
        files,
        [UnreadablePath(path=path, reason="permission denied") for path in unreadable],
        rows,
        wall_ms=NOW_MS,
        retry_failed_now=retry_failed_now,
    )


def test_new_file_is_read() -> None:
    assert plan([found(A)], []) == ScanPlan(to_read=(found(A),), vanished=(), unchanged=0, waiting=0)


@pytest.mark.parametrize("status", [FileStatus.INDEXED, FileStatus.SHADOWED, FileStatus.SKIPPED])
def test_unchanged_file_needs_nothing(status: FileStatus) -> None:
    assert plan([found(A)], [known(A, status)]) == ScanPlan(to_read=(), vanished=(), unchanged=1, waiting=0)


@pytest.mark.parametrize("change", [{"size_bytes": 101}, {"mtime_ns": 1}, {"inode": 8}])
@pytest.mark.parametrize("status", list(FileStatus))
def test_changed_file_is_read_whatever_became_of_it_before(status: FileStatus, change: dict[str, Any]) -> None:
    changed = found(A, **change)

    assert plan([changed], [known(A, status, due_ms=NOW_MS + 1)]).to_read == (changed,)


@pytest.mark.parametrize("status", [FileStatus.PENDING, FileStatus.VANISHED])
def test_file_that_was_never_finished_or_came_back_is_read(status: FileStatus) -> None:
    assert plan([found(A)], [known(A, status)]).to_read == (found(A),)


@pytest.mark.parametrize(("due_ms", "is_read"), [(None, True), (NOW_MS - 1, True), (NOW_MS, True), (NOW_MS + 1, False)])
def test_failed_file_is_read_again_when_it_is_due(due_ms: int | None, is_read: bool) -> None:
    planned = plan([found(A)], [known(A, FileStatus.FAILED, due_ms=due_ms)])

    assert planned.to_read == ((found(A),) if is_read else ())
    assert planned.waiting == (0 if is_read else 1)
    assert planned.unchanged == 0


def test_failed_file_is_read_before_it_is_due_when_a_person_asks() -> None:
    rows = [known(A, FileStatus.FAILED, due_ms=NOW_MS + 1)]

    assert plan([found(A)], rows, retry_failed_now=True).to_read == (found(A),)


def test_file_that_is_no_longer_there_has_vanished_once() -> None:
    assert plan([], [known(B), known(A)]).vanished == (A, B)
    assert plan([], [known(A, FileStatus.VANISHED)]).vanished == ()


@pytest.mark.parametrize("unreadable", ["sessions", "sessions/2026", A])
def test_file_that_nobody_could_look_for_has_not_vanished(unreadable: str) -> None:
    assert plan([], [known(A)], unreadable=(unreadable,)).vanished == ()


@pytest.mark.parametrize("unreadable", ["sessions/202", "sessions/2026/a", "archived_sessions", ""])
def test_unreadable_folder_says_nothing_of_files_elsewhere(unreadable: str) -> None:
    assert plan([], [known(A)], unreadable=(unreadable,)).vanished == (A,)


def test_folder_that_can_be_read_again_is_no_longer_troubled() -> None:
    trouble = attrs.evolve(known("sessions/2026", FileStatus.FAILED), inode=0)

    assert plan([], [trouble]).vanished == ("sessions/2026",)
    assert plan([], [trouble], unreadable=("sessions/2026",)).vanished == ()


PATHS = st.sampled_from([f"sessions/{name}.jsonl" for name in "abcdef"])


@given(
    st.lists(PATHS, unique=True),
    st.dictionaries(PATHS, st.tuples(st.sampled_from(FileStatus), st.sampled_from([None, NOW_MS, NOW_MS + 1]))),
    st.booleans(),
)
def test_every_file_is_read_unchanged_or_waiting_and_the_order_is_kept(
    paths: list[str], rows: dict[str, tuple[FileStatus, int | None]], retry_failed_now: bool
) -> None:
    planned = plan(
        [found(path) for path in paths],
        [known(path, status, due_ms=due_ms) for path, (status, due_ms) in rows.items()],
        retry_failed_now=retry_failed_now,
    )

    to_read = [file.path for file in planned.to_read]
    assert to_read == [path for path in paths if path in to_read]
    assert len(to_read) + planned.unchanged + planned.waiting == len(paths)
    assert set(planned.vanished) == {
        path for path, (status, _) in rows.items() if path not in paths and status is not FileStatus.VANISHED
    }
