"""Jobs for people: extraction jobs and scopes side by side."""

from typing import Any

import attrs
import pytest

from state.ids import ProcessUuid
from state.messages.jobs import GetJob, Job, JobFound, JobKind, JobNotFound, ListJobs
from state.messages.leases import Owner
from tests.fakes import consolidation, extraction
from tests.fakes.consolidation import BLOG, SHOP, remember
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id


def listed(state: MemoryState, **filters: Any) -> list[tuple[str, str]]:
    """Id and status of the first page's jobs."""
    return [(job.job_id, job.status) for job in state.ask(ListJobs(**filters)).jobs]


def job(state: MemoryState, job_id: str) -> Job:
    """The job with this id."""
    answer = state.ask(GetJob(job_id=job_id))
    assert isinstance(answer, JobFound)
    return answer.job


@pytest.fixture
def busy(state: MemoryState) -> MemoryState:
    """One finished extraction, one that runs, and the dirty scope of the first."""
    remember(state, 1)
    index(state, facts(2))
    extraction.claimed(state, "running", process="process-2", lease_ms=60_000)
    return state


EXTRACTIONS = [(f"extraction:{thread_id(1)}", "succeeded"), (f"extraction:{thread_id(2)}", "running")]
SCOPES = [(f"consolidation:cwd:{SHOP.key}", "pending")]


def test_jobs_come_in_the_order_of_their_ids(busy: MemoryState) -> None:
    assert listed(busy) == SCOPES + EXTRACTIONS


def test_jobs_can_be_filtered_by_kind_and_by_status(busy: MemoryState) -> None:
    assert listed(busy, kind=JobKind.EXTRACTION) == EXTRACTIONS
    assert listed(busy, kind=JobKind.CONSOLIDATION) == SCOPES
    assert listed(busy, status="running") == EXTRACTIONS[1:]
    assert listed(busy, kind=JobKind.CONSOLIDATION, status="running") == []


def test_pages_lose_nothing(busy: MemoryState) -> None:
    first = busy.ask(ListJobs(limit=2))
    second = busy.ask(ListJobs(limit=2, after=first.next_after or ""))

    assert [one.job_id for one in (*first.jobs, *second.jobs)] == [job_id for job_id, _ in SCOPES + EXTRACTIONS]
    assert second.next_after is None
    assert busy.ask(ListJobs(limit=3)).next_after is None


def test_running_job_shows_who_has_it_and_for_how_long(busy: MemoryState) -> None:
    busy.clock.advance(59_000)
    running = job(busy, f"extraction:{thread_id(2)}")

    assert running.owner == Owner(process=ProcessUuid("process-2"), worker="worker")
    assert running.lease_left_ms == 1_000
    assert (running.attempts, running.fencing_number, running.scope_key) == (1, 1, SHOP.key)

    busy.clock.advance(2_000)
    assert job(busy, f"extraction:{thread_id(2)}").lease_left_ms == -1_000


def test_job_that_nobody_has_shows_no_owner(busy: MemoryState) -> None:
    done = job(busy, f"extraction:{thread_id(1)}")

    assert (done.owner, done.lease_left_ms) == (None, None)
    assert done.finished_at_ms == busy.clock.wall_ms


def test_scope_shows_where_it_stands(busy: MemoryState) -> None:
    job_id = f"consolidation:cwd:{SHOP.key}"
    seen = [job(busy, job_id).status]
    consolidation.claimed(busy, "one")
    seen.append(job(busy, job_id).status)
    consolidation.fail(busy, "one")
    seen.append(job(busy, job_id).status)
    assert job(busy, job_id).reason == "the disk is full"
    busy.clock.advance(3_600_000)
    consolidation.claimed(busy, "two")
    consolidation.publish(busy, "two")
    seen.append(job(busy, job_id).status)

    assert seen == ["pending", "running", "retry", "succeeded"]
    assert job(busy, job_id).thread_id is None


def test_listed_job_is_the_job_that_is_found(busy: MemoryState) -> None:
    remember(busy, 3, scope=BLOG)

    for one in busy.ask(ListJobs()).jobs:
        assert attrs.asdict(job(busy, one.job_id)) == attrs.asdict(one)


@pytest.mark.parametrize("job_id", ["", "extraction:", "extraction:nobody", "consolidation:cwd:/home", "other:x"])
def test_id_of_no_job_finds_nothing(busy: MemoryState, job_id: str) -> None:
    assert busy.ask(GetJob(job_id=job_id)) == JobNotFound()
