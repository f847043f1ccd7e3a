"""Visitors: clients of the store that ask for what workers ask for, well and badly, at the very instants that matter.

A visit is a process of its own with the store open, and no worker; its requests are served one at a time and at once.
What it is answered, and what became of the rows, is judged like everybody's (`chaos.request_laws`, `chaos.history`).
It claims jobs and the scan like a worker would, and scopes of a kind of its own, of which no end state tells.

A stranger is an owner that is not entered, as one is whose process was struck out while its request was on the way:
nobody returns its leases, so they end by the clock alone.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from chaos.simulator.transcripts import afterthought
from state.ids import OwnershipToken, ProcessUuid, Scope, ThreadId
from state.messages.consolidation import (
    ClaimScope,
    ConsolidationClaimed,
    PublishConsolidation,
)
from state.messages.extraction import (
    ClaimExtraction,
    Eligibility,
    ExtractionClaimed,
    ExtractorId,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    MemoryDraft,
)
from state.messages.leases import ClaimTerms, Owner
from state.store import StateHandle

if TYPE_CHECKING:
    from chaos.simulator.world import World

KIND = "visit"
"""The kind of the scopes that only visitors have."""

LONG_MS = 600_000
"""A lease that outlasts most runs."""

LOOKS_MAX = 30
"""How often a visitor looks for a job, once a second."""

CLAIMS_MAX = 8
"""A visitor takes no more jobs than this at a time."""


class Visitor:
    """One visit: what a visitor brings, and how it asks."""

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
        for _ in range(2):  # the first wait may end within the millisecond before
            await trio.sleep(max(boot_ms - self._now(), 0) / 1000)

    def _now(self) -> int:
        return self._world.machine.instant().boot_ms
