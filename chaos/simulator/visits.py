"""Visitors: clients of the store that ask for what workers ask for, well and badly, at the very instants that matter.

A visit is a process of its own with the store open, and no worker; its requests are served one at a time and at once.
What it is answered, and what became of the rows, is judged like everybody's (`chaos.request_laws`, `chaos.history`).
It claims jobs and the scan like a worker would, and scopes of a kind of its own, of which no end state tells.

A stranger is an owner that is not entered, as one is whose process was struck out while its request was on the way:
nobody returns its leases, so they end by the clock alone.
"""

import os
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio

from chaos.simulator.transcripts import afterthought
from state.errors import StoreError
from state.ids import OwnershipToken, ProcessUuid, Scope, ThreadId
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
    ClaimScope,
    ConsolidationClaimed,
    FailConsolidation,
    MarkScopeDirty,
    PointCurrent,
    PublishConsolidation,
    ReleaseConsolidation,
    RenewConsolidation,
)
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ClaimExtraction,
    Eligibility,
    ExtractionClaimed,
    ExtractorId,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    MemoryDraft,
    ReleaseExtraction,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.leases import ClaimTerms, Owner
from state.messages.service import ReturnLeases
from state.rollouts.model import FoundRollout
from state.store import StateHandle

if TYPE_CHECKING:
    from chaos.simulator.world import World

KIND = "visit"
"""The kind of the scopes that only visitors have."""

LONG_MS = 600_000
"""A lease that outlasts most runs."""

HOLD_SECONDS = 60.0
"""How long a visitor keeps a job in the hope that its thread grows."""

LOOKS_MAX = 30
"""How often a visitor looks for a job, once a second."""

CLAIMS_MAX = 8
"""A visitor takes no more jobs than this at a time."""


