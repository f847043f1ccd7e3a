"""What visitors do to many jobs in one message."""

from collections.abc import Sequence

import trio

from chaos.simulator.visitor import Visitor
from state.ids import OwnershipToken, ProcessUuid, ThreadId
from state.messages.extraction import ATTEMPTS_MAX, ExtractionClaimed, FinishExtraction
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

THREADS_GROWN = 5
LOOK_SECONDS = 0.4
LOOKS_MAX = 100
"""In so many seconds together a scan has found what has grown, and it may be extracted."""

WORN_OUT_MAX = 2
"""Of so many jobs at a time a visitor spends all the attempts."""


class ManyJobs(Visitor):
    """Plays in which jobs are ended and claimed together."""

    async def handing_over(self) -> None:
        """Claim several jobs, let some of their threads grow, and end them, some twice, while the next ones are
        claimed within a capacity; then ask the same again."""
        held = [self._token() for _ in range(self._rng.randrange(1, 4))]
        claim = self._claims(held, running_max=self._rng.choice((None, None, 5)))
        jobs = await self._gather(claim)
        if not jobs:
            return
        for running_max in (len(jobs), len(jobs) + 1):
            tokens = [self._token() for _ in range(2)]
            await self._hand_over((), self._claims(tokens, running_max=running_max))
            held += tokens
        await self._hand_over((), claim)
        if self._rng.random() < 0.6:
            grown = jobs[0]
            self._let_grow(grown.thread_id)
            for _ in range(GROWS_SECONDS_MAX):
                if self._world.known_rows.revisions.get(grown.thread_id, 0) > grown.content_revision:
                    break
                await trio.sleep(1)
        shown = [*held, self._rng.choice(held), self._token()]
        ends = [self._end(token) for token in shown]
        following = self._claims([self._token() for _ in range(3)], running_max=self._rng.choice((None, 1, 2, 4)))
        for _ in range(2):
            await self._hand_over(ends, following)
        await self._hand_over([self._end(token) for token in following.tokens], self._claims([]))

    async def capacity_at_the_end_of_a_lease(self) -> None:
        """Ask for what a capacity of just those who work forbids a millisecond before a lease ends and when it does."""
        lease_ms = self._rng.randrange(20, 3_000)
        stranger = self._stranger()
        if not await self._gather(self._claims([self._token()], lease_ms=lease_ms, process=stranger)):
            return
        until, tokens = self._now() + lease_ms, [self._token() for _ in range(2)]
        for moment in (until - 1, until):
            await self._until(moment)
            running = sum(job.status == "running" for job in self._world.known_rows.jobs.values())
            await self._hand_over((), self._claims(tokens, running_max=running))
        await self._hand_over([self._end(token) for token in tokens], self._claims([]))

    async def wearing_out_together(self) -> None:
        """Die again and again over jobs that were claimed together, and ask for them once more after the last time."""
        for _ in range(ATTEMPTS_MAX + 1):
            stranger = self._stranger()
            await self._gather(self._claims([self._token() for _ in range(WORN_OUT_MAX)], process=stranger))
            await self._ask(ReturnLeases(process=stranger))

    async def _gather(self, claim: ClaimExtractions) -> tuple[ExtractionClaimed, ...]:
        """Have something said in several threads, and take what comes of it before the workers do."""
        threads = sorted(self._world.known_rows.threads)
        for thread in self._rng.sample(threads, min(THREADS_GROWN, len(threads))):
            self._let_grow(ThreadId(thread))
        for _ in range(LOOKS_MAX):
            reply = await self._hand_over((), claim)
            if reply is not None and reply.claimed.jobs:
                return reply.claimed.jobs
            await trio.sleep(LOOK_SECONDS)
        return ()

    # --- what it asks ---------------------------------------------------------------------------------------------

    def _claims(
        self,
        tokens: Sequence[OwnershipToken],
        *,
        lease_ms: int = 30_000,
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
