"""Defects of the concurrent kind, planted on purpose: a simulation that does not find them proves nothing.

Each is a small change of one place of memoryd, for as long as a block lasts. Nothing of it is reachable otherwise.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest import mock

import apsw
import attrs
import trio

import state.connection
import workers.consolidation.worker
from chaos.disk.faults import Effect, Operation, Part
from chaos.simulator.clock import START_BOOT_MS, START_WALL_MS
from chaos.simulator.disk import SimulatedDisk
from chaos.simulator.store import SimulatedActor
from chaos.simulator.world import World
from state.group_commit import GroupCommit
from state.ids import Instant
from state.inbox import Answer
from state.messages.extraction import RenewExtraction
from state.messages.leases import Renewed
from state.rules import leases
from state.rules.registry import RULES
from state.sqlite_transaction import point_link
from state.transaction import Transaction
from workers.consolidation import staging


class Bug(StrEnum):
    """What can be planted."""

    REPLY_BEFORE_COMMIT = "reply-before-commit"
    """Askers are answered, and their batch is committed a moment later."""
    PUBLISH_BEFORE_ROW = "publish-before-row"
    """The link is pointed at a generation as soon as it is staged, before the row names it."""
    RENEWAL_WITHOUT_TOKEN = "renewal-without-token"
    """A renewal extends whatever runs."""
    LEASES_BY_WALL_CLOCK = "leases-by-wall-clock"
    """Leases are counted by the clock that people set."""
    INBOX_DROPPED_AT_STOP = "inbox-dropped-at-stop"
    """What waits for the store when the stop begins, or comes later, is never answered."""
    STEAL_FROM_THE_LIVING = "steal-from-the-living"
    """A lease counts as over when half of it is."""
    COMMIT_WITHOUT_SYNC = "commit-without-sync"
    """Askers are answered when their batch is in the log, and the log is synced some time later."""
    SYNC_THAT_LIES = "sync-that-lies"
    """A defect of the disk: it says that the log is synced, and keeps nothing."""


@contextmanager
def planted(bug: Bug | None) -> Iterator[None]:
    """Have the defect for the block; None: memoryd as it is."""
    with ExitStack() as patches:
        if bug is not None:
            for patch in _PATCHES[bug]():
                patches.enter_context(patch)
        yield


Patches = list[Any]


def _reply_before_commit() -> Patches:
    serve_batch, commit = SimulatedActor._serve_batch, GroupCommit._commit
    late: dict[int, bool] = {}

    def answer_first(self: GroupCommit, answers: list[Answer], *, changed: bool) -> list[Answer]:
        late[id(self)] = changed
        return answers

    def settle(actor: SimulatedActor) -> None:
        changed = late.pop(id(actor._server), None)
        if changed is not None and not actor._life.is_dead:
            assert isinstance(actor._server, GroupCommit)
            commit(actor._server, [], changed=changed)
            actor._life.changed.update(
                ("backfill", "extraction_jobs", "scopes", "memories", "threads", "rollout_files")
            )
            actor._life.world.observe(actor._life)

    async def settle_soon(actor: SimulatedActor) -> None:
        await trio.sleep(0.02)
        settle(actor)

    def serve_batch_and_answer(self: SimulatedActor) -> list[Answer]:
        settle(self)
        answers = serve_batch(self)
        if id(self._server) not in late:
            return answers
        self._inbox.taken = []
        self._deliver(answers)
        self._life.nursery.start_soon(settle_soon, self)
        return []

    return [
        mock.patch.object(GroupCommit, "_commit", answer_first),
        mock.patch.object(SimulatedActor, "_serve_batch", serve_batch_and_answer),
    ]


def _publish_before_row() -> Patches:
    staged = staging.stage

    @functools.wraps(staged)
    def stage(memories_dir: Path, folder: str, files: Any) -> None:
        staged(memories_dir, folder, files)
        scope_folder = folder.split("/")[1]
        point_link(memories_dir, "current" if scope_folder == "home" else f"scopes/{scope_folder}", folder)

    return [mock.patch.object(workers.consolidation.worker, "stage", stage)]


def _renewal_without_token() -> Patches:
    async def renew_any(tx: Transaction, request: RenewExtraction, at: Instant) -> Renewed:
        parameters = leases.renew_parameters(request.token, request.lease_ms, at)
        del parameters["token"]
        await tx.execute(f"UPDATE extraction_jobs SET {leases.RENEW} WHERE status = 'running'", **parameters)
        return Renewed(lease_until_boot_ms=leases.lease_until(request.lease_ms, at))

    return [mock.patch.dict(RULES, {RenewExtraction: renew_any})]


def _leases_by_wall_clock() -> Patches:
    def wall_clock(self: World) -> Instant:
        instant = self.machine.instant()
        return attrs.evolve(instant, boot_ms=instant.wall_ms - START_WALL_MS + START_BOOT_MS)

    return [mock.patch.object(World, "service_clock", wall_clock)]


def _inbox_dropped_at_stop() -> Patches:
    serve_batch = SimulatedActor._serve_batch

    def drop_when_stopping(self: SimulatedActor) -> list[Answer]:
        if self._life.stop_scope.cancel_called:
            while self._inbox.pick() is not None:
                pass
        return serve_batch(self)

    return [mock.patch.object(SimulatedActor, "_serve_batch", drop_when_stopping)]


def _steal_from_the_living() -> Patches:
    def is_held(row: leases.LeaseRow, at: Instant, _stale_after_ms: int | None = None) -> bool:
        if row.ownership_token is None or row.lease_boot_id != at.boot_id:
            return False
        until, renewed = row.lease_until_boot_ms or 0, row.renewed_boot_ms or 0
        return (until + renewed) / 2 > at.boot_ms

    return [mock.patch.object(leases, "is_held", is_held)]


def _commit_without_sync() -> Patches:
    prepare = state.connection._prepare_writer

    def prepare_in_a_hurry(connection: apsw.Connection, _synchronous: state.connection.Synchronous) -> None:
        prepare(connection, "NORMAL")

    return [mock.patch.object(state.connection, "_prepare_writer", prepare_in_a_hurry)]


def _sync_that_lies() -> Patches:
    effect_on = SimulatedDisk.effect_on

    def lie(self: SimulatedDisk, operation: Operation, part: Part) -> Effect | None:
        effect = effect_on(self, operation, part)
        return Effect.LIE if effect is None and (operation, part) == (Operation.SYNC, Part.LOG) else effect

    return [mock.patch.object(SimulatedDisk, "effect_on", lie)]


_PATCHES: dict[Bug, Callable[[], Patches]] = {
    Bug.REPLY_BEFORE_COMMIT: _reply_before_commit,
    Bug.PUBLISH_BEFORE_ROW: _publish_before_row,
    Bug.RENEWAL_WITHOUT_TOKEN: _renewal_without_token,
    Bug.LEASES_BY_WALL_CLOCK: _leases_by_wall_clock,
    Bug.INBOX_DROPPED_AT_STOP: _inbox_dropped_at_stop,
    Bug.STEAL_FROM_THE_LIVING: _steal_from_the_living,
    Bug.COMMIT_WITHOUT_SYNC: _commit_without_sync,
    Bug.SYNC_THAT_LIES: _sync_that_lies,
}
