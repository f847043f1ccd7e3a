"""The backfill: from rollout files to rows. One process at a time; newest first; never waits for history to be done.

    claim -> list the tree -> compare with the known files -> read in chunks -> record -> names -> finish
                                                          +-> register everything -^

Reading runs in a pool thread, and for a long history in other processes too (workers.reading), while what was read
before is being recorded. Each takes the next chunk when it is done with one, so a slow file holds up its reader and
nobody else. One bad file costs that file: its row says why, and when it is tried again.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import attrs
import structlog
import trio

from config.settings import BACKFILL_LEASE_MS, Settings
from state.errors import RuleFailedError
from state.ids import OwnershipToken, ThreadId
from state.messages.backfill import (
    BackfillHeld,
    ClaimBackfill,
    FinishBackfill,
    LoadCheckpoints,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
    RolloutRead,
    RolloutsRecorded,
    RolloutUnreadable,
)
from state.messages.leases import ClaimTerms, NotOwner
from state.rollouts import FoundRollout
from state.store import StateHandle
from workers.backfill.changes import Changes, Places
from workers.backfill.names import record_names
from workers.backfill.survey import REGISTER_FILES_MAX, look, slices
from workers.chunks import chunks
from workers.lease_keeper import GIVE_BACK_SECONDS_MAX, HeldLease, LeaseLostError, give_back, hold_lease, plain
from workers.progress import Progress
from workers.reading.files import READ_BYTES_MAX, Result, read_files
from workers.reading.helpers import Helper, HelperLostError, helpers_wanted, ready_helper
from workers.redaction import redact

log = structlog.get_logger(__name__)

ReplyT = TypeVar("ReplyT")

CHUNK_FILES_MAX = 64
"""Files, or READ_BYTES_MAX of text, that are read in one go and recorded in one message."""

CHUNKS_AHEAD_MAX = 2
"""Chunks that may wait to be recorded; the readers then wait too, so that memory stays bounded."""


@attrs.frozen(kw_only=True)
class BackfillSummary:
    """What one scan did. files = indexed + unchanged + skipped + failed."""

    files: int = 0
    indexed: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    bytes: int = 0

    def plus(self, recorded: RolloutsRecorded, bytes_read: int) -> "BackfillSummary":
        """This summary with one recorded chunk added; a shadowed file counts as skipped."""
        return attrs.evolve(
            self,
            indexed=self.indexed + recorded.indexed,
            skipped=self.skipped + recorded.skipped + recorded.shadowed,
            failed=self.failed + recorded.failed,
            bytes=self.bytes + bytes_read,
        )


async def scan(
    handle: StateHandle,
    codex_home: Path,
    settings: Settings,
    progress: Progress,
    *,
    retry_failed_now: bool,
    places: Places = None,
    changes: Changes | None = None,
) -> BackfillSummary | BackfillHeld:
    """Bring the index up to date with the files, once. Doing it twice is safe; the second time reads nothing.

    Args:
      places: look only here, at the cost of what is here and not of the whole history; None: everywhere.
      changes: what is noted there while the scan goes on is read first. What it cannot take up stays noted.

    Raises:
      LeaseLostError: another process took the scan over; what was recorded before stays.
      StoreError: the store could not answer.
    """
    token = handle.mint_token()
    terms = ClaimTerms(token=token, owner=handle.owner("backfill"), lease_ms=BACKFILL_LEASE_MS)
    claimed_boot_ms = handle.clock().boot_ms
    claimed = await handle.ask(ClaimBackfill(terms=terms))
    if isinstance(claimed, BackfillHeld):
        return claimed
    listed = False
    try:
        async with hold_lease(
            handle,
            RenewBackfill(token=token, lease_ms=BACKFILL_LEASE_MS),
            lease_ms=BACKFILL_LEASE_MS,
            claimed_boot_ms=claimed_boot_ms,
        ) as held:
            work = _Scan(
                handle, codex_home, settings, progress, token, held, places, Changes() if changes is None else changes
            )
            summary = await work.run(retry_failed_now=retry_failed_now)
            listed = places is None
            return summary
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
            finish = FinishBackfill(token=token, listed=listed)
            # What a whole scan has found must be recorded. Else nothing but the claim is lost, and why we end counts.
            await (handle.ask(finish) if listed else give_back(handle, finish))


Outcomes = list[RolloutRead | RolloutUnreadable]


@attrs.frozen(kw_only=True)
class _Chunk:
    """What reading some files gave. is_planned: they are of the scan's plan, and not of what changed meanwhile."""

    outcomes: Outcomes
    is_planned: bool


