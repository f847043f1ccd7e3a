"""Jobs for people: extraction jobs and scopes side by side."""

from typing import Any

import attrs
import pytest

from state.ids import ProcessUuid, Scope
from state.messages.consolidation import HOME_SCOPE, MarkScopeDirty
from state.messages.extraction import Eligibility, GetExtractionTotals
from state.messages.job_control import StealJob
from state.messages.jobs import BackOffs, GetBackOffs, GetJob, Job, JobFound, JobKind, JobNotFound, ListJobs
from state.messages.leases import Owner
from state.rules.backoff import BACKOFF_MS_MIN
from tests.fakes import consolidation, extraction
from tests.fakes.consolidation import BLOG, SHOP, remember
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, thread_id


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


def test_every_job_of_a_thread_has_an_id_of_its_own_and_the_own_one_that_of_the_thread(busy: MemoryState) -> None:
    others = (Scope(kind="cwd", key="/srv/Shop"), Scope(kind="team", key="Ann:Bob"))
    for scope in others:
        extraction.claimed_of(busy, scope.key, thread_id(1), scope=scope)
    ids = [f"extraction:{thread_id(1)}", *(f"extraction:{thread_id(1)}:{one.kind}:{one.key}" for one in others)]

    assert [job_id for job_id, _ in listed(busy, kind=JobKind.EXTRACTION)] == [*ids, f"extraction:{thread_id(2)}"]
    for job_id, scope in zip(ids, (SHOP, *others), strict=True):
        assert (job(busy, job_id).scope_kind, job(busy, job_id).scope_key) == (scope.kind, scope.key)
        assert busy.ask(ListJobs(after=job_id, limit=1)).jobs[0].job_id > job_id
    assert job(busy, f"{thread_id(1)}".upper() + ":team").scope_key == "Ann:Bob"
    assert busy.ask(GetJob(job_id=f"{thread_id(1)}:")) == JobNotFound(similar=tuple(ids[1:]))


def test_person_takes_a_hand_in_the_named_job_and_in_no_other_of_its_thread(busy: MemoryState) -> None:
    extraction.claimed_of(busy, "team", thread_id(2), scope=Scope(kind="team", key="shop"))

    busy.ask(StealJob(job_id=f"extraction:{thread_id(2)}:team:shop", fencing_number=1))
    statuses = [status for _, status in listed(busy, kind=JobKind.EXTRACTION)]
    assert statuses == ["succeeded", "running", "pending"]


@pytest.mark.parametrize(
    "job_id",
    ["", " ", "extraction", "extraction:", "extraction:nobody", "consolidation:", "consolidation:cwd:/srv", "other:x"],
)
def test_id_of_no_job_finds_nothing(busy: MemoryState, job_id: str) -> None:
    assert busy.ask(GetJob(job_id=job_id)) == JobNotFound()


def test_beginning_that_one_id_has_finds_its_job(busy: MemoryState) -> None:
    assert job(busy, f"extraction:{thread_id(2)[:-1]}2").thread_id == thread_id(2)
    assert job(busy, thread_id(2).upper()).job_id == f"extraction:{thread_id(2)}"
    assert job(busy, "consolidation:cwd:/home/ann/sh").scope_key == SHOP.key


def test_beginning_that_several_ids_have_names_them(busy: MemoryState) -> None:
    ids = tuple(f"extraction:{thread_id(number)}" for number in (1, 2))

    assert busy.ask(GetJob(job_id="extraction:0199")) == JobNotFound(similar=ids)
    assert busy.ask(GetJob(job_id="0199")) == JobNotFound(similar=ids)


def test_whole_id_is_found_though_others_begin_with_it(busy: MemoryState) -> None:
    remember(busy, 3, scope=Scope(kind="cwd", key=f"{SHOP.key}-2"))
    remember(busy, 4, scope=Scope(kind="cwd", key=f"{SHOP.key}/sub"))

    assert job(busy, f"consolidation:cwd:{SHOP.key}").scope_key == SHOP.key
    assert len(busy.ask(GetJob(job_id=f"consolidation:cwd:{SHOP.key[:-1]}")).similar) == 3  # type: ignore[union-attr]


def test_home_is_found_by_its_id(busy: MemoryState) -> None:
    busy.ask(MarkScopeDirty(scope=HOME_SCOPE, dirty=True))

    assert job(busy, "consolidation:home:").scope_kind == "home"


