"""A model of extraction jobs: what a few lines of plain Python say a job does, beside what the rules do.

The model holds of each job its status, its owner, how many attempts it has spent, and what is remembered of it. After
every step the rows must say the same.
"""

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from state.ids import OwnershipToken, ProcessUuid
from state.messages.extraction import (
    ATTEMPTS_MAX,
    DeadLettered,
    ExtractionClaimed,
    ExtractionFinished,
    FailureClass,
    FinishResult,
    MemoryDraft,
    ReleaseExtraction,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.service import ReturnLeases
from state.rules.backoff import BACKOFF_MS_MIN, backoff_ms
from tests.fakes.extraction import EMPTY, claim, draft, fail, finish
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, thread_id

LEASE_MS = 60_000
STEPS_MS = st.sampled_from([1, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1, BACKOFF_MS_MIN, 3_600_000])
THREADS = st.sampled_from([1, 2])
FOLDERS = ["/home/ann/shop", "/home/ann/blog"]
PROCESSES = st.sampled_from(["process-1", "process-2"])
ANSWERS: list[MemoryDraft | None] = [draft("tabs"), draft("spaces"), EMPTY, None]


@attrs.define
class Job:
    """One job as the model sees it. `spent` counts attempts that were not given back."""

    number: int
    folder: str
    revision: int = 1
    status: str = "pending"
    spent: int = 0
    given_back: int = 0
    due_at_ms: int = 0
    token: str | None = None
    process: str = ""
    until_boot_ms: int = 0
    claimed_revision: int = 0
    memory: str | None = None
    memory_at_ms: int = 0

    @property
    def tries(self) -> int:
        """Claims of the content as it is now that came to nothing, or are in work."""
        return self.spent if self.claimed_revision == self.revision else 0

    def reopen(self) -> None:
        """Wait with all attempts left."""
        self.status, self.spent, self.given_back, self.due_at_ms, self.token = "pending", 0, 0, 0, None

    def end(self, status: str) -> None:
        """Belong to nobody."""
        self.status, self.token = status, None


class ExtractionMachine(RuleBasedStateMachine):
    """Two threads that grow and move, and workers that claim, finish, fail, give back and die."""

    tokens: Bundle[str] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.state = MemoryState()
        self.jobs = {number: Job(number=number, folder=FOLDERS[0]) for number in (1, 2)}
        self.marks = dict.fromkeys(FOLDERS, 0)
        self.sizes = 100
        self.minted = 0
        for job in self.jobs.values():
            self._read_again(job)

    def teardown(self) -> None:
        self.state.close()

    def _read_again(self, job: Job) -> None:
        self.sizes += 1
        index(
            self.state,
            facts(
                job.number,
                cwd=job.folder,
                content_digest=f"digest-{job.revision}",
                content_at_ms=CONTENT_AT_MS + job.number,
            ),
            size_bytes=self.sizes,
        )

    @rule(ms=STEPS_MS)
    def time_passes(self, ms: int) -> None:
        self.state.clock.advance(ms)

    @rule(number=THREADS)
    def file_is_read_again_without_new_content(self, number: int) -> None:
        self._read_again(self.jobs[number])

    @rule(number=THREADS)
    def thread_grows(self, number: int) -> None:
        job = self.jobs[number]
        job.revision += 1
        if job.status != "running":
            job.reopen()
        self._read_again(job)

    @rule(number=THREADS, folder=st.sampled_from(FOLDERS))
    def thread_moves(self, number: int, folder: str) -> None:
        job = self.jobs[number]
        if folder != job.folder:
            self.marks[job.folder] += job.memory is not None
            job.folder, job.memory, job.memory_at_ms = folder, None, 0
            job.reopen()
        self._read_again(job)

    @rule(target=tokens, process=PROCESSES)
    def claim(self, process: str) -> Any:
        self.minted += 1
        token = f"token-{self.minted}"
        expected = self._next_job()

        reply = claim(self.state, token, process=process, lease_ms=LEASE_MS)

        if expected is None:
            assert not isinstance(reply, ExtractionClaimed)
            return multiple()
        assert isinstance(reply, ExtractionClaimed)
        assert (reply.thread_id, reply.content_revision) == (thread_id(expected.number), expected.revision)
        expected.status, expected.token, expected.process = "running", token, process
        expected.spent = expected.tries + 1
        if expected.claimed_revision != expected.revision:
            expected.given_back = 0
        expected.claimed_revision = expected.revision
        expected.until_boot_ms = self.state.clock.boot_ms + LEASE_MS
        return token

    def _next_job(self) -> Job | None:
        """Bury what has no attempts left; answer the oldest stale job, else the newest untried one, else the newest."""
        now = self.state.clock
        stale = [job for job in self.jobs.values() if job.status == "running" and job.until_boot_ms <= now.boot_ms]
        stale.sort(key=lambda job: (job.until_boot_ms, job.number))
        waiting = [
            job for job in self.jobs.values() if job.status in ("pending", "retry") and job.due_at_ms <= now.wall_ms
        ]
        waiting.sort(key=lambda job: (job.status == "pending", job.number), reverse=True)
        for job in stale + waiting:
            if job.tries < ATTEMPTS_MAX:
                return job
            job.end("dead")
        return None

    @rule(token=tokens)
    def renew(self, token: str) -> None:
        job = self._owned(token)
        with self._unchanged_unless(job):
            reply = self.state.ask(RenewExtraction(token=OwnershipToken(token), lease_ms=LEASE_MS))

        assert isinstance(reply, Renewed) == (job is not None)
        if job is not None:
            job.until_boot_ms = self.state.clock.boot_ms + LEASE_MS

    @rule(token=tokens)
    def give_back(self, token: str) -> None:
        job = self._owned(token)
        with self._unchanged_unless(job):
            reply = self.state.ask(ReleaseExtraction(token=OwnershipToken(token)))

        assert isinstance(reply, Released) == (job is not None)
        if job is not None:
            job.end("pending")
            job.spent -= 1
            job.given_back += 1

    @rule(token=tokens, answer=st.sampled_from(ANSWERS))
    def finish(self, token: str, answer: MemoryDraft | None) -> None:
        job = self._owned(token)
        with self._unchanged_unless(job):
            reply = finish(self.state, token, answer)

        if job is None:
            assert reply == NotOwner()
            return
        text = answer.raw_memory if answer is not None else ""
        if text and text != job.memory:
            result = FinishResult.SAVED
            job.memory = text
            job.memory_at_ms = max(self.state.clock.wall_ms, job.memory_at_ms + 1)
            self.marks[job.folder] += 1
        elif answer is EMPTY and job.memory is None:
            result = FinishResult.EMPTY
        else:
            result = FinishResult.UNCHANGED
        assert reply == ExtractionFinished(result=result)
        grown = job.revision > job.claimed_revision
        job.reopen()
        if not grown:
            job.end("succeeded" if job.memory is not None else "empty")

    @rule(token=tokens, failure=st.sampled_from(FailureClass))
    def fail(self, token: str, failure: FailureClass) -> None:
        job = self._owned(token)
        with self._unchanged_unless(job):
            reply = fail(self.state, token, failure)

        if job is None:
            assert reply == NotOwner()
            return
        grown = job.revision > job.claimed_revision
        is_its_own = failure is not FailureClass.UNAVAILABLE
        if not grown and is_its_own and (failure is FailureClass.PERMANENT or job.spent >= ATTEMPTS_MAX):
            assert reply == DeadLettered()
            job.end("dead")
            return
        tries = job.spent if is_its_own else job.spent + job.given_back
        job.due_at_ms = self.state.clock.wall_ms + backoff_ms(tries, 1000)
        assert reply == RetryScheduled(next_attempt_at_ms=job.due_at_ms)
        if not grown and not is_its_own:
            job.spent -= 1
            job.given_back += 1
        job.end("retry")

    @rule(process=PROCESSES)
    def process_dies(self, process: str) -> None:
        returned = self.state.ask(ReturnLeases(process=ProcessUuid(process))).extractions

        dead = [job for job in self.jobs.values() if job.status == "running" and job.process == process]
        assert returned == len(dead)
        for job in dead:
            job.end("pending")

    @invariant()
    def rows_say_what_the_model_says(self) -> None:
        rows = self.state.rows(
            "SELECT j.scope_key, j.status, (j.attempts - j.given_back) * (j.claimed_revision IS t.content_revision),"
            " j.ownership_token, m.raw_memory FROM extraction_jobs j JOIN threads t ON t.id = j.thread_id"
            " LEFT JOIN memories m USING (thread_id, scope_kind, scope_key) ORDER BY j.thread_id"
        )
        assert rows == [(job.folder, job.status, job.tries, job.token, job.memory) for job in self.jobs.values()]

    @invariant()
    def every_owned_row_has_owner_and_lease_and_no_other_has(self) -> None:
        assert (
            self.state.value(
                "SELECT count(*) FROM extraction_jobs WHERE (ownership_token IS NULL) <> (owner_process IS NULL)"
                " OR (ownership_token IS NULL) <> (lease_until_boot_ms IS NULL)"
                " OR (ownership_token IS NULL) <> (renewed_boot_ms IS NULL)"
            )
            == 0
        )

    @invariant()
    def memories_are_stamped_later_with_every_change(self) -> None:
        stamps = dict(self.state.rows("SELECT thread_id, updated_at_ms FROM memories"))
        assert stamps == {
            thread_id(job.number): job.memory_at_ms for job in self.jobs.values() if job.memory is not None
        }

    @invariant()
    def scope_is_marked_once_for_every_change_of_its_memories(self) -> None:
        marks = dict(self.state.rows("SELECT scope_key, inputs_mark FROM scopes"))
        assert marks == {folder: mark for folder, mark in self.marks.items() if mark}

    def _owned(self, token: str) -> Job | None:
        return next((job for job in self.jobs.values() if job.token == token), None)

    def _unchanged_unless(self, job: Job | None) -> "_Unchanged":
        return _Unchanged(self.state, is_checked=job is None)


class _Unchanged:
    """Nothing at all changes in the block."""

    def __init__(self, state: MemoryState, *, is_checked: bool) -> None:
        self._state = state
        self._before = state.tables() if is_checked else None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        assert self._before is None or self._before == self._state.tables(), "a refused token changed something"