class Visitor:
    """One visit."""

    def __init__(self, world: "World", seed: str, handle: StateHandle) -> None:
        self._world = world
        self._rng = random.Random(f"visit {seed}")
        self._ask = handle.ask
        self._me = handle.process
        self._name = seed.replace(" ", "-")
        self._count = 0
        self._eligibility = Eligibility.from_settings(world.settings.extraction)
        self._extractor = ExtractorId(name=world.model.name, version=world.model.version)

    # --- what it brings -------------------------------------------------------------------------------------------

    def _token(self) -> OwnershipToken:
        return OwnershipToken(self._rng.randbytes(16).hex())

    def _terms(
        self, *, lease_ms: int = 30_000, stale_after_ms: int | None = None, process: ProcessUuid | None = None
    ) -> ClaimTerms:
        owner = Owner(process=process or self._me, worker="visitor")
        return ClaimTerms(token=self._token(), owner=owner, lease_ms=lease_ms, stale_after_ms=stale_after_ms)

    def _stranger(self) -> ProcessUuid:
        return ProcessUuid(f"stranger-{self._token()}")

    def _scope(self) -> Scope:
        return Scope(kind=KIND, key=f"/{self._rng.randrange(4)}")

    def _draft(self) -> MemoryDraft:
        self._count += 1
        text = f"A visitor ({self._name}) was here for the {self._count}. time."
        return MemoryDraft(raw_memory=text, rollout_summary=text, rollout_slug=None, notes=())

    # --- what it asks ---------------------------------------------------------------------------------------------

    async def _job(self, terms: ClaimTerms) -> ExtractionClaimed | None:
        reply = await self._ask(ClaimExtraction(terms=terms, eligibility=self._eligibility))
        return reply if isinstance(reply, ExtractionClaimed) else None

    async def _some_job(self, process: ProcessUuid | None = None) -> tuple[OwnershipToken, ExtractionClaimed] | None:
        """Wait for a job that can be had; not for ever."""
        terms = self._terms(process=process)
        for _ in range(LOOKS_MAX):
            job = await self._job(terms)
            if job is not None:
                return terms.token, job
            await trio.sleep(1)
        return None

    def _rollout(self, thread: ThreadId) -> Path | None:
        row = self._world.known_rows.threads.get(thread)
        path = self._world.codex_home / row.rollout_path if row is not None else None
        return path if path is not None and path.exists() else None

    def _touch(self, thread: ThreadId) -> None:
        """Give a thread's rollout another time, and leave its content as it is."""
        path = self._rollout(thread)
        if path is not None:
            later_ns = path.stat().st_mtime_ns + 1_000_000
            os.utime(path, ns=(later_ns, later_ns))

    def _let_grow(self, thread: ThreadId) -> None:
        """Have something new said in a thread, unless its last line is being written."""
        path = self._rollout(thread)
        if path is None or not path.read_bytes().endswith(b"\n"):
            return
        later_ns = path.stat().st_mtime_ns + 1_000_000
        self._count += 1
        with path.open("a", encoding="utf-8") as rollout:
            text = f"Always greet the visitor {self._name} for the {self._count}. time before you go on."
            rollout.write(afterthought(self._world.machine.true_wall_ms(), text))
        os.utime(path, ns=(later_ns, later_ns))

    async def _jobs(self, terms: Callable[[], ClaimTerms]) -> list[tuple[OwnershipToken, ExtractionClaimed]]:
        """Every job that can be had now."""
        claimed = []
        for _ in range(CLAIMS_MAX):
            one = terms()
            job = await self._job(one)
            if job is None:
                break
            claimed.append((one.token, job))
        return claimed

    async def _claim(self, scope: Scope, terms: ClaimTerms) -> bool:
        return isinstance(await self._ask(ClaimScope(scope=scope, terms=terms)), ConsolidationClaimed)

    async def _finish(self, token: OwnershipToken, draft: MemoryDraft | None) -> Any:
        return await self._ask(
            FinishExtraction(token=token, input_digest=self._token(), extractor=self._extractor, draft=draft)
        )

    async def _fail(self, token: OwnershipToken, failure: FailureClass = FailureClass.TRANSIENT) -> Any:
        return await self._ask(
            FailExtraction(token=token, failure=failure, reason=f"a visitor had a {failure} day", jitter_permille=0)
        )

    def _unchanged(self, token: OwnershipToken) -> PublishConsolidation:
        return PublishConsolidation(
            token=token, generation_folder="", digest="", source_at_ms=0, memories=0, staged=False
        )

    async def _until(self, boot_ms: int) -> None:
        """Wait until the boot clock says exactly this, if it does not say more yet."""
        while (left_ms := boot_ms - self._world.machine.instant().boot_ms) > 0:
            await trio.sleep(left_ms / 1000)

    def _now(self) -> int:
        return self._world.machine.instant().boot_ms

    # --- what it comes for ----------------------------------------------------------------------------------------

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
        return self._world.known_rows.revisions.get(thread, 0) > revision

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

PLAYS: dict[str, Callable[[Visitor], Awaitable[None]]] = {
    "late tokens": Visitor.late_tokens,
    "a lease that ends": Visitor.lease_ends,
    "taking over": Visitor.taking_over,
    "asking twice": Visitor.asking_twice,
    "two at once": Visitor.two_at_once,
    "failing again": Visitor.failing_again,
    "wearing out": Visitor.wearing_out,
    "waiting for its turn": Visitor.waiting_for_its_turn,
    "holding long": Visitor.holding_long,
    "marking": Visitor.marking,
    OUTLIVING: Visitor.outliving_the_machine,
    "pointing": Visitor.pointing,
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
            visitor = Visitor(world, f"{world.seed} {number} {play}", handle)
            try:
                await PLAYS[play](visitor)
            except StoreError as error:
                world.story.tell(life.name, f"gives up {play}: {error}")
        await handle.ask(ReturnLeases(process=handle.process))

    await life.run(work)


FIRST_NUMBER = 100
"""Visitors are numbered from here on, where no service is."""