class _Scan:
    """One scan in work, under its token."""

    def __init__(
        self,
        handle: StateHandle,
        codex_home: Path,
        settings: Settings,
        progress: Progress,
        token: OwnershipToken,
        held: HeldLease,
        places: Places,
        changes: Changes,
    ) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._settings = settings
        self._progress = progress
        self._token = token
        self._held = held
        self._places = places
        self._changes = changes
        self._read_from_start: set[ThreadId] = set()
        self._known: set[str] = set()  # paths of files that had a row when the scan began
        self._registered: set[str] = set()  # paths of the plan's files that have one by now
        self._news = trio.lowlevel.ParkingLot()
        self._helping = 0

    async def run(self, *, retry_failed_now: bool) -> BackfillSummary:
        survey = await look(self._handle, self._codex_home, self._places, retry_failed_now=retry_failed_now)
        if survey.plan.vanished:
            await self._held.confirm()
            for paths in slices(survey.plan.vanished, REGISTER_FILES_MAX):
                _owned(await self._handle.ask(MarkRolloutsVanished(token=self._token, paths=tuple(paths))))
            # What the vanished files shadowed is to be read now, so look once more.
            survey = await look(self._handle, self._codex_home, self._places, retry_failed_now=retry_failed_now)
        await self._held.confirm()
        plan, unreadable = survey.plan, tuple(survey.unreadable)
        self._known = {row.path for row in survey.known} if plan.to_read else set()
        if unreadable:
            _owned(await self._handle.ask(RegisterRollouts(token=self._token, found=(), unreadable=unreadable)))
        summary = BackfillSummary(
            files=len(survey.found) + len(unreadable),
            unchanged=plan.unchanged,
            failed=plan.waiting + len(unreadable),
        )
        summary = await self._read_and_record(plan.to_read, summary)
        if self._places is None:
            await record_names(self._handle, self._codex_home)
        elif self._read_from_start:
            # A thread may have been named before it had a row.
            await record_names(self._handle, self._codex_home, self._read_from_start)
        return summary

    async def _read_and_record(self, files: Sequence[FoundRollout], summary: BackfillSummary) -> BackfillSummary:
        send, receive = trio.open_memory_channel[_Chunk](CHUNKS_AHEAD_MAX)
        done = 0
        self._progress.report("backfill", 0, len(files))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._register, files)
                nursery.start_soon(self._read_chunks, files, send)
                async with receive:
                    async for chunk in receive:
                        recorded = await self._record(chunk.outcomes, summary)
                        self._news.unpark_all()
                        if chunk.is_planned:
                            summary = recorded
                            done += len(chunk.outcomes)
                            self._progress.report("backfill", done, len(files))
        except BaseExceptionGroup as group:
            raise plain(group) from None
        return summary

    async def _register(self, files: Sequence[FoundRollout]) -> None:
        """Give every file its row, so that it is seen what there is to do; the first are read meanwhile.

        What a listing showed must not be registered after what was read later, so a chunk waits for its files' rows.
        """
        for part in slices(files, REGISTER_FILES_MAX):
            _owned(await self._handle.ask(RegisterRollouts(token=self._token, found=tuple(part))))
            self._registered.update(file.path for file in part)
            self._news.unpark_all()

    async def _read_chunks(self, files: Sequence[FoundRollout], send: trio.MemorySendChannel[_Chunk]) -> None:
        later = Changes()
        parts = chunks(files, files_max=CHUNK_FILES_MAX, bytes_max=READ_BYTES_MAX)
        async with send, trio.open_nursery() as nursery:
            for _ in range(helpers_wanted(files)):
                nursery.start_soon(self._help, parts, send)
            for part in parts:
                await self._read_changed(send, later)
                await self._read(part, send, is_planned=True)
                # Reading here takes the interpreter from the store; where others read, only a store without work can
                # spare it. Before they are ready this is the only reader, and the first rows do not wait.
                while self._helping and send.statistics().current_buffer_used:
                    await self._news.park()
        self._changes.add(later.take())

    async def _help(self, parts: Iterator[Sequence[FoundRollout]], send: trio.MemorySendChannel[_Chunk]) -> None:
        """Let another process take its share of the parts. What it is lost with is read here."""
        try:
            async with ready_helper() as helper:
                self._helping += 1
                try:
                    for part in parts:
                        if not await self._read(part, send, is_planned=True, helper=helper):
                            break
                finally:
                    self._helping -= 1
        except HelperLostError as error:
            log.warning("no process helps to read", reason=str(error))

    async def _read_changed(self, send: trio.MemorySendChannel[_Chunk], later: Changes) -> None:
        """Read what changed while this scan goes on: somebody is at work there, and waits less gladly than history.

        Only files that can be read are taken up; the rest is for the next scan.
        """
        places = self._changes.take_paths()
        if not places:
            return
        survey = await look(self._handle, self._codex_home, places, retry_failed_now=False)
        for part in chunks(survey.plan.to_read, files_max=CHUNK_FILES_MAX, bytes_max=READ_BYTES_MAX):
            _owned(await self._handle.ask(RegisterRollouts(token=self._token, found=tuple(part))))
            await self._read(part, send, is_planned=False)
        later.add(places - {file.path for file in survey.found})

    async def _read(
        self,
        files: Sequence[FoundRollout],
        send: trio.MemorySendChannel[_Chunk],
        *,
        is_planned: bool,
        helper: Helper | None = None,
    ) -> bool:
        """Read files and send what they say, in as many pieces as their texts need; False when the helper was lost."""
        # What had no row when the scan began has no checkpoint, unless this scan has come by before.
        known = tuple(file.path for file in files if not is_planned or file.path in self._known)
        checkpoints = await self._handle.ask(LoadCheckpoints(paths=known)) if known else {}
        is_lost = False
        while files:
            read = read_files if helper is None or is_lost else helper.read_files
            try:
                # Abandoned on cancel: a thread in the middle of a huge file only reads, and its result is dropped.
                results = await trio.to_thread.run_sync(
                    read, self._codex_home, files, checkpoints, abandon_on_cancel=True
                )
            except HelperLostError as error:
                assert helper is not None
                log.warning("a process that helped to read was lost", process=helper.pid, reason=str(error))
                is_lost = True
                continue
            outcomes = [_outcome(file, result) for file, result in zip(files, results, strict=False)]
            while is_planned and not self._registered.issuperset(file.path for file in files[: len(outcomes)]):
                await self._news.park()
            await send.send(_Chunk(outcomes=outcomes, is_planned=is_planned))
            files = files[len(outcomes) :]
        return not is_lost

    async def _record(self, chunk: Outcomes, summary: BackfillSummary) -> BackfillSummary:
        try:
            recorded = await self._ask_to_record(chunk)
        except RuleFailedError as error:
            if len(chunk) > 1:
                # One of them cannot be stored: find out which, so that it costs only itself.
                for outcome in chunk:
                    summary = await self._record([outcome], summary)
                return summary
            path = chunk[0].found.path if isinstance(chunk[0], RolloutRead) else chunk[0].path
            chunk = [RolloutUnreadable(path=path, reason=redact(f"internal error: {error}"))]
            recorded = await self._ask_to_record(chunk)
        for outcome in chunk:
            if isinstance(outcome, RolloutRead):
                if outcome.reading.facts is not None and not outcome.reading.continued:
                    self._read_from_start.add(outcome.reading.facts.thread_id)
            else:
                log.warning("rollout not readable", path=outcome.path, reason=outcome.reason)
        bytes_read = sum(outcome.reading.bytes_read for outcome in chunk if isinstance(outcome, RolloutRead))
        return summary.plus(recorded, bytes_read)

    async def _ask_to_record(self, chunk: Outcomes) -> RolloutsRecorded:
        await self._held.confirm()  # reading a large file may have taken long
        return _owned(
            await self._handle.ask(
                RecordRollouts(
                    token=self._token,
                    model_provider_default=self._settings.codex.model_provider_default,
                    outcomes=tuple(chunk),
                )
            )
        )


def _owned(reply: ReplyT | NotOwner) -> ReplyT:
    """The reply, if the scan is still ours."""
    if isinstance(reply, NotOwner):
        raise LeaseLostError("the scan was taken over by somebody else")
    return reply


def _outcome(file: FoundRollout, result: Result) -> RolloutRead | RolloutUnreadable:
    if isinstance(result, str):
        return RolloutUnreadable(path=file.path, reason=result)
    return RolloutRead(found=file, reading=result)
