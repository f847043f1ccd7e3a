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

import structlog
import trio

from config.settings import BACKFILL_LEASE_MS, Settings
from state.codex_config import provider_default, read_codex_config
from state.ids import OwnershipToken
from state.messages.backfill import (
    BackfillHeld,
    ClaimBackfill,
    FinishBackfill,
    LoadCheckpoints,
    MarkRolloutsVanished,
    RegisterRollouts,
    RenewBackfill,
    RolloutRead,
    RolloutUnreadable,
)
from state.messages.leases import ClaimTerms
from state.rollouts import FoundRollout
from state.store import StateHandle
from workers.backfill.changes import Changes, Places
from workers.backfill.names import record_names
from workers.backfill.recorder import BackfillSummary, Chunk, Recorder, owned
from workers.backfill.survey import REGISTER_FILES_MAX, look, slices
from workers.chunks import chunks
from workers.lease_keeper import GIVE_BACK_SECONDS_MAX, HeldLease, give_back, hold_lease, plain
from workers.progress import Progress
from workers.reading.files import READ_BYTES_MAX, Result, read_files
from workers.reading.helpers import Helper, HelperLostError, helpers_wanted, ready_helper

log = structlog.get_logger(__name__)

ReplyT = TypeVar("ReplyT")

CHUNK_FILES_MAX = 64
"""Files, or READ_BYTES_MAX of text, that are read in one go."""

BESIDE_HELPERS_FILES_MAX = 8
"""Files that are read here in one go while other processes read: a millisecond in which the store hardly gets on."""

REGISTERED_AT_ONCE_MAX = 16
"""Messages about rows that the store has at a time; what waits is committed together."""

