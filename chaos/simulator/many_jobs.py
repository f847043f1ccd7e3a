"""What visitors do to many jobs in one message."""

from collections.abc import Sequence

import trio

from chaos.simulator.visitor import LONG_MS, Visitor
from state.ids import OwnershipToken, ProcessUuid, ThreadId
from state.messages.extraction import ATTEMPTS_MAX, ExtractionClaimed, FinishExtraction, RenewExtraction
from state.messages.extraction_batches import (
    ClaimExtractions,
    ExtractionsHandedOver,
    FinishAndClaimExtractions,
    FinishExtractions,
)
from state.messages.leases import Owner
from state.messages.service import ReturnLeases

GROWS_SECONDS_MAX = 20
"""How long a visitor waits for a thread to grow while it has many jobs."""

IDLE_SECONDS = 12
"""Longer than the settings of the simulation want a session to be idle."""

THREADS_GROWN = 5
LOOK_SECONDS = 0.4
LOOKS_MAX = 100
"""In so many seconds together a scan has found what has grown, and it may be extracted."""

WORN_OUT_MAX = 2
"""Of so many jobs at a time a visitor spends all the attempts."""


class ManyJobs(Visitor):
    """Plays in which jobs are ended and claimed together."""

    async def handing_over(self) -> None:
        """Claim several jobs and let their threads grow. End them, some twice, so that they wait again, and in the same
        message claim as many as a capacity lets; then ask the same again."""
        held = [self._token() for _ in range(self._rng.randrange(2, 5))]
        jobs = await self._gather(self._claims(held))
        if not jobs:
            return
        await self._grown(jobs)
        held = held[: len(jobs)]
        ended = held[: self._rng.randrange(1, len(held) + 1)]
        ends = [self._end(token) for token in (*ended, ended[0], self._token())]
        room = self._rng.choice((0, 0, 1, 2))
        tokens = [self._token() for _ in range(3)]
        following = self._claims(tokens, running_max=self._running() - len(ended) + room)
        for _ in range(2):
            await self._hand_over(ends, following)
        await self._hand_over([self._end(token) for token in (*held, *tokens)], self._claims([]))

    async def capacity_at_the_end_of_a_lease(self) -> None:
        """Let a job wait again, and ask for it, at the end of another one's lease or a millisecond before, where the
        capacity is just that of the others."""
        lease_ms = self._rng.randrange(20, 3_000)
        ending, waiting = self._token(), self._token()
        jobs = await self._gather(self._claims([waiting, ending]))
        if len(jobs) < 2:
            return
        await self._grown(jobs[:1])
        await self._ask(RenewExtraction(token=ending, lease_ms=lease_ms))
        await self._until(self._now() + lease_ms - self._rng.choice((0, 0, 1)))
        tokens = [self._token() for _ in range(2)]
        await self._hand_over([self._end(waiting)], self._claims(tokens, running_max=self._running() - 1))
        await self._hand_over([self._end(token) for token in (ending, *tokens)], self._claims([]))

    def _running(self) -> int:
        return sum(job.status == "running" for job in self._world.known_rows.jobs.values())

    async def wearing_out_together(self) -> None:
        """Die again and again over jobs that were claimed together, and ask for them once more after the last time."""
        tokens = [self._token() for _ in range(WORN_OUT_MAX)]
        stranger = self._stranger()
        await self._gather(self._claims(tokens, process=stranger))
        for _ in range(ATTEMPTS_MAX):
            await self._ask(ReturnLeases(process=stranger))
            stranger = self._stranger()
            await self._hand_over((), self._claims([self._token() for _ in tokens], process=stranger))
        await self._ask(ReturnLeases(process=stranger))

    async def _gather(self, claim: ClaimExtractions) -> tuple[ExtractionClaimed, ...]:
        """Have something said in several threads, and take what comes of it, as far as the workers leave it."""
        threads = sorted(self._world.known_rows.threads)
        for thread in self._rng.sample(threads, min(THREADS_GROWN, len(threads))):
            self._let_grow(ThreadId(thread))
        jobs: tuple[ExtractionClaimed, ...] = ()
        for _ in range(LOOKS_MAX):
            reply = await self._hand_over((), claim)
            jobs = reply.claimed.jobs if reply is not None else ()
            if len(jobs) == len(claim.tokens):
                break
            await trio.sleep(LOOK_SECONDS)
        return jobs

    async def _grown(self, jobs: Sequence[ExtractionClaimed]) -> None:
        """Wait until the threads of these jobs have grown, and are as idle as an extraction wants them."""
        for job in jobs:
            self._let_grow(job.thread_id)
        for _ in range(GROWS_SECONDS_MAX):
            if all(self._world.known_rows.revisions.get(job.thread_id, 0) > job.content_revision for job in jobs):
                break
            await trio.sleep(1)
        await trio.sleep(IDLE_SECONDS)

    # --- what it asks ---------------------------------------------------------------------------------------------

    def _claims(
        self,
        tokens: Sequence[OwnershipToken],
        *,
        lease_ms: int = LONG_MS,
        running_max: int | None = None,
        process: ProcessUuid | None = None,
    ) -> ClaimExtractions:
        return ClaimExtractions(
            tokens=tuple(tokens),
            owner=Owner(process=process or self._me, worker="visitor"),
            lease_ms=lease_ms,
            eligibility=self._eligibility,
            running_max=running_max,
        )

    def _end(self, token: OwnershipToken) -> FinishExtraction:
        draft = self._draft() if self._rng.random() < 0.5 else None
        return FinishExtraction(token=token, input_digest=self._token(), extractor=self._extractor, draft=draft)

    async def _hand_over(
        self, ends: Sequence[FinishExtraction], claim: ClaimExtractions
    ) -> ExtractionsHandedOver | None:
        finish = FinishExtractions(finishes=tuple(ends))
        reply = await self._ask(FinishAndClaimExtractions(finish=finish, claim=claim))
        return reply if isinstance(reply, ExtractionsHandedOver) else None