WAITING: list[tuple[dict[str, Any], str]] = [
    ({}, "ready"),
    ({"source": '{"custom":"atlas"}'}, "ready"),
    ({"source": "exec"}, "source exec is not chosen"),
    ({"source": '{"custom":"other"}'}, 'source {"custom":"other"} is not chosen'),
    ({"memory_mode": "disabled"}, "memory is disabled"),
    ({"memory_mode": "polluted"}, "memory is polluted"),
    ({"content_at_ms": CONTENT_AT_MS + 1}, "not idle long enough"),
    ({"content_at_ms": CONTENT_AT_MS - 1}, "too old"),
    ({"archived": True}, "archived"),
    ({"fails": True}, "waiting to be tried again"),
]


@pytest.mark.parametrize(("case", "reason"), WAITING, ids=[reason for _, reason in WAITING])
def test_job_says_why_it_waits_in_the_words_of_the_totals(
    state: MemoryState, case: dict[str, Any], reason: str
) -> None:
    age_ms = state.clock.wall_ms - CONTENT_AT_MS
    eligibility = Eligibility(sources=("cli", "atlas"), idle_ms=age_ms, age_ms_max=age_ms)
    path = f"archived_sessions/rollout-{thread_id(1)}.jsonl" if case.get("archived") else None
    index(state, facts(1, **{key: case[key] for key in case if key not in ("archived", "fails")}), path=path)
    if case.get("fails"):
        extraction.claimed(state, "one", eligibility=eligibility)
        extraction.fail(state, "one")

    found = state.ask(GetJob(job_id=thread_id(1), eligibility=eligibility))
    (one,) = state.ask(ListJobs(eligibility=eligibility)).jobs

    assert isinstance(found, JobFound)
    assert found.job.waits_because == one.waits_because == reason
    assert state.ask(GetExtractionTotals(eligibility=eligibility)).waiting_by_reason == {reason: 1}


def test_job_that_waits_for_nothing_says_nothing(busy: MemoryState) -> None:
    for one in busy.ask(ListJobs(kind=JobKind.EXTRACTION, eligibility=extraction.EVERYTHING)).jobs:
        assert (one.status in ("running", "succeeded"), one.waits_because) == (True, None)


def test_scope_says_why_it_waits(busy: MemoryState) -> None:
    job_id = f"consolidation:cwd:{SHOP.key}"

    def why() -> str | None:
        found = busy.ask(GetJob(job_id=job_id, cooldown_ms=1_000))
        assert isinstance(found, JobFound)
        return found.job.waits_because

    seen = [why()]
    consolidation.claimed(busy, "one")
    seen.append(why())
    consolidation.fail(busy, "one")
    seen.append(why())
    busy.clock.advance(3_600_000)
    consolidation.claimed(busy, "two")
    consolidation.publish(busy, "two")
    seen.append(why())
    busy.ask(MarkScopeDirty(scope=SHOP, dirty=True))
    seen.append(why())
    busy.clock.advance(1_000)
    seen.append(why())

    assert seen == ["ready", None, "waiting to be tried again", None, "resting after its last success", "ready"]


def test_back_offs_are_counted_with_the_first_next_attempt(state: MemoryState) -> None:
    assert state.ask(GetBackOffs()) == BackOffs(extractions=0, consolidations=0, next_attempt_at_ms=None)
    for number in (1, 2, 3):
        index(state, facts(number))
        extraction.claimed(state, f"token-{number}")
        extraction.fail(state, f"token-{number}", retry_after_ms=number * 1_000_000)
    remember(state, 4, scope=BLOG)
    consolidation.claimed(state, "scope")
    consolidation.fail(state, "scope")
    first_at_ms = state.clock.wall_ms + BACKOFF_MS_MIN

    assert state.ask(GetBackOffs()) == BackOffs(extractions=3, consolidations=1, next_attempt_at_ms=first_at_ms)
    state.clock.advance(1_000_000)
    assert state.ask(GetBackOffs()).extractions == 2
    assert state.ask(GetBackOffs()).consolidations == 0


def test_back_off_of_a_session_that_is_left_out_is_not_waited_for(state: MemoryState) -> None:
    index(state, facts(1))
    extraction.claimed(state, "one")
    extraction.fail(state, "one")
    state.rows("UPDATE threads SET memory_mode = 'disabled'")

    assert state.ask(GetBackOffs()).extractions == 0
