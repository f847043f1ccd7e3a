"""What visitors come for, and how a visit goes: each play is a chain of requests at the instants that matter."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
import trio

from chaos.simulator.many_jobs import ManyJobs
from chaos.simulator.visitor import KIND, LONG_MS
from state.errors import StoreError
from state.ids import OwnershipToken, Scope, ThreadId
from state.messages.backfill import (
    BackfillClaimed,
    ClaimBackfill,
    FinishBackfill,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
)
from state.messages.consolidation import (
    ClaimConsolidation,
    FailConsolidation,
    MarkScopeDirty,
    PointCurrent,
    PublishConsolidation,
    ReleaseConsolidation,
    RenewConsolidation,
)
from state.messages.extraction import (
    ATTEMPTS_MAX,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    MemoryDraft,
    ReleaseExtraction,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.service import ReturnLeases
from state.rollouts.model import FoundRollout
from state.store import StateHandle

if TYPE_CHECKING:
    from chaos.simulator.world import World

HOLD_SECONDS = 60.0
"""How long a visitor keeps a job in the hope that its thread grows."""


class _Plays(ManyJobs):
    """Everything that a visitor may come for."""

    async def late_tokens(self) -> None:
        """Show tokens that are worth nothing, while others are at work."""
        mine, scope = self._terms(), self._scope()
        await self._claim(scope, mine)
        scan = self._terms(lease_ms=2_000)
        await self._ask(ClaimBackfill(terms=scan))
        taken = await self._jobs(self._terms) if self._rng.random() < 0.5 else []
        for request in self._with_foreign_token():
            await self._ask(request)
            await trio.sleep(self._rng.choice((0, 0, 0.05, 0.5)))
        for token, _ in taken:
            await self._finish(token, self._draft())
        await self._ask(FinishBackfill(token=scan.token, listed=False))
        await self._ask(ReleaseConsolidation(token=mine.token))

    def _with_foreign_token(self) -> Iterator[Any]:
        token = self._token()
        found = FoundRollout(path="sessions/nowhere.jsonl", archived=False, size_bytes=1, mtime_ns=1, inode=1)
        requests = [
            RenewBackfill(token=token, lease_ms=LONG_MS),
            RegisterRollouts(token=token, found=(found,)),
            MarkRolloutsVanished(token=token, paths=("sessions/nowhere.jsonl",)),
            RecordRollouts(token=token, model_provider_default="nobody", outcomes=()),
            FinishBackfill(token=token, listed=True),
            RenewExtraction(token=token, lease_ms=LONG_MS),
            ReleaseExtraction(token=token),
            FailExtraction(token=token, failure=FailureClass.PERMANENT, reason="late", jitter_permille=0),
            FinishExtraction(token=token, input_digest="", extractor=self._extractor, draft=self._draft()),
            RenewConsolidation(token=token, lease_ms=LONG_MS),
            PublishConsolidation(
                token=token, generation_folder="generations/late", digest="", source_at_ms=0, memories=0, staged=True
            ),
            self._unchanged(token),
            FailConsolidation(token=token, reason="late", jitter_permille=0),
            ReleaseConsolidation(token=token),
        ]
        self._rng.shuffle(requests)
        return iter(requests)

    async def lease_ends(self) -> None:
        """Claim what somebody has, a millisecond before the end and at the very end of his lease."""
        lease_ms = self._rng.randrange(20, 3_000)
        if self._rng.random() < 0.5:
            scan = self._terms(lease_ms=lease_ms)
            if isinstance(await self._ask(ClaimBackfill(terms=scan)), BackfillClaimed):
                until, late = self._now() + lease_ms, self._terms()
                await self._until(until - 1)
                await self._ask(ClaimBackfill(terms=late))
                await self._until(until)
                await self._ask(ClaimBackfill(terms=late))
                await self._ask(FinishBackfill(token=late.token, listed=False))
                await self._ask(FinishBackfill(token=scan.token, listed=False))
            return
        scope, terms = self._scope(), self._terms(lease_ms=lease_ms)
        if await self._claim(scope, terms):
            until, late = self._now() + lease_ms, self._terms()
            await self._until(until - 1)
            await self._claim(scope, late)
            await self._until(until)
            await self._claim(scope, late)
            await self._ask(RenewConsolidation(token=terms.token, lease_ms=lease_ms))
            await self._ask(ReleaseConsolidation(token=late.token))

    async def taking_over(self) -> None:
        """Take a scope from who renewed a given time ago, and not before."""
        scope, first = self._scope(), self._terms()
        if not await self._claim(scope, first):
            return
        await trio.sleep(self._rng.uniform(0.01, 5))
        await self._ask(RenewConsolidation(token=first.token, lease_ms=30_000))
        renewed, after_ms = self._now(), self._rng.choice((0, 1, 700))
        second = self._terms(stale_after_ms=after_ms)
        await self._until(renewed + after_ms - 1)
        await self._claim(scope, second)
        await self._until(renewed + after_ms)
        await self._claim(scope, second)
        await self._ask(ReleaseConsolidation(token=second.token))

    async def asking_twice(self) -> None:
        """Ask for the same claims again, as one does whose reply was lost."""
        scan, terms, scope = self._terms(), self._terms(), self._scope()
        for _ in range(2):
            await self._ask(ClaimBackfill(terms=scan))
        await self._ask(FinishBackfill(token=scan.token, listed=False))
        claimed = await self._some_job()
        if claimed is not None:
            await self._job(attrs.evolve(terms, token=claimed[0]))
            await self._ask(ReleaseExtraction(token=claimed[0]))
        for _ in range(2):
            await self._claim(scope, terms)
        await self._ask(ReleaseConsolidation(token=terms.token))
        dirty = self._terms()
        await self._ask(ClaimConsolidation(terms=dirty))
        await self._ask(ClaimConsolidation(terms=dirty))
        await self._ask(ReleaseConsolidation(token=dirty.token))

    async def two_at_once(self) -> None:
        """Have several things in work, and end one of them in each way there is."""
        stranger = self._stranger()
        scopes = [Scope(kind=KIND, key=f"/{place}") for place in range(4)]
        held = [self._terms(process=stranger if place == 3 else None) for place in range(4)]
        for scope, terms in zip(scopes, held, strict=True):
            await self._claim(scope, terms)
        jobs = await self._jobs(lambda: self._terms(process=stranger if self._rng.random() < 0.3 else None))
        endings: list[Callable[[OwnershipToken], Awaitable[Any]]] = [
            lambda token: self._finish(token, self._draft()),
            lambda token: self._finish(token, None),
            lambda token: self._fail(token, self._rng.choice(list(FailureClass))),
            lambda token: self._ask(ReleaseExtraction(token=token)),
        ]
        await trio.sleep(self._rng.choice((0, 2, 10)))
        for token, _ in jobs:
            await self._rng.choice(endings)(token)
        await self._ask(self._unchanged(held[0].token))
        await self._ask(FailConsolidation(token=held[1].token, reason="a visitor failed", jitter_permille=0))
        await self._ask(ReleaseConsolidation(token=held[2].token))
        await self._ask(ReturnLeases(process=stranger))

    async def failing_again(self) -> None:
        """Fail a scope twice, with new work in between, and ask for it while it waits."""
        scope, first, second = self._scope(), self._terms(), self._terms()
        if not await self._claim(scope, first):
            return
        reply = await self._ask(FailConsolidation(token=first.token, reason="a visitor failed", jitter_permille=0))
        await self._ask(MarkScopeDirty(scope=scope, dirty=True))
        await self._claim(scope, second)
        if isinstance(reply, RetryScheduled):
            await self._until_wall(reply.next_attempt_at_ms)
        if await self._claim(scope, second):
            await self._ask(FailConsolidation(token=second.token, reason="again", jitter_permille=0))
        await self._ask(MarkScopeDirty(scope=scope, dirty=False))

    async def _until_wall(self, wall_ms: int) -> None:
        """Wait until a wait of a first failure is over, unless somebody has moved the clock."""
        left_ms = wall_ms - self._world.machine.instant().wall_ms
        await self._until(self._now() + max(0, min(left_ms, 60_000)))

    async def wearing_out(self) -> None:
        """Die again and again over a job, until the last attempt fails."""
        for _ in range(2 * ATTEMPTS_MAX):
            stranger = self._stranger()
            claimed = await self._some_job(stranger)
            if claimed is None:
                return
            token, job = claimed
            row = self._world.known_rows.jobs[job.thread_id]
            if row.attempts - row.given_back >= ATTEMPTS_MAX:
                await self._fail(token)
                return
            await self._ask(ReturnLeases(process=stranger))

    async def waiting_for_its_turn(self) -> None:
        """Ask for a job that failed a millisecond before it is due, and when it is."""
        claimed = await self._some_job()
        if claimed is None:
            return
        reply = await self._fail(claimed[0])
        if not isinstance(reply, RetryScheduled):
            return
        self._touch(claimed[1].thread_id)
        for due_ms in (reply.next_attempt_at_ms - 1, reply.next_attempt_at_ms):
            await self._until_wall(due_ms)
            for token, _ in await self._jobs(self._terms):
                await self._ask(ReleaseExtraction(token=token))

    async def holding_long(self) -> None:
        """Keep a job until its thread has grown, and end it then."""
        first = await self._some_job()
        jobs = await self._jobs(lambda: self._terms(lease_ms=LONG_MS))
        if first is not None:
            await self._ask(RenewExtraction(token=first[0], lease_ms=LONG_MS))
            jobs = [first, *jobs]
        for _, job in jobs:
            self._let_grow(job.thread_id)
        with trio.move_on_after(HOLD_SECONDS):
            while jobs and not any(self._has_grown(job.thread_id, job.content_revision) for _, job in jobs):
                await trio.sleep(2)
                await self._ask(RenewExtraction(token=jobs[0][0], lease_ms=LONG_MS))
        for token, _ in jobs:
            match self._rng.randrange(4):
                case 0:
                    await self._finish(token, self._draft())
                case 1:
                    await self._finish(
                        token, MemoryDraft(raw_memory="", rollout_summary="", rollout_slug=None, notes=())
                    )
                case 2:
                    await self._fail(token, self._rng.choice((FailureClass.TRANSIENT, FailureClass.PERMANENT)))
                case _:
                    await self._fail(token, FailureClass.UNAVAILABLE)

    def _has_grown(self, thread: ThreadId, revision: int) -> bool:
        return bool(self._world.known_rows.revisions.get(thread, 0) > revision)

    async def marking(self) -> None:
        """Change what a scope is made of while it is being consolidated."""
        scope, terms = self._scope(), self._terms()
        for _ in range(2):
            await self._ask(MarkScopeDirty(scope=scope, dirty=True))
        if await self._claim(scope, terms):
            await self._ask(MarkScopeDirty(scope=scope, dirty=True))
            await self._ask(self._unchanged(terms.token))
        await self._ask(MarkScopeDirty(scope=scope, dirty=False))

    async def outliving_the_machine(self) -> None:
        """Hold a scope as a stranger over restarts of the machine; renew it late, or take what a restart has ended."""
        for what in ("renewed", "claimed"):
            scope = Scope(kind=KIND, key=f"/long-{what}")
            lease = self._world.known_rows.leases.get(("consolidation", f"{scope.kind}:{scope.key}"))
            if what == "renewed" and lease is not None and lease.token is not None:
                await self._ask(RenewConsolidation(token=OwnershipToken(lease.token), lease_ms=LONG_MS))
            await self._claim(scope, self._terms(lease_ms=LONG_MS, process=self._stranger()))
        scan = self._terms(lease_ms=8_000, process=self._stranger())
        await self._ask(ClaimBackfill(terms=scan))

    async def pointing(self) -> None:
        """Have links pointed while their scopes are in work."""
        for _ in range(6):
            for key in sorted(self._world.known_rows.scopes):
                kind, _, name = key.partition(":")
                await self._ask(PointCurrent(scope=Scope(kind=kind, key=name)))
            await trio.sleep(self._rng.uniform(0.5, 4))


OUTLIVING = "outliving the machine"

PLAYS: dict[str, Callable[[_Plays], Awaitable[None]]] = {
    "late tokens": _Plays.late_tokens,
    "a lease that ends": _Plays.lease_ends,
    "taking over": _Plays.taking_over,
    "asking twice": _Plays.asking_twice,
    "two at once": _Plays.two_at_once,
    "failing again": _Plays.failing_again,
    "wearing out": _Plays.wearing_out,
    "waiting for its turn": _Plays.waiting_for_its_turn,
    "holding long": _Plays.holding_long,
    "marking": _Plays.marking,
    OUTLIVING: _Plays.outliving_the_machine,
    "pointing": _Plays.pointing,
    "handing over": _Plays.handing_over,
    "a capacity when a lease ends": _Plays.capacity_at_the_end_of_a_lease,
    "wearing out together": _Plays.wearing_out_together,
}
"""What a visitor comes for, by name."""


async def visit(world: "World", number: int, plays: tuple[str, ...]) -> None:
    """Open the store as a process of its own, do these things, and leave in good order."""
    from chaos.simulator.life import Life

    life = Life(world, FIRST_NUMBER + number, 1)
    life.name = f"v{number}"
    life.is_prompt = True
    world.lives[life.service] = life

    async def work(handle: StateHandle) -> None:
        for play in plays:
            world.goals.hit("a visitor came")
            visitor = _Plays(world, f"{world.seed} {number} {play}", handle)
            try:
                await PLAYS[play](visitor)
            except StoreError as error:
                world.story.tell(life.name, f"gives up {play}: {error}")
        with contextlib.suppress(StoreError):
            # The reaper does it otherwise.
            await handle.ask(ReturnLeases(process=handle.process))

    await life.run(work)


FIRST_NUMBER = 100
"""Visitors are numbered from here on, where no service is."""
