"""Extraction jobs beside their model: whatever threads, workers and clocks do, the rows say what the model says.

Jobs are claimed as they come and by name, in the thread's own scope and in another one, with and without a cap. Every
token that was ever granted stays in play, so that dead ones are shown again and again, also to the guarded write.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from state.ids import OwnershipToken, ProcessUuid
from state.messages.extraction import (
    ATTEMPTS_MAX,
    DeadLettered,
    ExtractionCapacityReached,
    ExtractionClaimed,
    ExtractionFinished,
    FailureClass,
    FinishResult,
    MemoryDraft,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.extraction_claims import (
    SkippedBackoff,
    SkippedCapacity,
    SkippedExhausted,
    SkippedRunning,
    SkippedTerminalFailure,
    SkippedUpToDate,
)
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.memory_rows import MemoryRow
from state.messages.service import ReturnLeases
from state.rules.backoff import BACKOFF_MS_MIN, backoff_ms
from tests.fakes.extraction import EMPTY, claim, claim_of, claimed_of, draft, fail, finish, save_under_claim
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, thread_id
from tests.properties.extraction_model import TEAM, Job, Thread

LEASE_MS = 60_000
STEPS_MS = st.sampled_from([1, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1, BACKOFF_MS_MIN, 3_600_000])
THREADS = st.sampled_from([1, 2])
KINDS = st.sampled_from(["cwd", TEAM.kind])
FOLDERS = ["/home/ann/shop", "/home/ann/blog"]
PROCESSES = st.sampled_from(["process-1", "process-2"])
CAPS = st.sampled_from([None, None, 1, 2])
ANSWERS: list[MemoryDraft | None] = [draft("tabs"), draft("spaces"), EMPTY, None]


class ExtractionMachine(RuleBasedStateMachine):
    """Two threads that grow and move, and workers that claim, write, finish, fail, give back and die."""

    tokens: Bundle[str] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.state = MemoryState()
        self.threads = {number: Thread(number=number, folder=FOLDERS[0]) for number in (1, 2)}
        self.jobs = {
            (number, kind): Job(thread=thread, kind=kind, exists=kind == "cwd")
            for number, thread in self.threads.items()
            for kind in ("cwd", TEAM.kind)
        }
        self.marks = dict.fromkeys((*FOLDERS, TEAM.key), 0)
        self.sizes = 100
        self.minted = 0
        for thread in self.threads.values():
            self._read_again(thread)

    def teardown(self) -> None:
        self.state.close()

    def _read_again(self, thread: Thread) -> None:
        self.sizes += 1
        index(
            self.state,
            facts(
                thread.number,
                cwd=thread.folder,
                content_digest=f"digest-{thread.revision}",
                content_at_ms=CONTENT_AT_MS + thread.number,
            ),
            size_bytes=self.sizes,
        )

    def _rows(self) -> list[Job]:
        """The jobs that there are, in the order of their rows."""
        return [job for job in self.jobs.values() if job.exists]

    @rule(ms=STEPS_MS)
    def time_passes(self, ms: int) -> None:
        self.state.clock.advance(ms)

    @rule(number=THREADS)
    def file_is_read_again_without_new_content(self, number: int) -> None:
        self._read_again(self.threads[number])

    @rule(number=THREADS)
    def thread_grows(self, number: int) -> None:
        thread = self.threads[number]
        thread.revision += 1
        for job in self._rows():
            if job.thread is thread and job.status != "running":
                job.reopen()
        self._read_again(thread)

    @rule(number=THREADS, folder=st.sampled_from(FOLDERS))
    def thread_moves(self, number: int, folder: str) -> None:
        thread, own = self.threads[number], self.jobs[number, "cwd"]
        if folder != thread.folder:
            self.marks[thread.folder] += own.memory is not None
            thread.folder, own.memory, own.memory_at_ms, own.done_revision = folder, None, 0, 0
            own.reopen()
        self._read_again(thread)

    @rule(target=tokens, process=PROCESSES, running_max=CAPS)
    def claim(self, process: str, running_max: int | None) -> Any:
        token = self._mint()
        expected = self._next_job()

        reply = claim(self.state, token, process=process, lease_ms=LEASE_MS, running_max=running_max)

        if expected is None:
            assert isinstance(reply, NothingToExtract)
            return multiple()
        if self._is_full(expected, running_max):
            assert reply == ExtractionCapacityReached()
            return multiple()
        self._granted(expected, reply, token, process)
        return token

    @rule(
        target=tokens,
        number=THREADS,
        kind=KINDS,
        process=PROCESSES,
        running_max=CAPS,
        stale_after_ms=st.sampled_from([None, None, 0]),
    )
    def claim_by_name(
        self, number: int, kind: str, process: str, running_max: int | None, stale_after_ms: int | None
    ) -> Any:
        token, job = self._mint(), self.jobs[number, kind]
        refusal = self._refusal(job, running_max, is_forced=stale_after_ms == 0)
        with self._unchanged_if(refusal not in (None, SkippedExhausted)):
            reply = claim_of(
                self.state,
                token,
                thread_id(number),
                scope=job.scope,
                process=process,
                lease_ms=LEASE_MS,
                running_max=running_max,
                stale_after_ms=stale_after_ms,
            )

        if refusal is not None:
            assert isinstance(reply, refusal)
            return multiple()
        self._granted(job, reply, token, process)
        return token

    @rule(token=tokens)
    def claim_by_name_again_with_the_same_token(self, token: str) -> None:
        job = self._owned(token)
        if job is None:
            return
        with self._unchanged_if(True):
            again = claimed_of(self.state, token, thread_id(job.thread.number), scope=job.scope, running_max=0)

        assert again.content_revision == job.thread.revision

    def _mint(self) -> str:
        self.minted += 1
        return f"token-{self.minted}"

    def _granted(self, job: Job, reply: object, token: str, process: str) -> None:
        assert isinstance(reply, ExtractionClaimed)
        assert (reply.thread_id, reply.scope) == (thread_id(job.thread.number), job.scope)
        assert reply.content_revision == job.thread.revision
        job.grant(token, process, self.state.clock.boot_ms + LEASE_MS)

    def _next_job(self) -> Job | None:
        """Bury what has no attempts left; answer the oldest stale job, else the newest untried one, else the newest."""
        now = self.state.clock
        stale = [job for job in self._rows() if job.status == "running" and not job.is_held(now)]
        stale.sort(key=lambda job: (job.until_boot_ms, job.thread.number, job.kind))
        waiting = [job for job in self._rows() if job.status in ("pending", "retry") and job.due_at_ms <= now.wall_ms]
        waiting.sort(key=lambda job: (job.status != "pending", -job.thread.number, job.kind))
        for job in stale + waiting:
            if not job.is_used_up:
                return job
            job.end("dead")
        return None

    def _refusal(self, job: Job, running_max: int | None, *, is_forced: bool) -> type[object] | None:
        """Why a job may not be claimed by name; one that is used up is buried."""
        is_tried = job.claimed_revision == job.thread.revision
        if job.exists:
            if job.status == "dead" and is_tried:
                return SkippedTerminalFailure
            if job.status in ("succeeded", "empty") and job.done_revision >= job.thread.revision:
                return SkippedUpToDate
            if job.is_held(self.state.clock) and not is_forced:
                return SkippedRunning
            if job.status == "retry" and job.due_at_ms > self.state.clock.wall_ms and is_tried:
                return SkippedBackoff
            if job.is_used_up:
                job.end("dead")
                return SkippedExhausted
        return SkippedCapacity if self._is_full(job, running_max) else None

    def _is_full(self, but_for: Job, running_max: int | None) -> bool:
        running = sum(job.is_held(self.state.clock) for job in self._rows() if job is not but_for)
        return running_max is not None and running >= running_max

    @rule(token=tokens)
    def renew(self, token: str) -> None:
        job = self._owned(token)
        with self._unchanged_if(job is None):
            reply = self.state.ask(RenewExtraction(token=OwnershipToken(token), lease_ms=LEASE_MS))

        assert isinstance(reply, Renewed) == (job is not None)
        if job is not None:
            job.until_boot_ms = self.state.clock.boot_ms + LEASE_MS

    @rule(token=tokens)
    def give_back(self, token: str) -> None:
        job = self._owned(token)
        with self._unchanged_if(job is None):
            reply = self.state.ask(ReleaseExtraction(token=OwnershipToken(token)))

        assert isinstance(reply, Released) == (job is not None)
        if job is not None:
            job.end("pending")
            job.give_back()

    @rule(token=tokens, answer=st.sampled_from(ANSWERS))
    def finish(self, token: str, answer: MemoryDraft | None) -> None:
        job = self._owned(token)
        with self._unchanged_if(job is None):
            reply = finish(self.state, token, answer)

        if job is None:
            assert reply == NotOwner()
            return
        text = answer.raw_memory if answer is not None else ""
        if text and text != job.memory:
            result = FinishResult.SAVED
            job.remember(text, self.state.clock.wall_ms)
            self.marks[job.scope.key] += 1
        elif answer is EMPTY and job.memory is None:
            result = FinishResult.EMPTY
        else:
            result = FinishResult.UNCHANGED
        assert reply == ExtractionFinished(result=result)
        grown = job.thread.revision > job.claimed_revision
        job.done_revision = job.claimed_revision
        job.reopen()
        if not grown:
            job.end("succeeded" if job.memory is not None else "empty")

    @rule(token=tokens, number=THREADS, kind=KINDS, text=st.sampled_from(["tabs", "spaces"]))
    def write_under_the_claim(self, token: str, number: int, kind: str, text: str) -> None:
        job = self.jobs[number, kind]
        owns = job.token == token
        with self._unchanged_if(not owns):
            reply = save_under_claim(self.state, token, text, thread_id(number), scope=job.scope)

        if not owns:
            assert reply == NotOwner()
            return
        job.remember(f"- {text}", self.state.clock.wall_ms)
        self.marks[job.scope.key] += 1
        assert isinstance(reply, MemoryRow)
        assert (reply.raw_memory, reply.updated_at_ms) == (job.memory, job.memory_at_ms)

    @rule(token=tokens, failure=st.sampled_from(FailureClass))
    def fail(self, token: str, failure: FailureClass) -> None:
        job = self._owned(token)
        with self._unchanged_if(job is None):
            reply = fail(self.state, token, failure)

        if job is None:
            assert reply == NotOwner()
            return
        grown = job.thread.revision > job.claimed_revision
        is_its_own = failure is not FailureClass.UNAVAILABLE
        if not grown and is_its_own and (failure is FailureClass.PERMANENT or job.spent >= ATTEMPTS_MAX):
            assert reply == DeadLettered()
            job.end("dead")
            return
        tries = job.spent if is_its_own else job.spent + job.given_back
        job.due_at_ms = self.state.clock.wall_ms + backoff_ms(tries, 1000)
        assert reply == RetryScheduled(next_attempt_at_ms=job.due_at_ms)
        if grown:
            job.spent, job.given_back, job.claimed_revision = 0, 0, job.thread.revision
        elif not is_its_own:
            job.give_back()
        job.end("retry")

    @rule(process=PROCESSES)
    def process_dies(self, process: str) -> None:
        returned = self.state.ask(ReturnLeases(process=ProcessUuid(process))).extractions

        dead = [job for job in self._rows() if job.status == "running" and job.process == process]
        assert returned == len(dead)
        for job in dead:
            job.end("pending")

    @invariant()
    def rows_say_what_the_model_says(self) -> None:
        rows = self.state.rows(
            "SELECT j.scope_kind, j.scope_key, j.status,"
            " (j.attempts - j.given_back) * (j.claimed_revision IS t.content_revision), j.ownership_token, m.raw_memory"
            " FROM extraction_jobs j JOIN threads t ON t.id = j.thread_id"
            " LEFT JOIN memories m USING (thread_id, scope_kind, scope_key) ORDER BY j.thread_id, j.scope_kind"
        )
        assert rows == [(job.kind, job.scope.key, job.status, job.tries, job.token, job.memory) for job in self._rows()]

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
        stamps = self.state.rows("SELECT thread_id, scope_kind, updated_at_ms FROM memories ORDER BY 1, 2")
        assert stamps == [
            (thread_id(job.thread.number), job.kind, job.memory_at_ms) for job in self._rows() if job.memory is not None
        ]

    @invariant()
    def scope_is_marked_once_for_every_change_of_its_memories(self) -> None:
        marks = dict(self.state.rows("SELECT scope_key, inputs_mark FROM scopes"))
        assert marks == {key: mark for key, mark in self.marks.items() if mark}

    def _owned(self, token: str) -> Job | None:
        return next((job for job in self.jobs.values() if job.token == token), None)

    def _unchanged_if(self, is_refused: bool) -> "_Unchanged":
        return _Unchanged(self.state, is_checked=is_refused)


class _Unchanged:
    """Nothing at all changes in the block."""

    def __init__(self, state: MemoryState, *, is_checked: bool) -> None:
        self._state = state
        self._before = state.tables() if is_checked else None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        assert self._before is None or self._before == self._state.tables(), "what was refused changed something"
