"""What `--repair` does: only what is ours and safe, each step by the part of memoryd that always does it.

    rights -> leftovers -> dead processes -> files to be read from their start -> scan -> lost files -> memories

Nothing of a Codex home is written. Every step may be done twice, and a kill between two of them loses nothing: what
was dropped to be read again is pending, and the next scan reads it.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
import trio

from config.settings import BACKFILL_LEASE_MS
from state.codex_copy import forsaken_copies
from state.errors import StateError
from state.ids import OwnershipToken, ThreadId
from state.messages.backfill import BackfillHeld, ClaimBackfill, FinishBackfill, RenewBackfill
from state.messages.drift import ListGenerations, LookUpRollouts, RecordLostFiles, RereadRollouts
from state.messages.leases import ClaimTerms, NotOwner
from state.messages.service import ListProcesses
from state.opening import mark_suspect
from state.store import StateHandle, open_store
from workers.backfill import scan
from workers.consolidation import Consolidation
from workers.doctor.examination import Patient
from workers.doctor.finding import Findings
from workers.doctor.processes import forsaken_locks
from workers.doctor.publications import leftovers
from workers.doctor.state_folder import loose_entries
from workers.lease_keeper import GIVE_BACK_SECONDS_MAX, LeaseLostError, give_back, hold_lease
from workers.progress import Progress
from workers.reaper import reap
from workers.redaction import redact

log = structlog.get_logger(__name__)

SCAN_WAIT_SECONDS_MAX = 30.0
"""How long to wait for another process's scan, as `once` does."""

SCAN_POLL_SECONDS = 0.5
REREAD_PATHS_MAX = 500

REREAD_CODES = ("thread_missing", "thread_elsewhere", "job_missing", "row_differs", "thread_shadowed")
SCAN_CODES = (
    "nothing_indexed", "rollout_not_indexed", "rollout_back", "rollout_pending", "rollout_changed", "rollout_gone",
    "rollout_failed", "never_listed", "name_differs",
)  # fmt: skip
MEMORY_CODES = ("link_wrong", "generation_lost")


class BusyError(Exception):
    """Another process scans, and did not end within the bound."""


async def mend(patient: Patient, findings: Findings, progress: Progress) -> list[str]:
    """Repair what the findings name; answer what was done, one sentence each."""
    actions: list[str] = []
    if findings.has("loose_permissions"):
        actions += await trio.to_thread.run_sync(_tighten, patient.folder.path)
    if findings.has("copy_forsaken"):
        actions += await trio.to_thread.run_sync(_remove, "copies", forsaken_copies())
    if findings.has("database_damaged"):
        # Writing into damaged pages could make it worse: the next start sets the database aside before it writes.
        await trio.to_thread.run_sync(mark_suspect, patient.folder, "the doctor found it damaged")
        return [*actions, "left word for the next start to check the database whole and to set it aside"]
    store_codes = (
        *REREAD_CODES,
        *SCAN_CODES,
        *MEMORY_CODES,
        "process_dead",
        "thread_lost",
        "leftover",
        "lock_forsaken",
        "schema_older",
    )
    if findings.has(*store_codes) and not findings.has("schema", "state_unusable", "database_unreadable"):
        try:
            async with open_store(patient.folder, str(patient.paths.codex_home)) as handle:
                await _Mending(handle, patient, findings, progress, actions).run()
        except (StateError, BusyError) as error:
            actions.append(f"could not go on: {error}")
    return [redact(action) for action in actions]


def _tighten(folder: Path) -> list[str]:
    tightened = 0
    for path in loose_entries(folder):
        # Through a descriptor that follows no link, so that nothing else can be put in its place meanwhile.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        if path.name.startswith(("state.sqlite", "logs.sqlite")):
            # Closing a descriptor of the database would drop the locks of a connection; its folder is ours alone.
            os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) & 0o700)
            tightened += 1
            continue
        try:
            descriptor = os.open(path, flags)
        except OSError:
            continue
        try:
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o700)
            tightened += 1
        finally:
            os.close(descriptor)
    return [f"took the rights of others from {tightened} files and folders"] if tightened else []


def _remove(what: str, paths: Sequence[Path]) -> list[str]:
    removed = 0
    for path in paths:
        with contextlib.suppress(OSError):  # what stays is found again by the look that follows
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        removed += not os.path.lexists(path)
    return [f"removed {removed} forsaken {what}"] if removed else []


