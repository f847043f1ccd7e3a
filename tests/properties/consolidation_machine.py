"""A model of one scope's consolidation, with late owners that try to publish and to point long after they lost it.

The model knows which claim published last. Whatever anybody does, the row names that claim's folder, and the link on
disk names a folder that was the row's at some time, never an older one than it named before.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from state.ids import OwnershipToken, ProcessUuid
from state.messages.consolidation import (
    ConsolidationClaimed,
    ConsolidationPublished,
    ConsolidationUnchanged,
    NothingPublished,
    PointCurrent,
    ReleaseConsolidation,
    RenewConsolidation,
)
from state.messages.extraction import RetryScheduled
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.service import ReturnLeases
from state.rules.backoff import BACKOFF_MS_MIN, backoff_ms
from state.rules.scopes import scope_folder
from tests.fakes.consolidation import SHOP, claim, fail, leave_unchanged, publish, remember
from tests.fakes.memory_state import MemoryState

LEASE_MS = 60_000
STEPS_MS = st.sampled_from([1, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1, BACKOFF_MS_MIN])
PROCESSES = st.sampled_from(["process-1", "process-2"])


class ConsolidationMachine(RuleBasedStateMachine):
    """Memories arrive; owners claim, stage, publish, point, fail, give back and die."""

    tokens: Bundle[str] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.state = MemoryState(Path(self.folder.name))
        self.minted = 0
        self.inputs_mark = 0
        self.consolidated_mark = 0
        self.claimed_mark = 0
        self.token: str | None = None
        self.process = ""
        self.until_boot_ms = 0
        self.failures = 0
        self.due_at_ms = 0
        self.published: list[str] = []
        self.pointed = -1

    def teardown(self) -> None:
        self.state.close()
        self.folder.cleanup()

    @rule(ms=STEPS_MS)
    def time_passes(self, ms: int) -> None:
        self.state.clock.advance(ms)

    @rule()
    def memory_arrives(self) -> None:
        self.inputs_mark += 1
        remember(self.state, 1, text=f"memory {self.inputs_mark}")

    @rule(target=tokens, process=PROCESSES)
    def claim(self, process: str) -> Any:
        self.minted += 1
        token = f"token-{self.minted}"
        now = self.state.clock
        free = self.token is None or self.until_boot_ms <= now.boot_ms
        claimable = self.inputs_mark > self.consolidated_mark and free and self.due_at_ms <= now.wall_ms

        reply = claim(self.state, token, process=process, lease_ms=LEASE_MS)

        is_mine = isinstance(reply, ConsolidationClaimed) and reply.scope == SHOP
        assert is_mine == claimable
        if not is_mine:
            # Perhaps it was the home, which comes after the project and is nobody's concern here.
            self.state.ask(ReleaseConsolidation(token=OwnershipToken(token)))
            return multiple()
        self.token, self.process = token, process
        self.claimed_mark = self.inputs_mark
        self.until_boot_ms = now.boot_ms + LEASE_MS
        return token

    @rule(token=tokens)
    def renew(self, token: str) -> None:
        reply = self._shown(
            token, lambda: self.state.ask(RenewConsolidation(token=OwnershipToken(token), lease_ms=LEASE_MS))
        )

        assert isinstance(reply, Renewed) == (token == self.token)
        if token == self.token:
            self.until_boot_ms = self.state.clock.boot_ms + LEASE_MS

    @rule(token=tokens)
    def publish(self, token: str) -> None:
        reply = self._shown(token, lambda: publish(self.state, token, digest=token))

        if token != self.token:
            assert reply == NotOwner()
            return
        self.published.append(token)
        assert reply == ConsolidationPublished(generation=len(self.published))
        self._succeed()

    @rule(token=tokens)
    def leave_unchanged(self, token: str) -> None:
        reply = self._shown(token, lambda: leave_unchanged(self.state, token))

        assert reply == (ConsolidationUnchanged() if token == self.token else NotOwner())
        if token == self.token:
            self._succeed()

    def _succeed(self) -> None:
        self.consolidated_mark = self.claimed_mark
        self.token, self.failures, self.due_at_ms = None, 0, 0

    @rule(token=tokens)
    def fail(self, token: str) -> None:
        reply = self._shown(token, lambda: fail(self.state, token))

        if token != self.token:
            assert reply == NotOwner()
            return
        self.failures += 1
        self.due_at_ms = self.state.clock.wall_ms + backoff_ms(self.failures, 1000)
        assert reply == RetryScheduled(next_attempt_at_ms=self.due_at_ms)
        self.token = None

    @rule(token=tokens)
    def give_back(self, token: str) -> None:
        reply = self._shown(token, lambda: self.state.ask(ReleaseConsolidation(token=OwnershipToken(token))))

        assert reply == (Released() if token == self.token else NotOwner())
        if token == self.token:
            self.token = None

    @rule(process=PROCESSES)
    def process_dies(self, process: str) -> None:
        self.state.ask(ReturnLeases(process=ProcessUuid(process)))

        if self.process == process:
            self.token = None

    @rule()
    def anybody_points(self) -> None:
        reply = self.state.ask(PointCurrent(scope=SHOP))

        assert (reply == NothingPublished()) == (not self.published)
        if self.published:
            assert self._linked() == f"generations/shop/{self.published[-1]}"

    @invariant()
    def row_says_what_the_model_says(self) -> None:
        rows = self.state.rows(
            "SELECT inputs_mark, consolidated_mark, ownership_token, attempts, generation, generation_folder"
            " FROM scopes WHERE scope_key = ?",
            SHOP.key,
        )
        folder = f"generations/shop/{self.published[-1]}" if self.published else None
        model = (
            self.inputs_mark,
            self.consolidated_mark,
            self.token,
            self.failures,
            len(self.published),
            folder,
        )
        assert rows == ([model] if self.inputs_mark else [])

    @invariant()
    def link_never_goes_back(self) -> None:
        linked = self._linked()
        if linked is None:
            return
        pointed = self.published.index(linked.rpartition("/")[2])
        assert pointed >= self.pointed
        self.pointed = pointed

    def _linked(self) -> str | None:
        link = Path(self.folder.name) / "scopes" / scope_folder(SHOP)
        return os.readlink(link).removeprefix("../") if link.is_symlink() else None

    def _shown(self, token: str, ask: Any) -> Any:
        """Show a token; when it is dead nothing at all may change."""
        before = self.state.tables() if token != self.token else None
        reply = ask()
        assert before is None or before == self.state.tables(), "a refused token changed something"
        return reply
