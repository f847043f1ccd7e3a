"""A model of the scan's claim: who may list and record files, and scanners that go on long after they were robbed.

The model knows of each file whether it is listed, read or gone, and which content its thread has. Only the owner of the
claim changes that, whatever the clock says; a token that is not the owner's changes no row of any table.
"""

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from state.ids import OwnershipToken, ProcessUuid
from state.messages.backfill import (
    BackfillClaimed,
    BackfillHeld,
    ClaimBackfill,
    FileStatus,
    FinishBackfill,
    GetBackfillState,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
    RolloutsRecorded,
    RolloutUnreadable,
)
from state.messages.base import Request
from state.messages.leases import NotOwner, Owner, Released, Renewed
from state.messages.service import ReturnLeases
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import facts, found, path_of, read, thread_id

LEASE_MS = 60_000
STEPS_MS = st.sampled_from([1, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1])
PROCESSES = st.sampled_from(["process-1", "process-2", "process-3"])
FILES = st.sampled_from([1, 2, 3])


@attrs.define
class File:
    """One rollout file as the rows know it. content: which content its thread row has; 0: none."""

    status: FileStatus | None = None
    size: int = 0
    content: int = 0


class BackfillMachine(RuleBasedStateMachine):
    """Scanners claim, beat, list, read, miss files, finish, give back, are robbed, die, and go on all the same."""

    tokens: Bundle[str] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.state = MemoryState()
        self.minted = 0
        self.fencing_number = 0
        self.token: str | None = None
        self.process = ""
        self.boot_id = ""
        self.until_boot_ms = 0
        self.listed_at_ms: int | None = None
        self.files = {number: File() for number in (1, 2, 3)}
        self.contents = 0

    def teardown(self) -> None:
        self.state.close()

    @rule(ms=STEPS_MS)
    def time_passes(self, ms: int) -> None:
        self.state.clock.advance(ms)

    @rule()
    def machine_restarts(self) -> None:
        self.state.clock.reboot()

    @rule(target=tokens, process=PROCESSES)
    def claim(self, process: str) -> Any:
        self.minted += 1
        token = f"token-{self.minted}"
        robbed = Owner(process=ProcessUuid(self.process), worker="worker") if self.token is not None else None
        now = self.state.clock

        reply = self.state.ask(ClaimBackfill(terms=terms(token, process=process, lease_ms=LEASE_MS)))

        if self._is_held():
            assert robbed is not None
            assert reply == BackfillHeld(owner=robbed, lease_left_ms=self.until_boot_ms - now.boot_ms)
            return multiple()
        self.fencing_number += 1
        assert reply == BackfillClaimed(fencing_number=self.fencing_number, stolen_from=robbed)
        self.token, self.process = token, process
        self.boot_id, self.until_boot_ms = now.boot_id, now.boot_ms + LEASE_MS
        return token

    def _is_held(self) -> bool:
        now = self.state.clock
        return self.token is not None and self.boot_id == now.boot_id and now.boot_ms < self.until_boot_ms

    @rule(token=tokens)
    def beat(self, token: str) -> None:
        reply = self._shown(token, RenewBackfill(token=OwnershipToken(token), lease_ms=LEASE_MS))

        if token != self.token:
            assert reply == NotOwner()
            return
        self.boot_id, self.until_boot_ms = self.state.clock.boot_id, self.state.clock.boot_ms + LEASE_MS
        assert reply == Renewed(lease_until_boot_ms=self.until_boot_ms)

    @rule(token=tokens, number=FILES, size=st.sampled_from([100, 200]))
    def list_a_file(self, token: str, number: int, size: int) -> None:
        listed = found(path_of(number), size_bytes=size)
        reply = self._shown(token, RegisterRollouts(token=OwnershipToken(token), found=(listed,)))

        if token != self.token:
            assert reply == NotOwner()
            return
        file = self.files[number]
        is_news = file.status in (None, FileStatus.VANISHED) or file.size != size
        assert reply == int(is_news)
        if is_news:
            file.status, file.size = FileStatus.PENDING, size

    @rule(token=tokens, number=FILES)
    def record_a_reading(self, token: str, number: int) -> None:
        self.contents += 1
        file = self.files[number]
        listed = found(path_of(number), size_bytes=file.size)
        reading = read(listed, facts(number, content_digest=f"content-{self.contents}", title=f"{self.contents}"))
        if file.status is None and token == self.token:
            return  # a scanner reads what it has listed
        reply = self._shown(token, self._record(token, reading))

        if token != self.token:
            assert reply == NotOwner()
            return
        assert reply == RolloutsRecorded(indexed=1, shadowed=0, skipped=0, failed=0)
        file.status, file.content = FileStatus.INDEXED, self.contents

    @rule(token=tokens, number=FILES)
    def record_a_failure(self, token: str, number: int) -> None:
        reply = self._shown(token, self._record(token, RolloutUnreadable(path=path_of(number), reason="no access")))

        if token != self.token:
            assert reply == NotOwner()
            return
        assert reply == RolloutsRecorded(indexed=0, shadowed=0, skipped=0, failed=1)
        if self.files[number].status is not None:
            self.files[number].status = FileStatus.FAILED

    @staticmethod
    def _record(token: str, outcome: Any) -> RecordRollouts:
        return RecordRollouts(token=OwnershipToken(token), model_provider_default="openai", outcomes=(outcome,))

    @rule(token=tokens, number=FILES)
    def miss_a_file(self, token: str, number: int) -> None:
        reply = self._shown(token, MarkRolloutsVanished(token=OwnershipToken(token), paths=(path_of(number),)))

        if token != self.token:
            assert reply == NotOwner()
            return
        file = self.files[number]
        assert reply == int(file.status not in (None, FileStatus.VANISHED))
        if file.status is not None:
            file.status = FileStatus.VANISHED

    @rule(token=tokens, listed=st.booleans())
    def finish(self, token: str, listed: bool) -> None:
        reply = self._shown(token, FinishBackfill(token=OwnershipToken(token), listed=listed))

        assert reply == (Released() if token == self.token else NotOwner())
        if token == self.token:
            self.token = None
            self.listed_at_ms = self.state.clock.wall_ms if listed else self.listed_at_ms

    @rule(process=PROCESSES)
    def process_dies(self, process: str) -> None:
        is_owner = self.token is not None and self.process == process

        returned = self.state.ask(ReturnLeases(process=ProcessUuid(process))).backfills

        assert returned == int(is_owner)
        if is_owner:
            self.token = None

    @invariant()
    def claim_is_what_the_model_says(self) -> None:
        (row,) = self.state.rows(
            "SELECT fencing_number, ownership_token, owner_process, lease_until_boot_ms, listed_at_ms FROM backfill"
        )
        owner = (self.token, self.process, self.until_boot_ms) if self.token is not None else (None, None, None)
        assert row == (self.fencing_number, *owner, self.listed_at_ms)

    @invariant()
    def files_are_what_their_owners_made_them(self) -> None:
        rows = dict(self.state.rows("SELECT path, status FROM rollout_files"))
        assert rows == {
            path_of(number): file.status.value for number, file in self.files.items() if file.status is not None
        }

    @invariant()
    def threads_have_the_content_that_an_owner_recorded_last(self) -> None:
        rows = dict(self.state.rows("SELECT id, title FROM threads"))
        assert rows == {thread_id(number): str(file.content) for number, file in self.files.items() if file.content}

    @invariant()
    def completeness_follows_from_the_rows(self) -> None:
        told = self.state.ask(GetBackfillState())

        waits = any(file.status is FileStatus.PENDING for file in self.files.values())
        assert told.complete == (self.listed_at_ms is not None and not waits)
        assert (told.owner is not None) == self._is_held()

    def _shown(self, token: str, request: Request[Any]) -> Any:
        """Show a token; when it is dead nothing at all may change."""
        before = self.state.tables() if token != self.token else None
        reply = self.state.ask(request)
        assert before is None or before == self.state.tables(), "a refused token changed something"
        return reply
