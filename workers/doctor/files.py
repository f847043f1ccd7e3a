"""The files against the index: what is on disk, what the rows say, and what a scan would do about it.

The verdict on each file is the scan's own (`plan_scan`), so that what is called a drift here is exactly what a scan
puts right.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import attrs
import trio

from config import Settings
from state.messages.backfill import (
    CompareThreadNames,
    FileStatus,
    GetBackfillState,
    KnownRollout,
    ListTroubledRollouts,
    TroubledRollout,
)
from state.messages.drift import FindIndexDrift, IndexDrift, MisplacedThread
from state.rollouts import FoundRollout, UnreadablePath, find_rollouts, plain_reason, read_thread_names
from state.store import StateHandle
from workers.backfill.survey import look
from workers.doctor.finding import Area, Findings, Severity, shown
from workers.redaction import redact

TROUBLED_MAX = 20_000

NAMES_MAX = 500
"""Names in one question: some milliseconds of work, so that other requests get in between."""


@attrs.frozen(kw_only=True)
class Survey:
    """What was on disk, and which files the index is up to date with.

    Attributes:
      found: newest first.
      current: paths whose rows say what the disk says.
      behind: paths that a scan would read, or mark as gone.
    """

    found: Sequence[FoundRollout]
    unreadable: Sequence[UnreadablePath]
    current: frozenset[str]
    behind: frozenset[str]


async def survey_unindexed(findings: Findings, codex_home: Path, *, is_new: bool) -> Survey:
    """What is on disk, where the index says nothing: it is new, or cannot be asked."""
    found, unreadable = await trio.to_thread.run_sync(find_rollouts, codex_home, abandon_on_cancel=True)
    if is_new:
        findings.add(
            Area.FILES,
            "nothing_indexed",
            Severity.NOTE if found else Severity.OK,
            f"nothing of {codex_home} is indexed yet; {len(found)} rollouts wait",
            repair="`memoryd once` or --repair indexes them" if found else "",
            can_repair=bool(found),
        )
    return Survey(
        found=found,
        unreadable=unreadable,
        current=frozenset(),
        behind=frozenset(file.path for file in found),
    )


async def check_files(
    findings: Findings, handle: StateHandle, codex_home: Path, settings: Settings, *, is_served: bool
) -> Survey:
    """Compare the disk with the rows, and the rows with each other.

    Args:
      is_served: a running service reads what has changed by itself.
    """
    seen = await look(handle, codex_home, None, retry_failed_now=True)
    found, unreadable, plan = seen.found, seen.unreadable, seen.plan
    rows = {row.path: row for row in seen.known}
    reporter = _Reporter(
        findings, is_served=is_served, rescan_seconds=settings.backfill.rescan_seconds_while(watched=True)
    )
    for file in plan.to_read:
        reporter.to_read(file, rows.get(file.path))
    for path in plan.vanished:
        reporter.behind("rollout_gone", path, f"{path} is gone, and its row does not say so", "marks it as gone")
    for unusable in unreadable:
        findings.add(
            Area.FILES,
            "rollout_unusable",
            Severity.WARNING,
            f"{unusable.path} cannot be used: {unusable.reason}",
            subject=unusable.path,
            repair="make it a file or folder that you may read, or move it away",
        )
    if (await handle.ask(GetBackfillState())).listed_at_ms is None:
        reporter.behind("never_listed", "", "the index never saw the whole home", "looks at the whole of it")
    behind = frozenset({file.path for file in plan.to_read} | set(plan.vanished))
    await _check_names(findings, reporter, handle, codex_home)
    troubled = await handle.ask(ListTroubledRollouts(limit=TROUBLED_MAX))
    unusable_paths = {one.path for one in unreadable}
    _report_troubled(findings, [row for row in troubled if row.path not in unusable_paths], behind)
    _report_contradictions(findings, await handle.ask(FindIndexDrift()), behind, codex_home)
    return Survey(
        found=found,
        unreadable=unreadable,
        current=frozenset(
            file.path for file in found if file.path not in behind and rows[file.path].status is FileStatus.INDEXED
        ),
        behind=behind,
    )


async def _check_names(findings: Findings, reporter: "_Reporter", handle: StateHandle, codex_home: Path) -> None:
    """The names that people gave, against those in the rows."""
    try:
        names = await trio.to_thread.run_sync(read_thread_names, codex_home, abandon_on_cancel=True)
    except OSError as error:
        findings.add(
            Area.FILES,
            "names_unreadable",
            Severity.WARNING,
            f"the names of sessions in session_index.jsonl cannot be read: {plain_reason(error)}",
            subject="session_index.jsonl",
            repair="give yourself the right to read it; names that are known are kept",
        )
        return
    threads = sorted(names)
    for start in range(0, len(threads), NAMES_MAX):
        part = {thread: names[thread] for thread in threads[start : start + NAMES_MAX]}
        drifts = await handle.ask(
            CompareThreadNames(
                names={thread: redact(given.name) for thread, given in part.items()},
                named_at_ms={
                    thread: given.named_at_ms for thread, given in part.items() if given.named_at_ms is not None
                },
            )
        )
        for drift in drifts:
            given = names[drift.thread_id].name
            found = f"thread {drift.thread_id} is named {shown(given)}, and its row says {shown(drift.stored)}"
            reporter.behind("name_differs", drift.thread_id, found, "takes the name over")


class _Reporter:
    """Names what a scan would do; who does it depends on whether a service runs."""

    def __init__(self, findings: Findings, *, is_served: bool, rescan_seconds: float) -> None:
        self._findings = findings
        self._severity = Severity.NOTE if is_served else Severity.WARNING
        self._who = (
            f"the running service {{does}} within {rescan_seconds:g} seconds" if is_served else "--repair {does}"
        )

    def to_read(self, file: FoundRollout, row: KnownRollout | None) -> None:
        """A file that a scan would read."""
        path = file.path
        if row is None:
            self.behind("rollout_not_indexed", path, f"{path} has no row", "reads it")
        elif row.status is FileStatus.FAILED:
            pass  # reported with its reason among the troubled
        elif row.status is FileStatus.VANISHED:
            self.behind("rollout_back", path, f"{path} is there again, and its row says that it is gone", "reads it")
        elif row.status is FileStatus.PENDING:
            self.behind("rollout_pending", path, f"{path} was seen and not read yet", "reads it")
        else:
            self.behind(
                "rollout_changed",
                path,
                f"{path} has changed since it was read ({_change(file, row)})",
                "reads it from where it stopped",
            )

    def behind(self, code: str, path: str, found: str, does: str) -> None:
        """One thing in which the index is behind the files."""
        repair = self._who.format(does=does)
        self._findings.add(Area.FILES, code, self._severity, found, subject=path, repair=repair, can_repair=True)


def _change(file: FoundRollout, row: KnownRollout) -> str:
    if file.size_bytes != row.size_bytes:
        return f"{row.size_bytes} bytes then, {file.size_bytes} now"
    return "another file in its place" if file.inode != row.inode else "its time was changed"


def _report_troubled(findings: Findings, troubled: Sequence[TroubledRollout], behind: frozenset[str]) -> None:
    for row in troubled:
        match row.status:
            case FileStatus.FAILED:
                findings.add(
                    Area.FILES,
                    "rollout_failed",
                    Severity.WARNING,
                    f"{row.path} could not be read: {row.reason} (tried {row.attempts} times)",
                    subject=row.path,
                    repair="--repair tries again at once; see that you may read it",
                    can_repair=True,
                )
            case FileStatus.VANISHED:
                findings.add(
                    Area.FILES,
                    "rollout_vanished",
                    Severity.NOTE,
                    f"{row.path} is gone; what was remembered of it is kept",
                    subject=row.path,
                )
            case _ if row.path not in behind:
                # Shadowed, skipped, or indexed with a remark: each has its reason, and nothing is to be done.
                findings.add(
                    Area.FILES,
                    f"rollout_{row.status.value}" if row.status is not FileStatus.INDEXED else "rollout_remark",
                    Severity.NOTE,
                    f"{row.path} is {row.status.value}: {row.reason}",
                    subject=row.path,
                )


def _report_contradictions(findings: Findings, drift: IndexDrift, behind: frozenset[str], codex_home: Path) -> None:
    reread = "--repair reads the file from its start"
    for one in drift.without_thread:
        _contradiction(
            findings, "thread_missing", one.path, f"{one.path} is indexed, and its thread has no row", reread
        )
    for one in drift.elsewhere:
        found = f"the row of thread {one.thread_id} names the file {shown(one.thread_path)}, and its file is {one.path}"
        _contradiction(findings, "thread_elsewhere", one.path, found, reread)
    for one in drift.without_job:
        found = f"nothing waits to extract thread {one.thread_id} of {one.path}"
        _contradiction(findings, "job_missing", one.path, found, reread)
    for one in drift.without_file:
        _report_fileless(findings, one, behind, codex_home)


def _contradiction(findings: Findings, code: str, subject: str, found: str, repair: str) -> None:
    findings.add(Area.FILES, code, Severity.WARNING, found, subject=subject, repair=repair, can_repair=True)


def _report_fileless(findings: Findings, one: MisplacedThread, behind: frozenset[str], codex_home: Path) -> None:
    """A thread for which no file is indexed: gone and known to be, about to be read, or lost."""
    if one.file_status in (FileStatus.VANISHED, FileStatus.FAILED, FileStatus.PENDING) or one.thread_path in behind:
        return  # said of the file
    if one.file_status is None and not os.path.lexists(codex_home / one.thread_path):
        found = f"thread {one.thread_id} has a row, and its file {shown(one.thread_path)} is neither there nor known"
        _contradiction(findings, "thread_lost", one.thread_id, found, "--repair marks it as gone; nothing is deleted")
        return
    if one.file_status is FileStatus.SHADOWED:
        found = f"thread {one.thread_id} is shadowed in {one.thread_path} by a file that is not indexed"
        _contradiction(findings, "thread_shadowed", one.thread_path, found, "--repair reads the file from its start")
        return
    findings.add(
        Area.FILES,
        "thread_without_file",
        Severity.NOTE,
        f"thread {one.thread_id} is no longer in {one.thread_path}; what was remembered of it is kept",
        subject=one.thread_id,
    )