CHUNKS_AHEAD_MAX = 2
"""Chunks that may wait to be recorded; the readers then wait too, so that memory stays bounded."""


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
            config = await trio.to_thread.run_sync(read_codex_config, codex_home)
            provider = provider_default(config, settings.codex.model_provider_default)
            recorder = Recorder(handle, token, held, provider)
            noted = Changes() if changes is None else changes
            work = _Scan(handle, codex_home, settings, progress, token, held, places, noted, recorder)
            summary = await work.run(retry_failed_now=retry_failed_now)
            listed = places is None
            return summary
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
            finish = FinishBackfill(token=token, listed=listed)
            # What a whole scan has found must be recorded. Else nothing but the claim is lost, and why we end counts.
            await (handle.ask(finish) if listed else give_back(handle, finish))


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
        recorder: Recorder,
    ) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._settings = settings
        self._progress = progress
        self._token = token
        self._held = held
        self._places = places
        self._changes = changes
        self._known: set[str] = set()  # paths of files that had a row when the scan began
        self._registered: set[str] = set()  # paths of the plan's files that have one by now
        self._news = trio.lowlevel.ParkingLot()
        self._helping = 0
        self._recorder = recorder

    async def run(self, *, retry_failed_now: bool) -> BackfillSummary:
        survey = await look(self._handle, self._codex_home, self._places, retry_failed_now=retry_failed_now)
        if survey.plan.vanished:
            await self._held.confirm()
            for paths in slices(survey.plan.vanished, REGISTER_FILES_MAX):
                owned(await self._handle.ask(MarkRolloutsVanished(token=self._token, paths=tuple(paths))))
            # What the vanished files shadowed is to be read now, so look once more.
            survey = await look(self._handle, self._codex_home, self._places, retry_failed_now=retry_failed_now)
        await self._held.confirm()
        plan, unreadable = survey.plan, tuple(survey.unreadable)
        self._known = {row.path for row in survey.known} if plan.to_read else set()
        if unreadable:
            owned(await self._handle.ask(RegisterRollouts(token=self._token, found=(), unreadable=unreadable)))
        self._recorder.summary = BackfillSummary(
            files=len(survey.found) + len(unreadable),
            unchanged=plan.unchanged,
            failed=plan.waiting + len(unreadable),
        )
        await self._read_and_record(plan.to_read)
        if self._places is None:
            await record_names(self._handle, self._codex_home)
        elif self._recorder.new_threads:
            # A thread may have been named before it had a row.
            await record_names(self._handle, self._codex_home, self._recorder.new_threads)
        return self._recorder.summary

    async def _read_and_record(self, files: Sequence[FoundRollout]) -> None:
        def tell() -> None:
            self._news.unpark_all()
            self._progress.report("backfill", self._recorder.done, len(files))

        self._recorder.tell = tell
        send, receive = trio.open_memory_channel[Chunk](CHUNKS_AHEAD_MAX)
        self._progress.report("backfill", 0, len(files))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._register, files)
                nursery.start_soon(self._read_chunks, files, send)
                await self._recorder.record_all(receive)
        except BaseExceptionGroup as group:
            raise plain(group) from None

    async def _register(self, files: Sequence[FoundRollout]) -> None:
        """Give every file its row, so that it is seen what there is to do; the first are read meanwhile.

        What a listing showed must not be registered after what was read later, so a chunk waits for its files' rows.
        """
        room = trio.Semaphore(REGISTERED_AT_ONCE_MAX)

        async def register(part: Sequence[FoundRollout]) -> None:
            try:
                owned(await self._handle.ask(RegisterRollouts(token=self._token, found=tuple(part))))
            finally:
                room.release()
            self._registered.update(file.path for file in part)
            self._news.unpark_all()

        async with trio.open_nursery() as nursery:
            for part in slices(files, REGISTER_FILES_MAX):
                await room.acquire()
                nursery.start_soon(register, part)

    async def _read_chunks(self, files: Sequence[FoundRollout], send: trio.MemorySendChannel[Chunk]) -> None:
        later = Changes()
        parts = chunks(files, files_max=CHUNK_FILES_MAX, bytes_max=READ_BYTES_MAX)
        async with send, trio.open_nursery() as nursery:
            for _ in range(helpers_wanted(files)):
                nursery.start_soon(self._help, parts, send)
            for part in parts:
                await self._read_changed(send, later)
                await self._read(part, send, is_planned=True)
        self._changes.add(later.take())

    async def _help(self, parts: Iterator[Sequence[FoundRollout]], send: trio.MemorySendChannel[Chunk]) -> None:
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

    async def _read_changed(self, send: trio.MemorySendChannel[Chunk], later: Changes) -> None:
        """Read what changed while this scan goes on: somebody is at work there, and waits less gladly than history.

        Only files that can be read are taken up; the rest is for the next scan.
        """
        places = self._changes.take_paths()
        if not places:
            return
        survey = await look(self._handle, self._codex_home, places, retry_failed_now=False)
        for part in chunks(survey.plan.to_read, files_max=CHUNK_FILES_MAX, bytes_max=READ_BYTES_MAX):
            owned(await self._handle.ask(RegisterRollouts(token=self._token, found=tuple(part))))
            await self._read(part, send, is_planned=False)
        later.add(places - {file.path for file in survey.found})

    async def _read(
        self,
        files: Sequence[FoundRollout],
        send: trio.MemorySendChannel[Chunk],
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
            part = files
            if helper is None and is_planned and self._helping:
                # Reading here takes the interpreter from the store; where others read, only a store without work can
                # spare it, and only for a moment.
                while self._helping and self._recorder.is_busy:
                    await self._news.park()
                part = files[:BESIDE_HELPERS_FILES_MAX]
            try:
                # Abandoned on cancel: a thread in the middle of a huge file only reads, and its result is dropped.
                results = await trio.to_thread.run_sync(
                    read, self._codex_home, part, checkpoints, abandon_on_cancel=True
                )
            except HelperLostError as error:
                assert helper is not None
                log.warning("a process that helped to read was lost", process=helper.pid, reason=str(error))
                is_lost = True
                continue
            outcomes = [_outcome(file, result) for file, result in zip(part, results, strict=False)]
            while is_planned and not self._registered.issuperset(file.path for file in files[: len(outcomes)]):
                await self._news.park()
            await send.send(Chunk(outcomes=outcomes, is_planned=is_planned))
            files = files[len(outcomes) :]
        return not is_lost


def _outcome(file: FoundRollout, result: Result) -> RolloutRead | RolloutUnreadable:
    if isinstance(result, str):
        return RolloutUnreadable(path=file.path, reason=result)
    return RolloutRead(found=file, reading=result)