class _Mending:
    """The repairs that need the store."""

    def __init__(
        self, handle: StateHandle, patient: Patient, findings: Findings, progress: Progress, actions: list[str]
    ) -> None:
        self._handle = handle
        self._codex_home = patient.paths.codex_home
        self._settings = patient.settings
        self._findings = findings
        self._progress = progress
        self._actions = actions

    async def run(self) -> None:
        """Repair.

        Raises:
          BusyError: another process scans for longer than the bound.
          StoreError: the store could not answer; what was done before stays done.
        """
        findings = self._findings
        if findings.has("process_dead"):
            returned = await reap(self._handle)
            self._actions.append(f"took over from processes that are dead: {returned.total} leases are free again")
        if findings.has("lock_forsaken"):
            entered = {one.process for one in await self._handle.ask(ListProcesses())}
            self._actions += await trio.to_thread.run_sync(
                lambda: _remove("lock files", forsaken_locks(self._handle.folder, entered))
            )
        await self._reread()
        if findings.has(*REREAD_CODES, *SCAN_CODES, "thread_lost"):
            await self._scan()
        if findings.has("thread_lost"):
            await self._record_lost()
        if findings.has("leftover"):
            rows = await self._handle.ask(ListGenerations())
            self._actions += await trio.to_thread.run_sync(
                lambda: _remove("leftovers", leftovers(self._handle.folder, rows))
            )
        if findings.has(*MEMORY_CODES):
            consolidation = Consolidation(self._handle, self._codex_home, self._settings, self._progress)
            await consolidation.run(until_done=True)
            self._actions.append("pointed every link at what its row says, and wrote lost memories again")

    async def _reread(self) -> None:
        paths = [path for code in REREAD_CODES for path in self._findings.to_repair(code)]
        if not paths:
            return
        reread = 0
        async with self._scan_claimed() as token:
            for start in range(0, len(paths), REREAD_PATHS_MAX):
                part = tuple(paths[start : start + REREAD_PATHS_MAX])
                reply = await self._handle.ask(RereadRollouts(token=token, paths=part))
                if isinstance(reply, NotOwner):
                    raise BusyError("another process took the scan over")
                reread += reply
        self._actions.append(f"had {reread} files read from their start")

    async def _scan(self) -> None:
        give_up_at = trio.current_time() + SCAN_WAIT_SECONDS_MAX
        while True:
            try:
                result = await scan(
                    self._handle, self._codex_home, self._settings, self._progress, retry_failed_now=True
                )
            except LeaseLostError as lost:
                raise BusyError(f"another process took the scan over: {lost}") from lost
            if not isinstance(result, BackfillHeld):
                break
            await self._wait(give_up_at)
        self._actions.append(
            f"looked at {result.files} files: {result.indexed} indexed, {result.failed} could not be read"
        )

    async def _record_lost(self) -> None:
        """Mark the files as gone of those threads that the scan has found no file for."""
        threads = [ThreadId(thread) for thread in self._findings.to_repair("thread_lost")]
        marked = 0
        async with self._scan_claimed() as token:
            for start in range(0, len(threads), REREAD_PATHS_MAX):
                part = tuple(threads[start : start + REREAD_PATHS_MAX])
                known = {row.thread_id for row in await self._handle.ask(LookUpRollouts(threads=part))}
                lost = tuple(thread for thread in part if thread not in known)
                reply = await self._handle.ask(RecordLostFiles(token=token, threads=lost))
                if isinstance(reply, NotOwner):
                    raise BusyError("another process took the scan over")
                marked += reply
        self._actions.append(f"marked the files of {marked} threads as gone")

    @asynccontextmanager
    async def _scan_claimed(self) -> AsyncIterator[OwnershipToken]:
        """Hold the scan for the block, which shows the token with every write."""
        give_up_at = trio.current_time() + SCAN_WAIT_SECONDS_MAX
        token = self._handle.mint_token()
        terms = ClaimTerms(token=token, owner=self._handle.owner("doctor"), lease_ms=BACKFILL_LEASE_MS)
        claimed_boot_ms = self._handle.clock().boot_ms
        while isinstance(await self._handle.ask(ClaimBackfill(terms=terms)), BackfillHeld):
            await self._wait(give_up_at)
            claimed_boot_ms = self._handle.clock().boot_ms
        renewal = RenewBackfill(token=token, lease_ms=BACKFILL_LEASE_MS)
        try:
            async with hold_lease(self._handle, renewal, lease_ms=BACKFILL_LEASE_MS, claimed_boot_ms=claimed_boot_ms):
                yield token
        except LeaseLostError as lost:
            raise BusyError(f"another process took the scan over: {lost}") from lost
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
                await give_back(self._handle, FinishBackfill(token=token, listed=False))

    async def _wait(self, give_up_at: float) -> None:
        if trio.current_time() >= give_up_at:
            raise BusyError(
                f"another process has been scanning for {SCAN_WAIT_SECONDS_MAX:.0f} seconds; try again when it is done"
            )
        await trio.sleep(SCAN_POLL_SECONDS)
        await reap(self._handle)
